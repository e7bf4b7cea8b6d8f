package org.espalier.models.var;

import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;
import org.espalier.weights.HubId;
import org.espalier.weights.HubReferences;

/** Loads Infinity under the id {@code infinity}. */
public final class InfinityProvider
    implements ModelProvider<InfinityConfig>, HubReferences.Companions {
  @Override
  public String id() {
    return "infinity";
  }

  @Override
  public Class<InfinityConfig> configType() {
    return InfinityConfig.class;
  }

  /** The published text encoder, and of the published tokenizers the model's own. */
  @Override
  public Set<String> companions(Map<String, ?> config) {
    Set<String> companions = new TreeSet<>();
    String weights = String.valueOf(config.get("weights"));
    if (!weights.startsWith(HubId.PREFIX)) {
      return companions;
    }
    if (config.get("textEncoder") == null) {
      companions.add(InfinityLoader.PUBLISHED_TEXT_ENCODER);
    }
    String tokenizer = TokenizerFile.published(weights);
    if (config.get("vae") == null && tokenizer != null) {
      HubId id = HubId.of(weights);
      companions.add(new HubId(id.repository(), id.revision(), tokenizer).toString());
    }
    return companions;
  }

  @Override
  public void check(InfinityConfig config, LoadContext context) {
    InfinityLoader.check(config, context);
  }

  @Override
  public GenerativeModel load(InfinityConfig config, LoadContext context) {
    return InfinityLoader.load(config, context);
  }
}
