package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.spi.Artifact;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.VerifierProvider;
import org.espalier.testkit.VerifierContract;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Qwen-VL models and UnifiedReward, from files to scores. */
@SuppressWarnings("NullAway.Init")
class JudgesTest {
  private static final String QUESTION = "w1 {prompt} w2";

  @TempDir Path base;

  private Verifier qwen(
      String parity,
      ServedConfig.Answer answer,
      @Nullable String yes,
      @Nullable String no,
      @Nullable Long maxPixels) {
    if (!base.resolve(parity).toFile().exists()) {
      TinyCheckpoints.qwenVl(parity, base.resolve(parity));
    }
    return new QwenVlProvider()
        .load(
            new QwenVlConfig(parity, answer, QUESTION, yes, no, null, maxPixels),
            TinyCheckpoints.context(base));
  }

  private Verifier qwen(String parity) {
    return qwen(parity, ServedConfig.Answer.PROBABILITY, "Yes", "No", null);
  }

  private static Verdict judge(Verifier verifier, String prompt, RgbImage image) {
    return verifier.verify(List.of(VerifierChecks.judgement(0, prompt, Artifact.of(image)))).get(0);
  }

  private static Verdict.Scored score(Verifier verifier, String prompt) {
    return VerifierChecks.scored(judge(verifier, prompt, Pictures.noise(37, 61, 1)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"qwen2-5-vl-tiny-a", "qwen3-vl-tiny-a"})
  void keepsWhatEveryVerifierKeeps(String parity) {
    try (Verifier verifier = qwen(parity)) {
      VerifierChecks.batchEqualsSingleCalls(verifier, List.of("w3 w4", "w9 w8 w7", "w5"));
      VerifierChecks.failuresStayAlone(verifier, "w3 w4");
      VerifierChecks.quoteEqualsCounters(
          verifier,
          "w3 w4",
          verifier
              .quote(VerifierChecks.judgement(0, "w3 w4", Pictures.broken()).prompt(), 40, 36, 1)
              .verifierFlops());
    }
  }

  /** 40 x 36 pixels: 5 x 4.5, so 5 x 4 cells of 8, 80 patches of 4 x 4 x 3 x 2 numbers. */
  @Test
  void costsWhatAHandCountSays() {
    // Qwen2.5: window of 2 x 2 cells: 2 x 2 whole ones of 16 patches and 2 of 8 at the edge.
    long windows = 2L * (4 * 16 * 16 * 2 * 32 + 2 * 8 * 8 * 2 * 32);
    long all = 2L * 80 * 80 * 2 * 32;
    long tower =
        2L * 80 * 96 * 32
            + 4 * 2L * 80 * (4 * 32 * 32 + 3 * 32 * 44)
            + 2 * windows
            + 2 * all
            + 2L * 20 * (128 * 128 + 128 * 48);
    try (Verifier verifier = qwen("qwen2-5-vl-tiny-a")) {
      // The image, the chat, and w1 w3 w4 w2.
      long length = 20 + TinyCheckpoints.QWEN2_5_CHAT_TOKENS + 4;
      long decoder =
          3L
                  * (2 * length * (2 * 48 * 48 + 2 * 48 * 24 + 3 * 48 * 72)
                      + 2 * 2 * length * length * 48)
              + 2 * 48 * 98;
      VerifierChecks.quoteEqualsCounters(verifier, "w3 w4", tower + decoder);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"qwen2-5-vl-tiny-a", "qwen3-vl-tiny-a"})
  void theValueIsTheShareOfYes(String parity) {
    try (Verifier verifier = qwen(parity);
        Verifier reversed = qwen(parity, ServedConfig.Answer.PROBABILITY, "No", "Yes", null);
        Verifier longer =
            qwen(parity, ServedConfig.Answer.PROBABILITY, "Yes w6 w7", "No w8", null)) {
      Verdict.Scored scored = score(verifier, "w3 w4");
      double yes = Math.exp(VerifierChecks.part(scored, "log-yes"));
      double no = Math.exp(VerifierChecks.part(scored, "log-no"));
      assertThat(scored.value()).isCloseTo(yes / (yes + no), within(1e-12)).isBetween(0.0, 1.0);
      assertThat(VerifierChecks.part(scored, "p-yes")).isEqualTo(yes);
      assertThat(score(reversed, "w3 w4").value()).isCloseTo(1 - scored.value(), within(1e-12));
      assertThat(VerifierChecks.part(score(longer, "w3 w4"), "log-yes"))
          .isLessThan(VerifierChecks.part(scored, "log-yes"));
    }
  }

  @Test
  void aRatingIsTheMeanByProbabilities() {
    try (Verifier verifier =
        qwen("qwen3-vl-tiny-a", ServedConfig.Answer.RATING, null, null, null)) {
      Verdict.Scored scored = score(verifier, "w3 w4");
      assertThat(scored.value()).isBetween(1.0, 5.0);
      assertThat(VerifierChecks.part(scored, "mass")).isBetween(0.0, 1.0);
      VerifierCard card = verifier.card();
      assertThat(card.metric()).isEqualTo("rating");
      assertThat(card.range()).startsWith("[1, 5]");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"<|image_pad|>", "<|im_end|>", "<|vision_start|>"})
  void markersInAPromptAreText(String marker) {
    try (Verifier verifier = qwen("qwen2-5-vl-tiny-a")) {
      Verdict.Scored scored = score(verifier, "w3 " + marker + " w4");
      assertThat(VerifierChecks.part(scored, "image-tokens"))
          .isEqualTo(VerifierChecks.part(score(verifier, "w3 w4"), "image-tokens"));
      assertThat(scored.value()).isNotEqualTo(score(verifier, "w3 w4").value());
    }
  }

  @Test
  void readsEveryShapeButTheLongest() {
    try (Verifier verifier = qwen("qwen3-vl-tiny-a")) {
      for (int[] size : new int[][] {{1, 1}, {3, 200}, {2000, 17}, {200, 1}}) {
        assertThat(judge(verifier, "w3", Pictures.noise(size[0], size[1], 1)))
            .isInstanceOf(Verdict.Scored.class);
      }
      assertThat(judge(verifier, "w3", Pictures.noise(201, 1, 1)))
          .isInstanceOfSatisfying(
              Verdict.Failed.class,
              failed ->
                  assertThat(failed.reason())
                      .contains("The image (201 x 1) has a side more than 200 times the other."));
    }
  }

  @Test
  void aSmallerLimitOfPixelsCostsLess() {
    try (Verifier whole = qwen("qwen3-vl-tiny-a");
        Verifier small =
            qwen("qwen3-vl-tiny-a", ServedConfig.Answer.PROBABILITY, null, null, 512L)) {
      assertThat(VerifierChecks.part(score(small, "w3"), "image-tokens"))
          .isLessThan(VerifierChecks.part(score(whole, "w3"), "image-tokens"))
          .isLessThanOrEqualTo(512 / 64);
      assertThat(small.card().preprocessing()).contains("area 256 to 512, all of the image");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"qwen2-5-vl-tiny-a", "qwen3-vl-tiny-a", "llava"})
  void unifiedRewardReadsTheScoreThatTheModelWrites(String kind) {
    if (kind.equals("llava")) {
      TinyCheckpoints.llava(base.resolve(kind));
    } else {
      TinyCheckpoints.qwenVl(kind, base.resolve(kind));
    }
    UnifiedRewardConfig config =
        new UnifiedRewardConfig(kind, UnifiedRewardConfig.Form.ALIGNMENT, null);
    long live = TorchTensor.liveBytes();
    try (Verifier verifier =
        new UnifiedRewardProvider().load(config, TinyCheckpoints.context(base))) {
      Verdict verdict = judge(verifier, "w3 w4", Pictures.noise(40, 36, 1));
      // Random weights write no number: a failure with its reason, never a score of zero.
      assertThat(verdict)
          .isEqualTo(
              new Verdict.Failed("The model writes no number where its score is asked for."));
      assertThat(verifier.card().metric()).isEqualTo("unified-reward-alignment");
      VerifierChecks.quoteEqualsCounters(
          verifier,
          "w3 w4",
          verifier
              .quote(VerifierChecks.judgement(0, "w3 w4", Pictures.broken()).prompt(), 40, 36, 1)
              .verifierFlops());
    }
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  /** The layout of LLaVA-OneVision's authors gives what the hub's gives. */
  @Test
  void theAuthorsLayoutOfLlavaIsTheSameModel() {
    Path directory = TinyCheckpoints.llava(base.resolve("llava"));
    ObjectNode hub =
        (ObjectNode) ModelJson.require(directory.resolve("config.json"), "configuration");
    ObjectNode text = (ObjectNode) hub.get("text_config");
    ObjectNode flat = text.deepCopy();
    flat.put("model_type", "llava").put("mm_vision_tower", "google/siglip-tiny-patch14-28");
    flat.put("image_aspect_ratio", "anyres_max_9").put("image_token_index", 129);
    flat.put("image_grid_pinpoints", "(1x1),...,(2x2)");
    try (SafetensorsFile golden = TinyCheckpoints.parity("llava-onevision-tiny-a").golden();
        WeightSource weights =
            TinyCheckpoints.parity("llava-onevision-tiny-a")
                .weights("weights")
                .renamed(LlavaArchitecture::canonical)) {
      assertThat(LlavaNextLayout.config(flat).get("image_grid_pinpoints").toString())
          .isEqualTo("[[28,28],[28,56],[56,28],[56,56]]");
      assertThat(LlavaNextLayout.config(flat).get("vision_config").get("image_size").asInt())
          .isEqualTo(28);
      assertThat(golden.names()).isNotEmpty();
      for (Map.Entry<String, String> key :
          Map.of(
                  "model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight",
                  "model.vision_tower.encoder.layers.0.mlp.fc1.weight",
                  "model.mm_projector.2.bias",
                  "model.multi_modal_projector.linear_2.bias",
                  "model.layers.1.self_attn.q_proj.bias",
                  "model.language_model.layers.1.self_attn.q_proj.bias",
                  "model.embed_tokens.weight",
                  "model.language_model.embed_tokens.weight",
                  "model.image_newline",
                  "model.image_newline")
              .entrySet()) {
        assertThat(LlavaNextLayout.canonical(key.getKey())).isEqualTo(key.getValue());
        assertThat(weights.names()).contains(key.getValue());
      }
    }
  }

  @Test
  void refusesOtherModels() {
    TinyCheckpoints.llava(base.resolve("llava"));
    assertThatThrownBy(
            () ->
                new QwenVlProvider()
                    .check(
                        new QwenVlConfig("llava", null, null, null, null, null, null),
                        TinyCheckpoints.context(base)))
        .hasMessage(
            "[CONFIG] The model_type (llava_onevision) of config.json is not one that this verifier"
                + " reads.\nMaybe use a snapshot of Qwen/Qwen2.5-VL-7B-Instruct or"
                + " Qwen/Qwen3-VL-8B-Instruct.");
    assertThatThrownBy(
            () ->
                new QwenVlConfig(
                    "x",
                    ServedConfig.Answer.RATING,
                    null,
                    null,
                    null,
                    new ServedConfig.Scale(1, 10),
                    null))
        .hasMessageContaining("The scale (1 to 10) has ratings of more than one digit.");
  }

  @Test
  void areFoundByTheServiceLoader() {
    assertThat(ServiceLoader.load(VerifierProvider.class))
        .extracting(VerifierProvider::id)
        .contains("qwen-vl", "unified-reward");
  }

  @Nested
  class QwenVlContract extends VerifierContract {
    @Override
    protected Verifier create() {
      return qwen("qwen3-vl-tiny-a");
    }

    @Override
    protected Prompt prompt() {
      return Prompt.of("contract", "w3 w4");
    }
  }
}
