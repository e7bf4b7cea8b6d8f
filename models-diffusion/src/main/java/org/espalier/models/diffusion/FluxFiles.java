package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.MissingParts;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;

/**
 * Where the parts of a FLUX model lie; all of them exist.
 *
 * @param transformer file of the transformer's weights, or the index of its shards
 * @param autoencoder file of the autoencoder's weights, or the index of its shards
 * @param t5 directory of the T5 encoder
 * @param t5Tokenizer its {@code tokenizer.json}
 * @param clip directory of the CLIP text encoder
 * @param clipTokenizer its {@code tokenizer.json}, or a {@code vocab.json} with {@code merges.txt}
 *     beside it
 * @param config {@code config.json} of the whole; missing in published layouts
 * @param transformerConfig {@code config.json} beside a diffusers transformer; else missing
 * @param autoencoderConfig {@code config.json} beside the autoencoder; may be missing
 */
record FluxFiles(
    Path transformer,
    Path autoencoder,
    Path t5,
    Path t5Tokenizer,
    Path clip,
    Path clipTokenizer,
    JsonNode config,
    JsonNode transformerConfig,
    JsonNode autoencoderConfig) {
  private static final String[] FLOW_FILES = {
    "flux.safetensors",
    "flux.safetensors.index.json",
    "flux1-dev.safetensors",
    "flux1-schnell.safetensors"
  };
  private static final String[] DIFFUSERS_FILES = {
    "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json"
  };

  /**
   * Finds the parts.
   *
   * @param root a file or directory that exists
   * @param configured explicit paths
   * @param base against which explicit paths are resolved
   * @throws EspalierException CONFIG naming the part that is missing
   */
  static FluxFiles locate(Path root, FluxConfig configured, Path base) {
    boolean single = Files.isRegularFile(root);
    Path home = single ? root.toAbsolutePath().getParent() : root;
    if (home == null) {
      throw new AssertionError("an absolute file has a parent");
    }
    boolean diffusers = !single && Files.isRegularFile(root.resolve("model_index.json"));
    JsonNode config = ModelJson.optional(home.resolve("config.json"));
    JsonNode transformerConfig = MissingNode.getInstance();
    if (diffusers) {
      pipeline(root.resolve("model_index.json"));
      transformerConfig = ModelJson.optional(root.resolve("transformer").resolve("config.json"));
    }
    MissingParts parts = new MissingParts();
    MissingParts.Part<Path> transformer =
        parts.look(
            () ->
                single
                    ? root
                    : diffusers
                        ? WeightSource.locate(root.resolve("transformer"), DIFFUSERS_FILES)
                        : flow(root));
    MissingParts.Part<Path> autoencoder =
        parts.look(() -> autoencoder(configured, base, home, diffusers, config));
    // The published pipelines call CLIP text_encoder and T5 text_encoder_2; the bundled models call
    // T5 text_encoder and CLIP text_encoder_clip.
    boolean pipelineNames = diffusers || Files.isDirectory(home.resolve("text_encoder_2"));
    Path t5Home = home.resolve(pipelineNames ? "text_encoder_2" : "text_encoder");
    Path clipHome = home.resolve(pipelineNames ? "text_encoder" : "text_encoder_clip");
    MissingParts.Part<Path> t5 =
        parts.look(
            () ->
                directory(
                    "text encoder (T5)", "textEncoder", configured.textEncoder(), base, t5Home));
    MissingParts.Part<Path> clip =
        parts.look(
            () ->
                directory(
                    "text encoder (CLIP)",
                    "clipEncoder",
                    configured.clipEncoder(),
                    base,
                    clipHome));
    MissingParts.Part<Path> t5Tokenizer =
        parts.look(
            () ->
                tokenizer(
                    "tokenizer",
                    configured.tokenizer(),
                    base,
                    t5.or(t5Home),
                    home.resolve("tokenizer_2")));
    MissingParts.Part<Path> clipTokenizer =
        parts.look(
            () ->
                tokenizer(
                    "clipTokenizer",
                    configured.clipTokenizer(),
                    base,
                    clip.or(clipHome),
                    home.resolve("tokenizer")));
    parts.requireNone();
    Path autoencoderHome = autoencoder.get().toAbsolutePath().getParent();
    JsonNode autoencoderConfig =
        autoencoderHome == null || autoencoderHome.equals(home.toAbsolutePath())
            ? MissingNode.getInstance()
            : ModelJson.optional(autoencoderHome.resolve("config.json"));
    return new FluxFiles(
        transformer.get(),
        autoencoder.get(),
        t5.get(),
        t5Tokenizer.get(),
        clip.get(),
        clipTokenizer.get(),
        config,
        transformerConfig,
        autoencoderConfig);
  }

  /** All weight files, for the hash of the model card. */
  List<Path> weightFiles() {
    return List.of(transformer, autoencoder, t5, clip).stream()
        .flatMap(
            path -> {
              try (WeightSource source = WeightSource.open(path)) {
                return source.files().stream();
              }
            })
        .toList();
  }

  /** The transformer of a directory in no published layout: one file, or one index. */
  private static Path flow(Path directory) {
    List<String> there =
        Stream.of(FLOW_FILES).filter(name -> Files.isRegularFile(directory.resolve(name))).toList();
    if (there.size() > 1) {
      throw EspalierException.config(
          "The directory "
              + directory
              + " has several transformers ("
              + String.join(", ", there)
              + "), of which one is meant.",
          "Maybe name the file: weights: " + directory.resolve(there.get(0)) + ".");
    }
    return WeightSource.locate(directory, FLOW_FILES);
  }

  private static void pipeline(Path index) {
    String name = ModelJson.optional(index).path("_class_name").asText("");
    if (!name.startsWith("Flux")) {
      throw EspalierException.config(
          "The pipeline (" + name + ") of " + index + " is not a FLUX one.",
          "Maybe download FLUX.1-dev or FLUX.1-schnell.");
    }
  }

  private static Path autoencoder(
      FluxConfig configured, Path base, Path home, boolean diffusers, JsonNode config) {
    String explicit = configured.autoencoder();
    if (explicit != null) {
      Path path = WeightsLocation.path(explicit, base);
      if (Files.isDirectory(path)) {
        return WeightSource.locate(path, "ae.safetensors", DIFFUSERS_FILES[0], DIFFUSERS_FILES[1]);
      }
      return existing(path, "autoencoder", "autoencoder");
    }
    if (diffusers) {
      return WeightSource.locate(home.resolve("vae"), DIFFUSERS_FILES);
    }
    String shared = config.path("ae_id").asText("");
    // The id names a neighbouring directory, not a path that could lead elsewhere.
    if (shared.matches("[a-z0-9][a-z0-9-]*")) {
      Path path = home.resolveSibling(shared).resolve("ae.safetensors");
      return existing(path, "autoencoder", "autoencoder");
    }
    return existing(home.resolve("ae.safetensors"), "autoencoder", "autoencoder");
  }

  private static Path existing(Path path, String part, String option) {
    if (!Files.isRegularFile(path)) {
      throw EspalierException.config(
          "The " + part + " (" + path + ") does not exist.",
          "Maybe set " + option + " to its file or directory.");
    }
    return path;
  }

  private static Path directory(
      String part, String option, @Nullable String explicit, Path base, Path usual) {
    Path path = explicit == null ? usual : WeightsLocation.path(explicit, base);
    if (!Files.isDirectory(path)) {
      throw EspalierException.config(
          "The " + part + " (" + path + ") does not exist.",
          "Maybe set " + option + " to a directory with its config.json and weights.");
    }
    if (!Files.isRegularFile(path.resolve("config.json"))) {
      throw EspalierException.config(
          "The " + part + " (" + path + ") has no config.json.",
          "Maybe the download is not complete.");
    }
    return path;
  }

  private static Path tokenizer(
      String option, @Nullable String explicit, Path base, Path encoder, Path usual) {
    return PipelineFiles.tokenizer(
        option,
        explicit == null ? List.of(usual, encoder) : List.of(WeightsLocation.path(explicit, base)));
  }
}
