package org.espalier.models.diffusion;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.espalier.models.diffusion.TinyFlux.Array;
import org.espalier.torch.ClipTextConfig;
import org.espalier.torch.Gemma2Config;
import org.espalier.torch.Qwen3Config;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.T5Config;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.jspecify.annotations.NullUnmarked;

/**
 * Complete folders of diffusers pipelines of toy size: transformers and autoencoders of the parity
 * cases, and text encoders with random weights.
 */
@NullUnmarked
final class TinyPipeline {
  private TinyPipeline() {}

  /** A file of the module's parity cases. */
  static Path parity(String file) {
    try {
      return Path.of(TinyPipeline.class.getResource("/parity").toURI()).resolve(file);
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Copies a file of a parity case to where a pipeline has it, with its configuration. */
  static void part(Path directory, String name, String part, String config) {
    try (SafetensorsFile golden = new SafetensorsFile(parity(name + ".golden.safetensors"))) {
      Files.createDirectories(directory);
      Files.copy(
          parity(name + "." + part + ".safetensors"),
          directory.resolve("diffusion_pytorch_model.safetensors"));
      Files.writeString(directory.resolve("config.json"), golden.metadata().get(config));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Random weights that keep activations of size one. */
  static Map<String, Array> random(WeightSpec spec, long seed) {
    Random random = new Random(seed);
    Map<String, Array> tensors = new LinkedHashMap<>();
    spec.shapes()
        .forEach(
            (name, shape) -> {
              long[] sizes = shape.stream().mapToLong(Long::longValue).toArray();
              int length = (int) Arrays.stream(sizes).reduce(1, (a, b) -> a * b);
              boolean norm = name.contains("norm") && sizes.length == 1;
              double scale = norm ? 0.1 : Math.sqrt((double) sizes[0] / length);
              float[] values = new float[length];
              for (int i = 0; i < length; i++) {
                values[i] = (float) ((norm ? 1 : 0) + scale * random.nextGaussian());
              }
              tensors.put(name, Array.of(values, sizes));
            });
    return tensors;
  }

  /** A Qwen3 encoder of four layers, its tokenizer beside it. */
  static void qwen(Path pipeline, int width) {
    Path encoder = pipeline.resolve("text_encoder");
    String config =
        """
        {"model_type": "qwen3", "vocab_size": 40, "hidden_size": %d, "intermediate_size": 20,
         "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
        """
            .formatted(width);
    TinyFlux.write(encoder.resolve("config.json"), config);
    Qwen3Config sizes = Qwen3Config.read(encoder.resolve("config.json"));
    Map<String, Array> weights = new LinkedHashMap<>();
    random(sizes.weights(List.of(4)), 3)
        .forEach((name, array) -> weights.put("model." + name, array));
    TinyFlux.write(encoder.resolve("model.safetensors"), weights);
    TinyFlux.write(
        pipeline.resolve("tokenizer").resolve("tokenizer.json"),
        """
        {"version": "1.0",
         "added_tokens": [%s, %s, %s],
         "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
         "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<unk>": 3, "user": 4,
           "assistant": 5, "think": 6, "a": 7, "red": 8, "green": 9, "circle": 10, "square": 11,
           "two": 12, "blue": 13, "squares": 14, "three": 15, "circles": 16}}}
        """
            .formatted(
                added(0, "<|endoftext|>"), added(1, "<|im_start|>"), added(2, "<|im_end|>")));
  }

  private static String added(int id, String content) {
    return """
        {"id": %d, "content": "%s", "single_word": false, "lstrip": false, "rstrip": false,
         "normalized": false, "special": true}"""
        .formatted(id, content);
  }

  /** FLUX.2-klein, distilled or not. */
  static Path flux2(Path directory, boolean distilled) {
    TinyFlux.write(
        directory.resolve("model_index.json"),
        "{\"_class_name\": \"Flux2KleinPipeline\", \"is_distilled\": %s}".formatted(distilled));
    part(directory.resolve("transformer"), "flux2-tiny-a", "weights", "config");
    part(directory.resolve("vae"), "flux2-tiny-a", "vae", "vae_config");
    qwen(directory, 12);
    return directory;
  }

  /** Z-Image, with the autoencoder of the sd3 case, which has its form. */
  static Path zimage(Path directory) {
    TinyFlux.write(directory.resolve("model_index.json"), "{\"_class_name\": \"ZImagePipeline\"}");
    part(directory.resolve("transformer"), "zimage-tiny-a", "weights", "config");
    part(directory.resolve("vae"), "sd3-tiny-a", "vae", "vae_config");
    TinyFlux.write(
        directory.resolve("scheduler").resolve("scheduler_config.json"), "{\"shift\": 3.0}");
    qwen(directory, 40);
    return directory;
  }

  /** SD3.5-medium. */
  static Path sd3(Path directory) {
    TinyFlux.write(
        directory.resolve("model_index.json"), "{\"_class_name\": \"StableDiffusion3Pipeline\"}");
    part(directory.resolve("transformer"), "sd3-tiny-a", "weights", "config");
    part(directory.resolve("vae"), "sd3-tiny-a", "vae", "vae_config");
    TinyFlux.write(
        directory.resolve("scheduler").resolve("scheduler_config.json"), "{\"shift\": 3.0}");
    clip(directory, "", 16, 8);
    clip(directory, "_2", 24, 12);
    Path t5 = directory.resolve("text_encoder_3");
    TinyFlux.write(
        t5.resolve("config.json"),
        """
        {"model_type": "t5", "vocab_size": 12, "d_model": 40, "d_kv": 8, "d_ff": 24,
         "num_layers": 1, "num_heads": 2, "feed_forward_proj": "gated-gelu", "pad_token_id": 0}
        """);
    TinyFlux.write(
        t5.resolve("model.safetensors"),
        random(T5Config.read(t5.resolve("config.json")).weights(), 5));
    TinyFlux.write(
        directory.resolve("tokenizer_3").resolve("tokenizer.json"),
        TinyFlux.tokenizer("<pad>", "</s>", false));
    return directory;
  }

  /** SANA-1.5. */
  static Path sana(Path directory) {
    TinyFlux.write(directory.resolve("model_index.json"), "{\"_class_name\": \"SanaPipeline\"}");
    part(directory.resolve("transformer"), "sana-tiny-a", "weights", "config");
    part(directory.resolve("vae"), "sana-tiny-a", "vae", "vae_config");
    TinyFlux.write(
        directory.resolve("scheduler").resolve("scheduler_config.json"),
        "{\"flow_shift\": 3.0, \"lambda_min_clipped\": -Infinity}");
    Path encoder = directory.resolve("text_encoder");
    TinyFlux.write(
        encoder.resolve("config.json"),
        """
        {"model_type": "gemma2", "vocab_size": 12, "hidden_size": 36, "intermediate_size": 20,
         "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
         "sliding_window": 64}
        """);
    TinyFlux.write(
        encoder.resolve("model.safetensors"),
        random(Gemma2Config.read(encoder.resolve("config.json")).weights(), 9));
    TinyFlux.write(
        directory.resolve("tokenizer").resolve("tokenizer.json"),
        TinyFlux.tokenizer("<pad>", "<bos>", false));
    return directory;
  }

  private static void clip(Path pipeline, String number, int width, int projection) {
    Path encoder = pipeline.resolve("text_encoder" + number);
    TinyFlux.write(
        encoder.resolve("config.json"),
        """
        {"model_type": "clip_text_model", "vocab_size": 12, "hidden_size": %d,
         "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
         "max_position_embeddings": 8, "hidden_act": "gelu", "eos_token_id": 1}
        """
            .formatted(width));
    ClipTextConfig config = ClipTextConfig.read(encoder.resolve("config.json"));
    TinyFlux.write(
        encoder.resolve("model.safetensors"), random(config.projectedWeights(projection), width));
    Path tokenizer = pipeline.resolve("tokenizer" + number);
    TinyFlux.write(
        tokenizer.resolve("tokenizer.json"),
        TinyFlux.tokenizer("<|startoftext|>", "<|endoftext|>", true));
    TinyFlux.write(tokenizer.resolve("tokenizer_config.json"), "{\"pad_token\": \"<unk>\"}");
  }

  /** The tensors of a file, to be changed and written again. */
  static Map<String, Array> tensors(Path file) {
    try (WeightSource weights = WeightSource.open(file)) {
      return tensors(weights);
    }
  }

  /** The floating-point tensors of weights. */
  static Map<String, Array> tensors(WeightSource weights) {
    Map<String, Array> tensors = new LinkedHashMap<>();
    for (String key : weights.names()) {
      if (weights.info(key).dtype().isFloating()) {
        tensors.put(key, new Array(weights.info(key).shape(), weights.floats(key)));
      }
    }
    return tensors;
  }
}
