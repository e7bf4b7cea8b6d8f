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
      Map<String, List<Long>> shapes = new LinkedHashMap<>();
      decoder
          .weights()
          .shapes()
          .forEach(
              (name, shape) -> {
                String finestFirst = name;
                for (int i = 0; i < decoder.levels().size(); i++) {
                  if (name.startsWith("decoder.up." + i + ".")) {
                    int level = decoder.levels().size() - 1 - i;
                    finestFirst = name.replace("decoder.up." + i, "decoder.up." + level);
                  }
                }
                shapes.put(finestFirst, shape);
              });
      TinyModel.weights(directory.resolve("vae.safetensors"), shapes, UnaryOperator.identity());
      Files.writeString(
          directory.resolve("config.json"), "{\"patch_nums\": [1, 2, 3], \"licence\": \"MIT\"}");
      Files.writeString(directory.resolve("classes.txt"), CLASSES);
      return directory;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
