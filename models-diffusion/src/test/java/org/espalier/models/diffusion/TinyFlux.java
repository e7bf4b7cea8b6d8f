package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.espalier.api.EspalierException;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TensorInfo;
import org.jspecify.annotations.NullUnmarked;

/**
 * Complete model directories of toy size: the transformer and autoencoder of the parity case, and
 * text encoders with random weights.
 */
@NullUnmarked
final class TinyFlux {
  static final int TEXT_TOKENS = 6;
  static final int T5_WIDTH = 48;
  static final int CLIP_WIDTH = 32;
  private static final List<String> WORDS = List.of("a", "red", "green", "circle", "square", "and");

  private TinyFlux() {}

  /** A tensor. */
  @SuppressWarnings("ArrayRecordComponent")
  record Array(List<Long> shape, float[] values) {
    static Array of(float[] values, long... shape) {
      return new Array(Arrays.stream(shape).boxed().toList(), values);
    }
  }

  /** Tensors of a file of the parity case. */
  static Map<String, Array> parity(String part) {
    try (SafetensorsFile file =
        new SafetensorsFile(
            Path.of(TinyFlux.class.getResource("/parity").toURI())
                .resolve("flux-tiny-a." + part + ".safetensors"))) {
      Map<String, Array> tensors = new LinkedHashMap<>();
      for (String name : file.names()) {
        TensorInfo info = file.info(name);
        tensors.put(name, new Array(info.shape(), file.floats(name)));
      }
      return tensors;
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The parity case's transformer without its guidance embedding. */
  static Map<String, Array> withoutGuidance() {
    Map<String, Array> tensors = parity("weights");
    tensors.keySet().removeIf(name -> name.startsWith("guidance_in"));
    return tensors;
  }

  static void write(Path file, Map<String, Array> tensors) {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode header = mapper.createObjectNode();
    long offset = 0;
    for (Map.Entry<String, Array> entry : tensors.entrySet()) {
      ObjectNode info = header.putObject(entry.getKey()).put("dtype", "F32");
      entry.getValue().shape().forEach(info.withArray("shape")::add);
      long end = offset + 4L * entry.getValue().values().length;
      info.putArray("data_offsets").add(offset).add(end);
      offset = end;
    }
    byte[] text = header.toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes =
        ByteBuffer.allocate((int) (8 + text.length + offset)).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(text.length).put(text);
    tensors
        .values()
        .forEach(
            array -> {
              for (float value : array.values()) {
                bytes.putFloat(value);
              }
            });
    try {
      Files.createDirectories(file.getParent());
      Files.write(file, bytes.array());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void write(Path file, String text) {
    try {
      Files.createDirectories(file.getParent());
      Files.writeString(file, text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** T5 and CLIP text encoders with tokenizers, in two directories. */
  static void writeTextEncoders(Path t5, Path clip) {
    Random random = new Random(7);
    write(
        t5.resolve("config.json"),
        """
        {"model_type": "t5", "vocab_size": 12, "d_model": 48, "d_kv": 8, "d_ff": 40,
         "num_layers": 1, "num_heads": 2, "feed_forward_proj": "gated-gelu", "pad_token_id": 0}
        """);
    Map<String, Array> weights = new LinkedHashMap<>();
    random(weights, random, 1, "shared.weight", 12, T5_WIDTH);
    String block = "encoder.block.0.layer.";
    for (String part : List.of("q", "k", "v")) {
      random(weights, random, 0.2, block + "0.SelfAttention." + part + ".weight", 16, T5_WIDTH);
    }
    random(weights, random, 0.2, block + "0.SelfAttention.o.weight", T5_WIDTH, 16);
    random(weights, random, 0.2, block + "0.SelfAttention.relative_attention_bias.weight", 32, 2);
    random(weights, random, 1, block + "0.layer_norm.weight", T5_WIDTH);
    random(weights, random, 0.2, block + "1.DenseReluDense.wi_0.weight", 40, T5_WIDTH);
    random(weights, random, 0.2, block + "1.DenseReluDense.wi_1.weight", 40, T5_WIDTH);
    random(weights, random, 0.2, block + "1.DenseReluDense.wo.weight", T5_WIDTH, 40);
    random(weights, random, 1, block + "1.layer_norm.weight", T5_WIDTH);
    random(weights, random, 1, "encoder.final_layer_norm.weight", T5_WIDTH);
    write(t5.resolve("model.safetensors"), weights);
    write(t5.resolve("tokenizer.json"), tokenizer("<pad>", "</s>", false));
    write(
        clip.resolve("config.json"),
        """
        {"model_type": "clip_text_model", "vocab_size": 12, "hidden_size": 32,
         "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
         "max_position_embeddings": 8, "hidden_act": "quick_gelu", "eos_token_id": 1}
        """);
    weights.clear();
    random(weights, random, 1, "text_model.embeddings.token_embedding.weight", 12, CLIP_WIDTH);
    random(weights, random, 1, "text_model.embeddings.position_embedding.weight", 8, CLIP_WIDTH);
    String layer = "text_model.encoder.layers.0.";
    for (String part : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
      random(weights, random, 0.2, layer + "self_attn." + part + ".weight", CLIP_WIDTH, CLIP_WIDTH);
      random(weights, random, 0.2, layer + "self_attn." + part + ".bias", CLIP_WIDTH);
    }
    random(weights, random, 0.2, layer + "mlp.fc1.weight", 64, CLIP_WIDTH);
    random(weights, random, 0.2, layer + "mlp.fc1.bias", 64);
    random(weights, random, 0.2, layer + "mlp.fc2.weight", CLIP_WIDTH, 64);
    random(weights, random, 0.2, layer + "mlp.fc2.bias", CLIP_WIDTH);
    for (String norm :
        List.of(layer + "layer_norm1", layer + "layer_norm2", "text_model.final_layer_norm")) {
      random(weights, random, 1, norm + ".weight", CLIP_WIDTH);
      random(weights, random, 1, norm + ".bias", CLIP_WIDTH);
    }
    write(clip.resolve("model.safetensors"), weights);
    write(clip.resolve("tokenizer.json"), tokenizer("<|startoftext|>", "<|endoftext|>", true));
  }

  private static void random(
      Map<String, Array> into, Random random, double scale, String name, long... shape) {
    float[] values = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (scale * random.nextGaussian());
    }
    into.put(name, Array.of(values, shape));
  }

  /** Words at white space; token 0 is the first special one, 1 ends the text, 2 is unknown. */
  static String tokenizer(String zero, String end, boolean begins) {
    StringBuilder vocabulary =
        new StringBuilder("\"%s\": 0, \"%s\": 1, \"<unk>\": 2".formatted(zero, end));
    for (int i = 0; i < WORDS.size(); i++) {
      vocabulary.append(", \"%s\": %d".formatted(WORDS.get(i), i + 3));
    }
    String begin =
        begins ? "{\"SpecialToken\": {\"id\": \"%s\", \"type_id\": 0}}, ".formatted(zero) : "";
    String specials =
        "\"%s\": {\"id\": \"%s\", \"ids\": [1], \"tokens\": [\"%s\"]}".formatted(end, end, end);
    if (begins) {
      specials +=
          ", \"%s\": {\"id\": \"%s\", \"ids\": [0], \"tokens\": [\"%s\"]}"
              .formatted(zero, zero, zero);
    }
    String tail = "{\"SpecialToken\": {\"id\": \"%s\", \"type_id\": 0}}".formatted(end);
    return """
    {"version": "1.0", "added_tokens": [], "normalizer": {"type": "Lowercase"},
     "pre_tokenizer": {"type": "Whitespace"},
     "post_processor": {"type": "TemplateProcessing",
       "single": [%s{"Sequence": {"id": "A", "type_id": 0}}, %s],
       "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
       "special_tokens": {%s}},
     "model": {"type": "WordLevel", "vocab": {%s}, "unk_token": "<unk>"}}
    """
        .formatted(begin, tail, specials, vocabulary);
  }

  /**
   * A directory as the bundled models have it.
   *
   * @param flow the transformer's weights
   * @param sampler what its config.json says of the sampler, as JSON
   */
  static Path bundle(Path directory, Map<String, Array> flow, String sampler) {
    write(directory.resolve("flux.safetensors"), flow);
    write(directory.resolve("ae.safetensors"), parity("ae"));
    write(
        directory.resolve("config.json"),
        """
        {"id": "tiny", "licence": "Apache-2.0", "image_size": 64,
         "params": {"axes_dim": [8, 12, 12], "theta": 10000},
         "ae": {"scale_factor": 0.3611, "shift_factor": 0.1159},
         "text": {"t5_max_length": %d}, "sampler": %s}
        """
            .formatted(TEXT_TOKENS, sampler));
    writeTextEncoders(directory.resolve("text_encoder"), directory.resolve("text_encoder_clip"));
    return directory;
  }

  static LoadContext context(Path base) {
    return new LoadContext(
        "cpu",
        base,
        spec -> {
          throw EspalierException.config("no verifiers here", "Maybe none are needed.");
        });
  }

  static GenerativeModel load(FluxConfig config, Path base) {
    return new FluxProvider().load(config, context(base));
  }

  /** Weights, sampler and guidance; all else by default. */
  static FluxConfig config(String weights, FlowSamplerConfig sampler, Double trueCfg) {
    return new FluxConfig(
        weights, null, sampler, null, trueCfg, null, null, null, null, null, null, null, null,
        null);
  }
}
