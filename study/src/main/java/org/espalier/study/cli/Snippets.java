package org.espalier.study.cli;

import java.util.Set;
import org.espalier.study.config.ConfigTree;
import org.espalier.study.config.PluginSpec;
import org.espalier.study.config.RecordBinder;

/** YAML given as an option. */
final class Snippets {
  private Snippets() {}

  private record One(PluginSpec value) {}

  static PluginSpec plugin(String option, String text) {
    ConfigTree tree = ConfigTree.parse(option, "value: " + text);
    return RecordBinder.bind(tree, tree.root(), "", One.class, Set.of()).value();
  }
}
