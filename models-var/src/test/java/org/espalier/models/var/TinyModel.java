package org.espalier.models.var;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.espalier.spi.LoadContext;
import org.espalier.torch.Device;
import org.espalier.torch.T5Config;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/** Writes complete Infinity models with random weights, small enough to run in milliseconds. */
final class TinyModel {
  static final InfinityArchitecture TRANSFORMER =
      new InfinityArchitecture(4, 32, 2, 48, 8, 24, 6, 2, 15);
  static final BsqArchitecture VAE =
      new BsqArchitecture(
          8, List.of(24, 48), 2, List.of(false, true), List.of(24, 48), 1, List.of(true, false));
  static final T5Config TEXT = new T5Config(12, 24, 8, 40, 2, 3, 8, 16, 1e-6, true, "gelu_new", 0);

  private TinyModel() {}

  static LoadContext context(Path directory) {
    return new LoadContext(
        "cpu",
        directory,
        spec -> {
          throw new AssertionError("no verifier is asked for");
        });
  }

  /** The usual model: four blocks in two chunks, scales 1, 2 and 3 x 4, images of 6 x 8 pixels. */
  static Path write(Path directory) {
    return write(directory, TRANSFORMER, VAE, TinyModel::chunked);
  }

  /**
   * Trajectories one scale further, with random bits.
   *
   * @param rows the trajectories before the scale
   * @param made their evaluations of it
   * @param parents which trajectory each new one continues
   * @param scale from 0
   * @param tokens of the scale, each of 8 bits
   * @param open to which the new summed codes are added, for closing
   */
  static List<InfinityNetwork.Row> continued(
      InfinityNetwork network,
      List<InfinityNetwork.Row> rows,
      List<InfinityNetwork.Evaluation> made,
      int[] parents,
      int scale,
      int tokens,
      Random random,
      List<AutoCloseable> open) {
    List<InfinityNetwork.Row> next = new ArrayList<>();
    for (int parent : parents) {
      byte[] bits = new byte[tokens * 8];
      for (int i = 0; i < bits.length; i++) {
        bits[i] = (byte) random.nextInt(2);
      }
      TorchTensor code = network.accept(rows.get(parent).code(), bits, scale);
      open.add(code::close);
      List<InfinityNetwork.Evaluation> past = new ArrayList<>(rows.get(parent).past());
      past.add(made.get(parent));
      next.add(new InfinityNetwork.Row(code, past));
    }
    return next;
  }

  static String chunked(String name) {
    if (!name.startsWith("blocks.")) {
      return name;
    }
    int block = name.charAt(7) - '0';
    return "block_chunks." + block / 2 + ".module." + block % 2 + name.substring(8);
  }

  static Path write(
      Path directory,
      InfinityArchitecture transformer,
      BsqArchitecture vae,
      UnaryOperator<String> naming) {
    try {
      Files.createDirectories(directory.resolve("text_encoder"));
      Map<String, List<Long>> shapes = new LinkedHashMap<>();
      transformerSpec(transformer)
          .shapes()
          .forEach((name, shape) -> shapes.put(naming.apply(name), shape));
      weights(directory.resolve("transformer.safetensors"), shapes, naming);
      weights(
          directory.resolve("vae.safetensors"), vae.weights().shapes(), UnaryOperator.identity());
      Path text = directory.resolve("text_encoder");
      weights(text.resolve("model.safetensors"), TEXT.weights().shapes(), UnaryOperator.identity());
      Files.writeString(
          text.resolve("config.json"),
          """
          {"vocab_size": 12, "d_model": 24, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 3,
           "relative_attention_num_buckets": 8, "relative_attention_max_distance": 16,
           "feed_forward_proj": "gated-gelu", "pad_token_id": 0}
          """);
      Files.writeString(text.resolve("tokenizer.json"), TOKENIZER);
      Files.writeString(
          directory.resolve("config.json"),
          """
          {"scale_schedule": [[1, 1, 1], [1, 2, 2], [1, 3, 4]], "cfg": 3.0, "tau": 3.0,
           "top_p": 0.0, "cfg_insertion_layer": [0], "licence": "Apache-2.0"}
          """);
      return directory;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static WeightSpec transformerSpec(InfinityArchitecture architecture) throws IOException {
    Path none = Files.createTempFile("none", ".safetensors");
    write(none, Map.of(), Map.of());
    try (var empty = new org.espalier.torch.SafetensorsFile(none)) {
      return architecture.weights(empty);
    } finally {
      Files.delete(none);
    }
  }

  /**
   * Random weights; a tensor's values depend on its name before renaming only, which naming gives.
   */
  static void weights(Path file, Map<String, List<Long>> shapes, UnaryOperator<String> naming)
      throws IOException {
    Map<String, float[]> values = new LinkedHashMap<>();
    for (Map.Entry<String, List<Long>> entry : shapes.entrySet()) {
      String name =
          naming
              .apply(entry.getKey())
              .replaceFirst("block_chunks\\.(\\d)\\.module\\.(\\d)\\.", "$1$2.");
      name = name.replaceFirst("^(unregistered_)?blocks\\.(\\d)\\.", "$2.");
      name = name.replaceFirst("^00\\.", "0.").replaceFirst("^01\\.", "1.");
      name = name.replaceFirst("^10\\.", "2.").replaceFirst("^11\\.", "3.");
      int size = Math.toIntExact(entry.getValue().stream().reduce(1L, (a, b) -> a * b));
      Random random = new Random(name.hashCode());
      float[] array = new float[size];
      boolean norm = name.contains("norm") && name.endsWith("weight");
      long fanIn = entry.getValue().stream().skip(1).reduce(1L, (a, b) -> a * b);
      double scale = name.endsWith("bias") ? 0.1 : 1 / Math.sqrt(Math.max(1, fanIn));
      for (int i = 0; i < size; i++) {
        array[i] = (float) (random.nextGaussian() * scale + (norm ? 1 : 0));
      }
      if (name.endsWith("zero_k_bias")) {
        array = new float[size];
      }
      values.put(entry.getKey(), array);
    }
    write(file, values, shapes);
  }

  /** Writes float32 tensors in the safetensors format. */
  static void write(Path file, Map<String, float[]> values, Map<String, List<Long>> shapes)
      throws IOException {
    Map<String, Object> header = new LinkedHashMap<>();
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    for (Map.Entry<String, float[]> entry : values.entrySet()) {
      int begin = data.size();
      ByteBuffer bytes =
          ByteBuffer.allocate(entry.getValue().length * 4).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(entry.getValue());
      data.write(bytes.array());
      header.put(
          entry.getKey(),
          Map.of(
              "dtype",
              "F32",
              "shape",
              shapes.getOrDefault(entry.getKey(), List.of()),
              "data_offsets",
              List.of(begin, data.size())));
    }
    byte[] json = new ObjectMapper().writeValueAsString(header).getBytes(StandardCharsets.UTF_8);
    try (var out = Files.newOutputStream(file)) {
      out.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).array());
      out.write(json);
      out.write(data.toByteArray());
    }
  }

  /** Writes the tensors of a file again, once under each prefix. */
  static void twice(Path file, String... prefixes) throws IOException {
    Map<String, float[]> values = new LinkedHashMap<>();
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    try (WeightSource source = WeightSource.open(file)) {
      for (String prefix : prefixes) {
        for (String name : source.names()) {
          values.put(prefix + name, source.floats(name));
          shapes.put(prefix + name, source.info(name).shape());
        }
      }
    }
    write(file, values, shapes);
  }

  static Device device() {
    return Device.cpu();
  }

  static final String TOKENIZER =
      """
      {"version": "1.0", "truncation": null, "padding": null,
       "added_tokens": [
         {"id": 0, "content": "<pad>", "special": true, "single_word": false, "lstrip": false,
          "rstrip": false, "normalized": false},
         {"id": 1, "content": "</s>", "special": true, "single_word": false, "lstrip": false,
          "rstrip": false, "normalized": false}],
       "normalizer": {"type": "Lowercase"},
       "pre_tokenizer": {"type": "Whitespace"},
       "post_processor": {"type": "TemplateProcessing",
         "single": [{"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "</s>", "type_id": 0}}],
         "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
         "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
       "decoder": null,
       "model": {"type": "WordLevel", "unk_token": "<unk>",
         "vocab": {"<pad>": 0, "</s>": 1, "<unk>": 2, "a": 3, "red": 4, "blue": 5, "circle": 6,
                   "square": 7, "star": 8, "and": 9, "left": 10, "of": 11}}}
      """;
}
