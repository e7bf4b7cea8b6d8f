package org.espalier.models.var;

import java.util.Map;
import java.util.Set;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;
import org.espalier.weights.HubId;
import org.espalier.weights.HubReferences;

/** Loads VAR under the id {@code var}. */
public final class VarProvider implements ModelProvider<VarConfig>, HubReferences.Companions {
  /** The decoder of all published transformers. */
  private static final String DECODER = "vae_ch160v4096z32.pth";

  @Override
  public String id() {
    return "var";
  }

  @Override
  public Class<VarConfig> configType() {
    return VarConfig.class;
  }

  @Override
  public Set<String> companions(Map<String, ?> config) {
    String weights = String.valueOf(config.get("weights"));
    if (!weights.startsWith(HubId.PREFIX) || config.get("vae") != null) {
      return Set.of();
    }
    HubId id = HubId.of(weights);
    return Set.of(new HubId(id.repository(), id.revision(), DECODER).toString());
  }

  @Override
  public void check(VarConfig config, LoadContext context) {
    VarLoader.check(config, context);
  }

  @Override
  public GenerativeModel load(VarConfig config, LoadContext context) {
    return VarLoader.load(config, context);
  }
}
