package org.espalier.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;
import org.espalier.plugins.ConfigTree;
import org.espalier.plugins.PluginSpec;
import org.espalier.plugins.RecordBinder;
import org.espalier.spi.WeightsBundle;

/** Plugins given as options. */
final class Snippets {
  private static final String ENSEMBLE =
      "{id: ensemble, members: [{id: clip, weights: nano}, {id: image-reward, weights: nano}],"
          + " calibration: nano}";

  private Snippets() {}

  private record One(PluginSpec value) {}

  /**
   * A plugin as a user writes it.
   *
   * @param option for errors
   * @param text YAML
   */
  static PluginSpec plugin(String option, String text) {
    return one(ConfigTree.parse(option, "value: " + text));
  }

  /**
   * A plugin put together from several options.
   *
   * @param option for errors
   * @param id of its provider
   * @param config what else is set
   */
  static PluginSpec plugin(String option, String id, Map<String, ?> config) {
    Map<String, Object> all = new LinkedHashMap<>(config);
    all.put("id", id);
    return one(ConfigTree.of(option, Map.of("value", all)));
  }

  private static PluginSpec one(ConfigTree tree) {
    return RecordBinder.bind(tree, tree.root(), "", One.class, Set.of()).value();
  }

  /** A verifier: YAML, or an id alone, which means its small weights where they are bundled. */
  static PluginSpec verifier(String text) {
    return plugin("--verifier", bundled(text.strip()).orElse(text));
  }

  /** The YAML of a verifier with the small weights on the class path, if it has any. */
  static Optional<String> bundled(String id) {
    for (WeightsBundle bundle : ServiceLoader.load(WeightsBundle.class)) {
      if (bundle.names().contains(id + "/nano")) {
        return Optional.of(
            id.equals("ensemble") ? ENSEMBLE : "{id: %s, weights: nano}".formatted(id));
      }
    }
    return Optional.empty();
  }
}
