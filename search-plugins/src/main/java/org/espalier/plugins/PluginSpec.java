package org.espalier.plugins;

import java.util.Set;
import org.yaml.snakeyaml.nodes.Node;

/**
 * A plugin named in YAML, its configuration not yet bound: {@code {id: beam, width: 3}}, or just
 * {@code beam}.
 *
 * @param id which provider
 * @param tree where it stands
 * @param idNode the node of the id, for errors
 * @param node the whole mapping, or the scalar
 * @param path where it stands, for errors, for example {@code arms[0].strategy}
 * @param apart keys of the mapping that are not the plugin's, its id among them
 */
public record PluginSpec(
    String id, ConfigTree tree, Node idNode, Node node, String path, Set<String> apart) {

  /**
   * A plugin whose mapping holds nothing else.
   *
   * @param id which provider
   * @param tree where it stands
   * @param idNode the node of the id
   * @param node the whole mapping, or the scalar
   * @param path where it stands
   */
  public PluginSpec(String id, ConfigTree tree, Node idNode, Node node, String path) {
    this(id, tree, idNode, node, path, Set.of("id"));
  }
}
