package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;

/**
 * Where the parts of a published model lie: in the folders of a diffusers pipeline, or as one file
 * of the transformer with folders of the other parts beside it.
 *
 * @param home the directory beside whose entries parts are looked for
 * @param transformer directory or file of the transformer's weights
 * @param index {@code model_index.json}; missing without a pipeline
 * @param base against which configured paths are resolved
 */
record PipelineFiles(Path home, Path transformer, JsonNode index, Path base) {
  /**
   * Finds the transformer.
   *
   * @param root a file or directory that exists
   * @param base against which configured paths are resolved
   * @param model its name, for messages
   * @param classes of pipelines that hold such a model
   * @param singles names of files that hold its transformer, where there is no pipeline
   * @throws EspalierException CONFIG where there is none, or a pipeline of another model
   */
  static PipelineFiles locate(
      Path root, Path base, String model, List<String> classes, List<String> singles) {
    if (Files.isRegularFile(root)) {
      Path home = root.toAbsolutePath().getParent();
      if (home == null) {
        throw new AssertionError("an absolute file has a parent");
      }
      return new PipelineFiles(home, root, MissingNode.getInstance(), base);
    }
    JsonNode index = ModelJson.optional(root.resolve("model_index.json"));
    if (!index.isMissingNode()) {
      String name = index.path("_class_name").asText("");
      if (!classes.contains(name)) {
        throw EspalierException.config(
            "The pipeline (%s) of %s is not one of %s (%s)."
                .formatted(name, root, model, String.join(", ", classes)),
            "Maybe the weights belong to another model id.");
      }
      return new PipelineFiles(
          root, existing(root.resolve("transformer"), "transformer", null), index, base);
    }
    for (String single : singles) {
      if (Files.isRegularFile(root.resolve(single))) {
        return new PipelineFiles(root, root.resolve(single), MissingNode.getInstance(), base);
      }
    }
    throw EspalierException.config(
        "The directory "
            + root
            + " has no "
            + Stream.concat(Stream.of("model_index.json"), singles.stream())
                .collect(Collectors.joining(" or "))
            + ".",
        "Maybe the download is not complete.");
  }

  /** Whether it is a pipeline in folders. */
  boolean isPipeline() {
    return !index.isMissingNode();
  }

  /**
   * A part.
   *
   * @param what its name, for messages
   * @param option that names it explicitly
   * @param explicit the option's value, or null
   * @param usual entries of the home where it is looked for otherwise
   * @throws EspalierException CONFIG where it does not exist
   */
  Path part(String what, String option, @Nullable String explicit, String... usual) {
    if (explicit != null) {
      return existing(WeightsLocation.path(explicit, base), what, option);
    }
    for (String name : usual) {
      if (Files.exists(home.resolve(name))) {
        return home.resolve(name);
      }
    }
    return existing(home.resolve(usual[0]), what, option);
  }

  /**
   * A {@code tokenizer.json}, or a {@code vocab.json} of the old form.
   *
   * @param option that names it explicitly
   * @param explicit the option's value, or null
   * @param usual entry of the home where it is looked for otherwise
   * @param encoder directory where it is looked for last
   */
  Path tokenizer(String option, @Nullable String explicit, String usual, Path encoder) {
    List<Path> candidates =
        explicit == null
            ? List.of(home.resolve(usual), encoder)
            : List.of(WeightsLocation.path(explicit, base));
    return tokenizer(option, candidates);
  }

  /**
   * The first tokenizer of several places.
   *
   * @param option that names it explicitly, for messages
   * @param candidates files, or directories with {@code tokenizer.json} or {@code vocab.json} and
   *     {@code merges.txt}
   */
  static Path tokenizer(String option, List<Path> candidates) {
    for (Path path : candidates) {
      if (Files.isRegularFile(path)) {
        return path;
      }
      if (Files.isRegularFile(path.resolve("tokenizer.json"))) {
        return path.resolve("tokenizer.json");
      }
      if (Files.isRegularFile(path.resolve("vocab.json"))
          && Files.isRegularFile(path.resolve("merges.txt"))) {
        return path.resolve("vocab.json");
      }
    }
    throw EspalierException.config(
        "No tokenizer.json was found in "
            + String.join(" or ", candidates.stream().map(Path::toString).toList())
            + ".",
        "Maybe set " + option + " to the directory that holds it.");
  }

  /**
   * The {@code config.json} of a part; missing where the part is a file or has none.
   *
   * @param part its directory or file
   */
  static JsonNode config(Path part) {
    return Files.isDirectory(part)
        ? ModelJson.optional(part.resolve("config.json"))
        : MissingNode.getInstance();
  }

  /**
   * Integers of an array.
   *
   * @param array may be missing
   * @return null where it is
   */
  static @Nullable List<Integer> integers(JsonNode array) {
    if (!array.isArray()) {
      return null;
    }
    List<Integer> numbers = new java.util.ArrayList<>();
    array.forEach(number -> numbers.add(number.asInt()));
    return numbers;
  }

  private static Path existing(Path path, String what, @Nullable String option) {
    if (!Files.exists(path)) {
      throw EspalierException.config(
          "The " + what + " (" + path + ") does not exist.",
          option == null
              ? "Maybe the download is not complete."
              : "Maybe the download is not complete, or set " + option + " to its place.");
    }
    return path;
  }
}
