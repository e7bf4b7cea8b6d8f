package org.espalier.weights;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.espalier.api.EspalierException;

/**
 * A pipeline of the hub on disk: folders that {@code model_index.json} lists. Looks whether all
 * that is read is there, so that everything missing is said at once.
 */
public final class PipelineSnapshot {
  private static final String INDEX_FILE = "model_index.json";

  private PipelineSnapshot() {}

  /**
   * Requires that nothing is missing.
   *
   * @param root a directory; anything but a pipeline is not looked at
   * @throws EspalierException CONFIG that names all that is missing
   */
  public static void requireWhole(Path root) {
    List<String> missing = missing(root);
    if (!missing.isEmpty()) {
      throw EspalierException.config(
          "The pipeline " + root + " lacks " + String.join(", ", missing) + ".",
          "Maybe the download is not complete: "
              + origin(root)
                  .map(HubCache::getLine)
                  .orElse("espalier weights get hf:ORG/NAME gets what is missing"));
    }
  }

  /** The repository of which a directory is a snapshot in the hub's cache. */
  static Optional<HubId> origin(Path root) {
    Path absolute = root.toAbsolutePath();
    for (Path part = absolute; part.getParent() != null; part = part.getParent()) {
      Path folder = part.getParent().getParent();
      String name = folder == null ? "" : String.valueOf(folder.getFileName());
      if (String.valueOf(part.getParent().getFileName()).equals("snapshots")
          && name.startsWith("models--")) {
        String revision = String.valueOf(part.getFileName());
        return Optional.of(
            HubId.of(name.substring("models--".length()).replaceFirst("--", "/") + "@" + revision));
      }
    }
    return Optional.empty();
  }

  /**
   * Files of a pipeline that are not there.
   *
   * @param root a directory; anything but a pipeline is not looked at
   */
  public static List<String> missing(Path root) {
    List<String> missing = new ArrayList<>();
    if (!Files.isRegularFile(root.resolve(INDEX_FILE))) {
      return missing;
    }
    for (Map.Entry<String, JsonNode> part :
        ModelJson.require(root.resolve(INDEX_FILE)).properties()) {
      String name = part.getKey();
      boolean used = part.getValue().path(0).isTextual();
      if (!used || !HubSelection.PIPELINE.contains(name) || name.equals("scheduler")) {
        continue;
      }
      Path folder = root.resolve(name);
      if (name.startsWith("tokenizer")) {
        if (!there(folder, "tokenizer.json")
            && !(there(folder, "vocab.json") && there(folder, "merges.txt"))) {
          missing.add(name + "/tokenizer.json");
        }
        continue;
      }
      if (!there(folder, "config.json")) {
        missing.add(name + "/config.json");
      }
      weights(folder, name, missing);
    }
    return missing;
  }

  private static void weights(Path folder, String name, List<String> missing) {
    for (String form : HubSelection.WEIGHTS) {
      if (there(folder, form)) {
        if (form.endsWith(".index.json")) {
          for (String shard : HubDownload.shards(folder.resolve(form))) {
            if (HubId.isPlain(shard) && !there(folder, shard)) {
              missing.add(name + "/" + shard + interrupted(folder, shard));
            }
          }
        }
        return;
      }
      if (Files.isSymbolicLink(folder.resolve(form))) {
        missing.add(name + "/" + form + interrupted(folder, form));
        return;
      }
    }
    missing.add("weights in " + name + "/");
  }

  private static String interrupted(Path folder, String file) {
    return Files.exists(folder.resolve(file), LinkOption.NOFOLLOW_LINKS)
        ? " (a link that leads nowhere: an interrupted download)"
        : "";
  }

  private static boolean there(Path folder, String file) {
    return Files.isRegularFile(folder.resolve(file));
  }
}
