package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;

/**
 * GenEval (Ghosh et al. 2023, <a href="https://arxiv.org/abs/2310.11513">arXiv:2310.11513</a>, <a
 * href="https://github.com/djghosh13/geneval">code</a>): objects are detected by <a
 * href="https://arxiv.org/abs/2112.01527">Mask2Former</a>, colours told by CLIP, and the prompt's
 * metadata checked by the published rules.
 */
public final class GenEvalProvider implements VerifierProvider<GenEvalConfig> {
  private static final String NAMES = "geneval_names.txt";

  @Override
  public String id() {
    return "geneval";
  }

  @Override
  public Class<GenEvalConfig> configType() {
    return GenEvalConfig.class;
  }

  @Override
  public void check(GenEvalConfig config, LoadContext context) {
    try (Opened detector = open(config, context)) {
      names(config, context, detector);
      String clip = config.clip();
      if (clip != null) {
        try (OpenedCheckpoint<ClipArchitecture> opened =
            ClipFamilyProvider.open("clip", clip, context)) {
          ClipFamilyProvider.tokenizer(opened).close();
        }
      }
    }
  }

  @Override
  public Verifier load(GenEvalConfig config, LoadContext context) {
    Device device = TorchEngine.device(context.device());
    String clip = config.clip();
    try (Opened detector = open(config, context)) {
      List<String> names = names(config, context, detector);
      if (clip == null) {
        return verifier(config, detector, names, null, "", device);
      }
      try (OpenedCheckpoint<ClipArchitecture> opened =
          ClipFamilyProvider.open("clip", clip, context)) {
        GenEvalColors colors = GenEvalColors.load(opened, device);
        try {
          return verifier(config, detector, names, colors, opened.source().sha256(), device);
        } catch (RuntimeException e) {
          colors.close();
          throw e;
        }
      }
    }
  }

  private static Verifier verifier(
      GenEvalConfig config,
      Opened opened,
      List<String> names,
      @Nullable GenEvalColors colors,
      String clipSha256,
      Device device) {
    return new GenEvalVerifier(
        config.rules(),
        new GenEvalVerifier.Detector(
            opened.architecture,
            Mask2FormerNetwork.load(opened.architecture, opened.source, device),
            opened.input,
            names,
            opened.source.sha256() + clipSha256,
            opened.json.path("licence").asText("not stated (Mask2Former: MIT or Apache-2.0)")),
        colors,
        device);
  }

  /** The detector's files, which fit together; no tensor has been read. */
  private record Opened(
      JsonNode json, WeightSource source, Mask2FormerArchitecture architecture, DetectorInput input)
      implements AutoCloseable {
    @Override
    public void close() {
      source.close();
    }
  }

  private static Opened open(GenEvalConfig config, LoadContext context) {
    Path found = WeightsLocation.resolve("geneval", config.weights(), context);
    WeightSource file = WeightSource.open(found);
    try {
      boolean mmdet = Mask2FormerLayout.isMmdet(file);
      WeightSource source = Mask2FormerLayout.canonical(file);
      Path directory =
          Files.isDirectory(found)
              ? found
              : Objects.requireNonNull(found.toAbsolutePath().getParent());
      JsonNode json =
          mmdet
              ? MissingNode.getInstance()
              : ModelJson.require(directory.resolve("config.json"), "configuration of Mask2Former");
      Mask2FormerArchitecture architecture = Mask2FormerArchitecture.of(json, source, mmdet);
      architecture.spec(source).check(source);
      DetectorInput input =
          mmdet
              ? DetectorInput.mmdet()
              : DetectorInput.transformers(
                  ModelJson.optional(directory.resolve("preprocessor_config.json")), directory);
      return new Opened(json, source, architecture, input);
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private static List<String> names(GenEvalConfig config, LoadContext context, Opened opened) {
    int classes = opened.architecture.classes();
    List<String> names;
    String given = config.names();
    if (given != null) {
      names = lines(context.baseDirectory().resolve(given));
    } else if (classes == 80) {
      names = published();
    } else {
      JsonNode labels = opened.json.path("id2label");
      names = new ArrayList<>();
      for (int i = 0; i < classes && labels.has(String.valueOf(i)); i++) {
        names.add(labels.get(String.valueOf(i)).asText());
      }
    }
    if (names.size() != classes) {
      throw EspalierException.config(
          "There are %d names for the detector's %d classes.".formatted(names.size(), classes),
          "Maybe set names: a file with the name of each class, one a line, in the detector's"
              + " order.");
    }
    return List.copyOf(names);
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readString(file).lines().map(String::strip).filter(l -> !l.isEmpty()).toList();
    } catch (IOException e) {
      throw EspalierException.config(
          "The names of classes (" + file + ") cannot be read: " + e.getMessage() + ".",
          "Maybe the path is misspelt; it is relative to the study.");
    }
  }

  /** The names that GenEval's prompts use for the 80 classes of COCO, in COCO's order. */
  static List<String> published() {
    try (InputStream in = GenEvalProvider.class.getResourceAsStream(NAMES)) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
