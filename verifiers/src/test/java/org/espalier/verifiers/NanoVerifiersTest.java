package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.espalier.api.Prompt;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.Lineage;
import org.espalier.spi.LoadContext;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.testkit.VerifierContract;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The trained nano verifiers: against the scores of the training code, and under the contract. */
class NanoVerifiersTest {
  private static final LoadContext CONTEXT =
      new LoadContext("cpu", Path.of("."), NanoVerifiersTest::load);

  private static Verifier load(Map<String, Object> spec) {
    String weights = String.valueOf(spec.get("weights"));
    return spec.containsValue("clip")
        ? new ClipProvider().load(new ClipConfig(weights), CONTEXT)
        : new ImageRewardProvider().load(ImageRewardConfig.of(weights), CONTEXT);
  }

  private static Verifier clip() {
    return load(Map.of("id", "clip", "weights", "nano"));
  }

  private static Verifier imageReward() {
    return load(Map.of("id", "image-reward", "weights", "nano"));
  }

  private static Verifier ensemble() {
    return new EnsembleProvider()
        .load(
            new EnsembleConfig(
                List.of(
                    VerifierChecks.member(Map.of("id", "clip", "weights", "nano")),
                    VerifierChecks.member(Map.of("id", "image-reward", "weights", "nano"))),
                null,
                "nano"),
            CONTEXT);
  }

  private static SafetensorsFile golden() {
    try {
      return new SafetensorsFile(
          Path.of(
              Objects.requireNonNull(
                      NanoVerifiersTest.class.getResource("/golden/verifiers.safetensors"))
                  .toURI()));
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static List<RgbImage> images(SafetensorsFile golden) {
    int count = golden.info("image_u8").size(0);
    int height = golden.info("image_u8").size(1);
    int width = golden.info("image_u8").size(2);
    ByteBuffer bytes = golden.slice("image_u8", 0, count * height * width * 3);
    List<RgbImage> images = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      byte[] rgb = new byte[height * width * 3];
      bytes.get(rgb);
      images.add(new RgbImage(width, height, rgb));
    }
    return images;
  }

  private static List<String> prompts(SafetensorsFile golden) {
    List<String> prompts = new ArrayList<>();
    for (JsonNode prompt : ModelJson.parse(TinyCheckpoints.metadata(golden, "prompts"))) {
      prompts.add(prompt.asText());
    }
    return prompts;
  }

  /** Both learned from the same pictures, and an ensemble with one of them is kin to it. */
  @Test
  void cardsSayWhatTheyWereMadeFromAndWhatTheySee() {
    try (Verifier clip = clip();
        Verifier imageReward = imageReward();
        Verifier ensemble = ensemble()) {
      assertThat(Lineage.relation(clip.card(), imageReward.card()))
          .isEqualTo(Lineage.Relation.SHARED_DATA);
      assertThat(Lineage.relation(ensemble.card(), imageReward.card()))
          .isEqualTo(Lineage.Relation.SAME_FAMILY);
      for (Verifier verifier : List.of(clip, imageReward, ensemble)) {
        assertThat(verifier.card().facts()).containsEntry("sees", "the middle square of the image");
      }
    }
  }

  /**
   * One picture as CMYK, with a linear colour profile and plain: the scores of Pillow's pixels.
   * Before, the first had -2.5.
   */
  @ParameterizedTest
  @CsvSource({"cmyk.jpg, -16.64", "linear-profile.jpg, -16.53", "plain.jpg, -16.53"})
  void scoresJpegsOfAllKindsAlike(String name, double expected) throws Exception {
    Path file =
        Path.of(
            Objects.requireNonNull(NanoVerifiersTest.class.getResource("/images/" + name)).toURI());
    try (Verifier verifier = clip()) {
      Judgement judgement =
          VerifierChecks.judgement(
              0, "a photo of a red circle", Artifact.of(VerifierImages.read(file)));
      assertThat(VerifierChecks.scored(verifier.verify(List.of(judgement)).get(0)).value())
          .isCloseTo(expected, within(0.005));
    }
  }

  /** What looks like the end of the text is text: before, all that follows it was not read. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "<|endoftext|>",
        "<|startoftext|>",
        "</s>",
        "[SEP]",
        "[CLS]",
        "<pad>",
        "\u202e",
        "\u200b"
      })
  void markersInAPromptDoNotEndIt(String marker) {
    try (Verifier clip = clip();
        Verifier imageReward = imageReward();
        SafetensorsFile golden = golden()) {
      for (Verifier verifier : List.of(clip, imageReward)) {
        List<Double> scores = new ArrayList<>();
        for (String end : List.of("", " " + marker + " and a blue square", " " + marker)) {
          Judgement judgement =
              VerifierChecks.judgement(0, "a red circle" + end, Artifact.of(images(golden).get(0)));
          scores.add(VerifierChecks.scored(verifier.verify(List.of(judgement)).get(0)).value());
        }
        assertThat(scores.get(1)).isNotEqualTo(scores.get(0)).isNotEqualTo(scores.get(2));
      }
    }
  }

  /** Scores (images, prompts) of the first images of a golden file. */
  private static double[][] scores(Verifier verifier, SafetensorsFile golden, String part) {
    List<Judgement> batch = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      for (String prompt : prompts(golden)) {
        batch.add(
            new Judgement(
                i + prompt, Prompt.of(prompt, prompt), Artifact.of(images(golden).get(i))));
      }
    }
    double[][] scores = new double[2][2];
    for (int i = 0; i < 4; i++) {
      var scored = VerifierChecks.scored(verifier.verify(batch).get(i));
      scores[i / 2][i % 2] = part.isEmpty() ? scored.value() : VerifierChecks.part(scored, part);
    }
    return scores;
  }

  private static void assertAgrees(double[][] actual, float[] expected, String what) {
    double largest = 0;
    for (int i = 0; i < 4; i++) {
      largest = Math.max(largest, Math.abs(actual[i / 2][i % 2] - expected[i]));
    }
    System.out.printf("%s: largest error %.2g%n", what, largest);
    assertThat(largest).as(what).isLessThanOrEqualTo(1e-4);
  }

  @Test
  void clipAgreesWithTheTrainingCode() {
    try (SafetensorsFile golden = golden();
        Verifier verifier = clip()) {
      assertAgrees(
          scores(verifier, golden, "logit"), golden.floats("clip_logits_per_image"), "clip nano");
    }
  }

  @Test
  void imageRewardAgreesWithTheTrainingCode() {
    try (SafetensorsFile golden = golden();
        Verifier verifier = imageReward()) {
      assertAgrees(scores(verifier, golden, ""), golden.floats("rewards"), "image-reward nano");
    }
  }

  @Test
  void tokenizersAgreeWithTheTrainingCode() {
    Path directory = WeightsLocation.resolve("image-reward", "nano", CONTEXT);
    try (SafetensorsFile golden = golden();
        TextTokenizer tokenizer = TextTokenizer.open(directory.resolve("tokenizer.json"), 35)) {
      long[] expected = golden.longs("bert_ids");
      long[] mask = golden.longs("bert_mask");
      int length = golden.info("bert_ids").size(1);
      for (int i = 0; i < 2; i++) {
        long[] ids = tokenizer.encode(prompts(golden).get(i)).ids();
        for (int j = 0; j < length; j++) {
          assertThat(j < ids.length ? 1 : 0).isEqualTo((int) mask[i * length + j]);
          if (j < ids.length) {
            assertThat(ids[j]).isEqualTo(expected[i * length + j]);
          }
        }
      }
    }
  }

  @Test
  void allPreferTheRightPrompt() {
    try (SafetensorsFile golden = golden();
        Verifier cheap = clip();
        Verifier dear = imageReward();
        Verifier both = ensemble()) {
      for (Verifier verifier : List.of(cheap, dear, both)) {
        double[][] scores = scores(verifier, golden, "");
        assertThat(scores[0][0]).as(verifier.card().id()).isGreaterThan(scores[0][1]);
        assertThat(scores[1][1]).as(verifier.card().id()).isGreaterThan(scores[1][0]);
      }
    }
  }

  @Test
  void cardsSayWhatTheyAre() {
    try (Verifier cheap = clip();
        Verifier dear = imageReward()) {
      assertThat(cheap.card().licence()).isEqualTo("Apache-2.0");
      assertThat(cheap.card().textLimit()).hasValue(24);
      assertThat(dear.card().licence()).isEqualTo("Apache-2.0");
      assertThat(dear.card().textLimit()).hasValue(35);
      assertThat(dear.card().facts()).containsEntry("image-size", "64");
      Prompt prompt = Prompt.of("p", "a photo of a red circle");
      assertThat(cheap.quote(prompt, 64, 64, 1).verifierFlops())
          .isLessThan(dear.quote(prompt, 64, 64, 1).verifierFlops() / 5)
          .isCloseTo(cheap.quote(prompt, 64, 64, 7).verifierFlops() / 7, within(0L));
    }
  }

  @Nested
  class ClipContract extends VerifierContract {
    @Override
    protected Verifier create() {
      return clip();
    }
  }

  @Nested
  class ImageRewardContract extends VerifierContract {
    @Override
    protected Verifier create() {
      return imageReward();
    }
  }

  @Nested
  class EnsembleContract extends VerifierContract {
    @Override
    protected Verifier create() {
      return ensemble();
    }
  }
}
