package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.testkit.VerifierContract;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** PickScore and HPSv2, from files to scores, against their authors' formulas. */
@SuppressWarnings("NullAway.Init")
class PreferenceVerifiersTest {
  private static final String CASE = "pickscore-tiny-a";

  @TempDir Path base;

  /** The case's weights of one layout, with its configuration and a tokenizer of its numbers. */
  private void layOut(String part, String file, boolean configured) {
    ParityCase parity = TinyCheckpoints.parity(CASE);
    TinyCheckpoints.copy(parity, part, base.resolve("reward").resolve(file));
    try (SafetensorsFile golden = parity.golden()) {
      Path directory = base.resolve("reward");
      if (configured) {
        TinyCheckpoints.write(directory, "config.json", TinyCheckpoints.metadata(golden, "config"));
        TinyCheckpoints.write(
            directory,
            "preprocessor_config.json",
            TinyCheckpoints.metadata(golden, "preprocessor_config"));
      } else {
        TinyCheckpoints.write(
            directory,
            "open_clip_config.json",
            "{\"model_cfg\": {\"vision_cfg\": {\"width\": 40, \"head_width\": 8},"
                + " \"text_cfg\": {\"heads\": 4}}}");
      }
      TinyCheckpoints.write(
          directory,
          "tokenizer.json",
          TinyCheckpoints.tokenizer(99, Map.of("<start>", 97, "<end>", 98), "<start>", "<end>"));
    }
  }

  /**
   * The golden scores, prompt by prompt, and the verifier's. Picture 2 alone needs no cut, which
   * torchvision and so open_clip make elsewhere than the golden file where the margin is odd.
   */
  private static void compare(
      Verifier verifier, String name, boolean promptsFirst, int... pictures) {
    ParityCase parity = TinyCheckpoints.parity(CASE);
    try (SafetensorsFile golden = parity.golden()) {
      float[] expected = golden.floats(name);
      int texts = golden.info("input_ids").size(0);
      int images = expected.length / texts;
      long[] ids = golden.longs("input_ids");
      for (int t = 0; t < texts; t++) {
        int length = ids.length / texts;
        List<String> words = new ArrayList<>();
        for (long id : Arrays.copyOfRange(ids, t * length + 1, (t + 1) * length)) {
          if (id == 98) {
            break;
          }
          words.add("w" + id);
        }
        for (int i : pictures) {
          Judgement judgement =
              VerifierChecks.judgement(
                  i,
                  String.join(" ", words),
                  Artifact.of(TinyCheckpoints.picture(golden, "image_u8." + i)));
          Verdict.Scored scored = VerifierChecks.scored(verifier.verify(List.of(judgement)).get(0));
          assertThat(scored.value())
              .isCloseTo(expected[promptsFirst ? t * images + i : i * texts + t], within(1e-4));
        }
      }
    }
  }

  @Test
  void pickScoreIsTheCosineTimesTheTemperature() {
    layOut("weights", "model.safetensors", true);
    try (Verifier verifier =
        new PickScoreProvider()
            .load(new PickScoreConfig("reward"), TinyCheckpoints.context(base))) {
      compare(verifier, "pick_scores", true, 0, 1, 2);
      assertThat(verifier.card().range()).contains("exp(logit_scale) x cosine");
      VerifierChecks.batchEqualsSingleCalls(verifier, List.of("w3 w4", "w9 w8 w7", "w5"));
    }
  }

  @Test
  void hpsV2IsTheCosineAndReadsTheKeysOfOpenClip() {
    layOut("openclip", "open_clip_model.safetensors", false);
    try (Verifier verifier =
        new HpsV2Provider().load(new HpsV2Config("reward"), TinyCheckpoints.context(base))) {
      compare(verifier, "cosine", false, 2);
      assertThat(verifier.card().range()).endsWith(": cosine");
    }
  }

  @Test
  void hpsV2ReadsItsFileByName() {
    layOut("openclip", "any-name.safetensors", false);
    try (Verifier verifier =
        new HpsV2Provider()
            .load(new HpsV2Config("reward/any-name.safetensors"), TinyCheckpoints.context(base))) {
      compare(verifier, "cosine", false, 2);
    }
  }

  /** HPSv2's pickle holds its weights under {@code state_dict}, training scripts' others deeper. */
  @Test
  void wrappedWeightsAreUnwrapped() {
    for (String wrapping : List.of("state_dict.", "module.", "state_dict.module.")) {
      try (WeightSource plain =
              OpenClipLayout.canonical(TinyCheckpoints.parity(CASE).weights("openclip"));
          WeightSource wrapped =
              OpenClipLayout.canonical(
                  TinyCheckpoints.parity(CASE)
                      .weights("openclip")
                      .renamed(name -> wrapping + name))) {
        assertThat(wrapped.names()).isEqualTo(plain.names());
        String key = "vision_model.encoder.layers.0.self_attn.v_proj.weight";
        assertThat(wrapped.floats(key)).isEqualTo(plain.floats(key));
      }
    }
  }

  @Test
  void theFileOfAnotherModelIsRefused() throws Exception {
    layOut("weights", "model.safetensors", true);
    Files.delete(base.resolve("reward/config.json"));
    assertThatThrownBy(
            () ->
                new PickScoreProvider()
                    .check(new PickScoreConfig("reward"), TinyCheckpoints.context(base)))
        .hasMessageContaining("The configuration of CLIP (")
        .hasMessageContaining("does not exist");
    assertThatThrownBy(() -> new HpsV2Config(" "))
        .hasMessage(
            "[CONFIG] The verifier's weights are missing.\n"
                + "Maybe set weights: the directory of a snapshot of xswu/HPSv2.");
  }

  @Test
  void areFoundByTheServiceLoader() {
    assertThat(ServiceLoader.load(VerifierProvider.class))
        .extracting(VerifierProvider::id)
        .contains("pickscore", "hps-v2");
  }

  @Nested
  class PickScoreContract extends VerifierContract {
    @Override
    protected Verifier create() {
      layOut("weights", "model.safetensors", true);
      return new PickScoreProvider()
          .load(new PickScoreConfig("reward"), TinyCheckpoints.context(base));
    }

    @Override
    protected Prompt prompt() {
      return Prompt.of("contract", "w3 w4");
    }
  }

  @Nested
  class HpsV2Contract extends VerifierContract {
    @Override
    protected Verifier create() {
      layOut("openclip", "open_clip_model.safetensors", false);
      return new HpsV2Provider().load(new HpsV2Config("reward"), TinyCheckpoints.context(base));
    }

    @Override
    protected Prompt prompt() {
      return Prompt.of("contract", "w3 w4");
    }
  }
}
