package org.espalier.models.var;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Writes complete VAR models with random weights, small enough to run in milliseconds. */
final class TinyVar {
  static final VarArchitecture TRANSFORMER =
      new VarArchitecture(2, 32, 2, 48, 16, 4, 5, List.of(1, 2, 3), false);
  static final VqArchitecture DECODER =
      new VqArchitecture(
          16,
          4,
          32,
          3,
          List.of(
              new VqArchitecture.Level(64, true, true), new VqArchitecture.Level(32, false, false)),
          2,
          true,
          true,
          List.of("quantize.quant_resi.qresi_ls.0", "quantize.quant_resi.qresi_ls.1"));

  /** One a line; the prompts of the model contract are among them. */
  static final String CLASSES =
      """
      tench, Tinca tinca
      two blue squares
      a rather longer prompt with many more words
      golden retriever
      star
      """;

  private TinyVar() {}

  static VarConfig config(Path weights, double cfg, int topK, double topP) {
    return new VarConfig(
        weights.toString(), null, weights.resolve("classes.txt").toString(), cfg, 1.0, topK, topP);
  }

  static Path write(Path directory) {
    return write(directory, TRANSFORMER, DECODER);
  }

  /** The finest level has the number 0 in the file, as published. */
  static Path write(Path directory, VarArchitecture transformer, VqArchitecture decoder) {
    try {
      Files.createDirectories(directory);
      TinyModel.weights(
          directory.resolve("transformer.safetensors"),
          transformer.weights().shapes(),
          UnaryOperator.identity());
      Map<String, List<Long>> shapes = finestFirst(decoder);
      TinyModel.weights(directory.resolve("vae.safetensors"), shapes, UnaryOperator.identity());
      Files.writeString(
          directory.resolve("config.json"), "{\"patch_nums\": [1, 2, 3], \"licence\": \"MIT\"}");
      Files.writeString(directory.resolve("classes.txt"), CLASSES);
      return directory;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** All weights of a decoder, its levels numbered as in the published file. */
  static Map<String, List<Long>> finestFirst(VqArchitecture decoder) {
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    int highest = decoder.levels().size() - 1;
    decoder
        .weights()
        .shapes()
        .forEach(
            (name, shape) -> {
              String published = name;
              for (int i = 0; i <= highest; i++) {
                String level = "decoder.up." + i + ".";
                if (name.startsWith(level)) {
                  published = name.replace(level, "decoder.up." + (highest - i) + ".");
                }
              }
              shapes.put(published, shape);
            });
    return shapes;
  }
}
