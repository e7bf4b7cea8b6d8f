package org.espalier.models.var;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Writes complete Janus models with random weights, small enough to run in milliseconds. */
final class TinyJanus {
  static final JanusArchitecture DECODER =
      new JanusArchitecture(
          16, 32, 48, 2, 4, 2, 6, 1e-6, 1e4, false, false, 64, 24, 4, 1, 40, /* side= */ 3, "gelu");
  static final VqArchitecture PIXELS =
      new VqArchitecture(
          24,
          4,
          32,
          1,
          List.of(
              new VqArchitecture.Level(32, true, true), new VqArchitecture.Level(32, false, false)),
          1,
          true,
          false,
          List.of());

  private TinyJanus() {}

  /** Guided, all tokens kept. */
  static JanusConfig config(Path weights, int stepTokens) {
    return new JanusConfig(weights.toString(), stepTokens, 3., 1., 0, 0.);
  }

  static Path write(Path directory) {
    return write(directory, UnaryOperator.identity());
  }

  /** All weights by the names of transformers' port, with some that nothing here reads. */
  static Map<String, List<Long>> shapes() {
    Map<String, List<Long>> shapes = new LinkedHashMap<>(DECODER.weights().shapes());
    PIXELS.weights().shapes().forEach((name, shape) -> shapes.put("model.vqmodel." + name, shape));
    shapes.put("lm_head.weight", List.of(16L, 32L));
    shapes.put("model.vision_model.head.weight", List.of(2L, 2L));
    shapes.put("model.aligner.fc1.weight", List.of(2L, 2L));
    shapes.put("model.vqmodel.encoder.conv_in.weight", List.of(2L, 3L, 3L, 3L));
    return shapes;
  }

  static Path write(Path directory, UnaryOperator<String> naming) {
    try {
      Files.createDirectories(directory);
      Map<String, List<Long>> renamed = new LinkedHashMap<>();
      Map<String, String> originals = new LinkedHashMap<>();
      shapes()
          .forEach(
              (name, shape) -> {
                renamed.put(naming.apply(name), shape);
                originals.put(naming.apply(name), name);
              });
      TinyModel.weights(
          directory.resolve("model.safetensors"), renamed, name -> originals.get(name));
      boolean port = !naming.apply("model.generation_embeddings.").equals("gen_embed.");
      Files.writeString(
          directory.resolve("config.json"),
          """
          {"%s": {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "head_dim": 6, "max_position_embeddings": 64},
           "vq_config": {"num_patches": 3}, "licence": "MIT"}
          """
              .formatted(port ? "text_config" : "language_config"));
      Files.writeString(directory.resolve("tokenizer.json"), TOKENIZER);
      return directory;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Words; the beginning of a text is left to whoever reads the file, as in DeepSeek's. */
  static final String TOKENIZER =
      """
      {"version": "1.0", "truncation": null, "padding": null,
       "added_tokens": [
         {"id": 0, "content": "<｜begin▁of▁sentence｜>", "special": true, "single_word": false,
          "lstrip": false, "rstrip": false, "normalized": false},
         {"id": 1, "content": "<｜▁pad▁｜>", "special": true, "single_word": false,
          "lstrip": false, "rstrip": false, "normalized": false},
         {"id": 2, "content": "<begin_of_image>", "special": true, "single_word": false,
          "lstrip": false, "rstrip": false, "normalized": false},
         {"id": 3, "content": "<|User|>", "special": true, "single_word": false,
          "lstrip": false, "rstrip": false, "normalized": false},
         {"id": 4, "content": "<|Assistant|>", "special": true, "single_word": false,
          "lstrip": false, "rstrip": false, "normalized": false}],
       "normalizer": null,
       "pre_tokenizer": {"type": "Whitespace"},
       "post_processor": null,
       "decoder": null,
       "model": {"type": "WordLevel", "unk_token": "<unk>",
         "vocab": {"<｜begin▁of▁sentence｜>": 0, "<｜▁pad▁｜>": 1, "<begin_of_image>": 2,
                   "<|User|>": 3, "<|Assistant|>": 4, "<unk>": 5, ":": 6, "a": 7, "red": 8,
                   "two": 9, "blue": 10, "squares": 11, "star": 12}}}
      """;
}
