package org.espalier.models.diffusion;

import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;
import org.espalier.torch.TorchEngine;

/**
 * Loads the flows of one family.
 *
 * @param <C> their configuration
 */
abstract class FlowProvider<C extends Record> implements ModelProvider<C> {
  private final String id;
  private final Class<C> configType;

  FlowProvider(String id, Class<C> configType) {
    this.id = id;
    this.configType = configType;
  }

  /**
   * Checks everything that can be known without reading a tensor.
   *
   * @param config validated configuration
   * @param context device and base directory
   */
  abstract FlowBlueprint blueprint(C config, LoadContext context);

  @Override
  public final String id() {
    return id;
  }

  @Override
  public final Class<C> configType() {
    return configType;
  }

  @Override
  public final void check(C config, LoadContext context) {
    blueprint(config, context).close();
  }

  @Override
  public final GenerativeModel load(C config, LoadContext context) {
    try (FlowBlueprint blueprint = blueprint(config, context)) {
      return blueprint.load(id, TorchEngine.device(context));
    }
  }
}
