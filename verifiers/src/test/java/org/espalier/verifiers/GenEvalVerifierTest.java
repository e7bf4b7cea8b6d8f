package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.shapes.ShapesWeights;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.LoadContext;
import org.espalier.spi.RgbImage;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.Device;
import org.espalier.torch.SafetensorsFile;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The evaluator over a small detector with random weights: it sees things, if not what is there.
 */
@SuppressWarnings("NullAway.Init")
class GenEvalVerifierTest {
  @TempDir Path directory;
  private Path detector;
  private RgbImage picture;

  @BeforeEach
  void prepare() throws IOException {
    detector = TinyCheckpoints.mask2former(Files.createDirectory(directory.resolve("detector")));
    try (SafetensorsFile golden = TinyCheckpoints.parity("mask2former-tiny-a").golden()) {
      picture = TinyCheckpoints.picture(golden, "image_u8");
    }
  }

  private GenEvalVerifier load(String weights, @Nullable String clip, double threshold) {
    GenEvalConfig config =
        new GenEvalConfig(weights, clip, null, threshold, threshold, null, null, null);
    LoadContext context = new LoadContext("cpu", directory, ServedJudgeTest.CONTEXT.verifiers());
    new GenEvalProvider().check(config, context);
    return (GenEvalVerifier) new GenEvalProvider().load(config, context);
  }

  private static Prompt prompt(Map<String, Object> clause) {
    return new Prompt("p", "things", "", Map.of("include", List.of(clause)));
  }

  private static Judgement judgement(Prompt prompt, Artifact artifact) {
    return new Judgement("c", prompt, artifact);
  }

  /** How many things of a class the golden picture has, by the reference's scores. */
  private static Map<Long, Integer> expected(double threshold) {
    Map<Long, Integer> counts = new java.util.HashMap<>();
    try (SafetensorsFile golden = TinyCheckpoints.parity("mask2former-tiny-a").golden()) {
      long[] labels = golden.longs("mmdet.labels");
      float[] scores = golden.floats("mmdet.scores");
      for (int i = 0; i < labels.length; i++) {
        if (scores[i] > threshold) {
          counts.merge(labels[i], 1, Integer::sum);
        }
      }
    }
    return counts;
  }

  @Test
  void countsWhatTheReferenceFinds() {
    for (double threshold : new double[] {0.1, 0.25, 0.3}) {
      Map<Long, Integer> counts = expected(threshold);
      try (GenEvalVerifier verifier = load("detector", null, threshold)) {
        for (long label = 0; label < 5; label++) {
          int there = counts.getOrDefault(label, 0);
          for (int asked = 1; asked <= there + 1; asked++) {
            Verdict.Scored verdict =
                (Verdict.Scored)
                    verifier
                        .verify(
                            List.of(
                                judgement(
                                    prompt(Map.of("class", "thing" + label, "count", asked)),
                                    Artifact.of(picture))))
                        .get(0);
            assertThat(verdict.value()).isEqualTo(asked <= there ? 1 : 0);
            assertThat(verdict.parts())
                .containsEntry("found.thing" + label, (double) there)
                .containsEntry("satisfied", asked <= there ? 1.0 : 0.0);
          }
        }
      }
    }
    assertThat(expected(0.1)).isNotEmpty();
  }

  @Test
  void judgesEachAsAloneAndCountsWhatItQuotes() {
    Prompt prompt = prompt(Map.of("class", "thing1", "count", 1));
    List<Judgement> batch = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      batch.add(judgement(prompt, Artifact.of(Pictures.noise(40 + 9 * i, 50, i))));
    }
    try (GenEvalVerifier verifier = load("detector", null, 0.1)) {
      WorkCounters before = verifier.counters();
      List<Verdict> together = verifier.verify(batch);
      WorkCounters work = verifier.counters().since(before);
      long quoted = 0;
      List<Verdict> alone = new ArrayList<>();
      for (Judgement judgement : batch) {
        RgbImage image = judgement.artifact().image();
        quoted += verifier.quote(prompt, image.width(), image.height(), 1).verifierFlops();
        alone.addAll(verifier.verify(List.of(judgement)));
      }
      assertThat(together).isEqualTo(alone);
      assertThat(work.flops()).isEqualTo(quoted).isPositive();
      assertThat(work.images()).isEqualTo(4);
    }
  }

  @Test
  void whatCannotBeJudgedFailsAlone() {
    Prompt good = prompt(Map.of("class", "thing1", "count", 1));
    try (GenEvalVerifier verifier = load("detector", null, 0.1)) {
      List<Verdict> verdicts =
          verifier.verify(
              List.of(
                  judgement(good, Artifact.of(picture)),
                  judgement(good, Pictures.broken()),
                  judgement(Prompt.of("q", "a thing"), Artifact.of(picture)),
                  judgement(good, Artifact.of(Pictures.noise(8193, 1, 4)))));
      assertThat(verdicts.get(0)).isInstanceOf(Verdict.Scored.class);
      assertThat(verdicts.get(1))
          .isEqualTo(new Verdict.Failed("The image cannot be read: the file is truncated"));
      assertThat(verdicts.get(2))
          .isEqualTo(
              new Verdict.Failed(
                  "The prompt cannot be judged: Its metadata have no include, which says what"
                      + " GenEval is to look for."));
      assertThat(((Verdict.Failed) verdicts.get(3)).reason()).contains("larger than 8192 pixels");
    }
  }

  @Test
  void saysWhichPromptsItCannotJudge() {
    try (GenEvalVerifier verifier = load("detector", null, 0.1)) {
      assertThat(verifier.unsupported(prompt(Map.of("class", "thing4", "count", 1)))).isEmpty();
      assertThat(verifier.unsupported(prompt(Map.of("class", "dog", "count", 1))))
          .contains("The detector knows no class (dog).");
      assertThat(
              verifier.unsupported(prompt(Map.of("class", "thing1", "count", 1, "color", "red"))))
          .contains("It asks for colours, for which geneval needs clip.");
      assertThat(verifier.unsupported(Prompt.of("p", "x"))).isPresent();
    }
  }

  @Test
  void asksClipWhereColoursMatter() throws IOException {
    TinyCheckpoints.clip(Files.createDirectory(directory.resolve("clip")));
    long label =
        expected(0.1).entrySet().stream().max(Map.Entry.comparingByValue()).orElseThrow().getKey();
    Prompt asked = prompt(Map.of("class", "thing" + label, "count", 1, "color", "red"));
    Prompt plain = prompt(Map.of("class", "thing" + label, "count", 1));
    try (GenEvalVerifier verifier = load("detector", "clip", 0.1)) {
      Cost quote = verifier.quote(asked, picture.width(), picture.height(), 1);
      assertThat(quote.verifierFlops())
          .isGreaterThan(
              verifier.quote(plain, picture.width(), picture.height(), 1).verifierFlops());
      WorkCounters before = verifier.counters();
      assertThat(verifier.verify(List.of(judgement(asked, Artifact.of(picture)))).get(0))
          .isInstanceOf(Verdict.Scored.class);
      assertThat(verifier.counters().since(before).flops()).isEqualTo(quote.verifierFlops());
      assertThat(verifier.counters().since(before).rows()).isEqualTo(1 + 1 + 30);
    }
  }

  @Test
  void theFileOfTheOriginalScriptIsRead() throws IOException, URISyntaxException {
    Files.copy(
        Path.of(
            Objects.requireNonNull(
                    GenEvalVerifierTest.class.getResource("/parity/mask2former-mmdet-a.pth"))
                .toURI()),
        directory.resolve("mask2former.pth"));
    Files.writeString(directory.resolve("names.txt"), "a\nb\nc\nd\ne\n");
    GenEvalConfig config =
        new GenEvalConfig("mask2former.pth", null, "names.txt", 0.1, null, null, null, null);
    LoadContext context = new LoadContext("cpu", directory, ServedJudgeTest.CONTEXT.verifiers());
    try (var verifier = new GenEvalProvider().load(config, context)) {
      assertThat(
              verifier.verify(
                  List.of(
                      judgement(
                          prompt(Map.of("class", "b", "count", 1)),
                          Artifact.of(Pictures.noise(40, 30, 1))))))
          .hasOnlyElementsOfType(Verdict.Scored.class);
      assertThat(verifier.card().preprocessing()).contains("OpenCV's filter, filled up to");
    }
    GenEvalConfig unnamed =
        new GenEvalConfig("mask2former.pth", null, null, null, null, null, null, null);
    assertThatThrownBy(() -> new GenEvalProvider().check(unnamed, context))
        .hasMessageStartingWith("[CONFIG] There are 0 names for the detector's 5 classes.");
  }

  @Test
  void otherCheckpointsAreRefused() throws IOException {
    TinyCheckpoints.clip(Files.createDirectory(directory.resolve("clip")));
    assertThatThrownBy(() -> load("clip", null, 0.3))
        .hasMessageStartingWith("[CONFIG] The weights ")
        .hasMessageContaining("are not those of Mask2Former on a Swin transformer");
  }

  @Test
  void cropsShowTheObjectOnGrey() {
    byte[] mask = new byte[10 * 8];
    mask[3 * 10 + 4] = 1;
    mask[4 * 10 + 5] = 1;
    RgbImage image = Pictures.noise(10, 8, 5);
    RgbImage crop = GenEvalColors.crop(image, new Instance(0, 0, 0.9, new Box(4, 3, 6, 5), mask));
    assertThat(crop.width()).isEqualTo(2);
    assertThat(crop.height()).isEqualTo(2);
    for (int c = 0; c < 3; c++) {
      assertThat(crop.at(0, 0, c)).isEqualTo(image.at(4, 3, c));
      assertThat(crop.at(1, 1, c)).isEqualTo(image.at(5, 4, c));
      assertThat(crop.at(1, 0, c)).isEqualTo(0x99);
      assertThat(crop.at(0, 1, c)).isEqualTo(0x99);
    }
  }

  /** The bundled CLIP knows the colours of its world. */
  @Test
  void coloursOfPlainShapesAreRight() {
    LoadContext context = new LoadContext("cpu", directory, ServedJudgeTest.CONTEXT.verifiers());
    assertThat(new ShapesWeights().names()).contains("clip/nano");
    try (OpenedCheckpoint<ClipArchitecture> opened =
            ClipFamilyProvider.open("clip", "nano", context);
        GenEvalColors colors = GenEvalColors.load(opened, Device.cpu())) {
      byte[] all = new byte[224 * 224];
      Arrays.fill(all, (byte) 1);
      Instance whole = new Instance(0, 0, 1, new Box(0, 0, 224, 224), all);
      assertThat(colors.of(GoldenPictures.ALL.get(0).image(), "circle", List.of(whole)))
          .containsExactly("red");
      assertThat(colors.of(GoldenPictures.ALL.get(1).image(), "square", List.of(whole)))
          .containsExactly("blue");
    }
  }
}
