package org.espalier.plugins;

import org.espalier.spi.PluginRef;

/** Binds plugins that a configuration record names. */
@FunctionalInterface
interface PluginRefs {
  /** Knows none. */
  PluginRefs NONE =
      (type, spec) -> {
        throw spec.tree()
            .error(spec.node(), "No plugin can be named at " + spec.path() + ".", null);
      };

  /**
   * Binds a plugin's configuration.
   *
   * @param type what it loads
   * @param spec its id and configuration
   */
  PluginRef<?> bind(Class<?> type, PluginSpec spec);
}
