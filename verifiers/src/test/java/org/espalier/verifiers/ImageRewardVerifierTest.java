package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.api.Verdict;
import org.espalier.spi.Artifact;
import org.espalier.spi.Verifier;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageRewardVerifierTest {
  private Path base;
  private Path directory;

  @BeforeEach
  void layOut(@TempDir Path base) {
    this.base = base;
    directory = TinyCheckpoints.imageReward(base.resolve("reward"));
  }

  private Verifier load() {
    return new ImageRewardProvider()
        .load(ImageRewardConfig.of("reward"), TinyCheckpoints.context(base));
  }

  private static Verdict.Scored score(Verifier verifier, String prompt) {
    return VerifierChecks.scored(
        verifier
            .verify(
                List.of(
                    VerifierChecks.judgement(0, prompt, Artifact.of(Pictures.noise(32, 32, 1)))))
            .get(0));
  }

  @Test
  void batchEqualsSingleCalls() {
    try (Verifier verifier = load()) {
      VerifierChecks.batchEqualsSingleCalls(verifier, List.of("w3 w4", "w9 w8 w7", "w5"));
    }
  }

  @Test
  void failuresStayAlone() {
    try (Verifier verifier = load()) {
      VerifierChecks.failuresStayAlone(verifier, "w3 w4");
    }
  }

  @Test
  void costsWhatAHandCountSays() {
    // Image: 2 x 2 patches of 16 x 16 and a class token, width 64; text: two words and two marks,
    // width 48, which attend to themselves and to the 5 patches.
    long patches = 2L * 4 * (3 * 16 * 16) * 64;
    long vision = 2L * (2 * 5 * (4 * 64 * 64 + 2 * 64 * 256) + 2 * 2 * 5 * 5 * 64);
    long self = 2 * 4 * (4 * 48 * 48) + 2 * 2 * 4 * 4 * 48;
    long cross = 2 * 4 * (2 * 48 * 48) + 2 * 5 * (2 * 64 * 48) + 2 * 2 * 4 * 5 * 48;
    long feedForward = 2 * 4 * (2 * 48 * 192);
    long head = 2L * (48 * 1024 + 1024 * 128 + 128 * 64 + 64 * 16 + 16);
    try (Verifier verifier = load()) {
      VerifierChecks.quoteEqualsCounters(
          verifier, "w3 w4", patches + vision + 2 * (self + cross + feedForward) + head);
    }
  }

  @Test
  void theValueIsTheStandardisedReward() {
    try (Verifier verifier = load()) {
      Verdict.Scored scored = score(verifier, "w3 w4");

      assertThat(scored.value())
          .isCloseTo(
              (VerifierChecks.part(scored, "raw") - 0.16717362830052426) / 1.0333394966054072,
              within(1e-5));
    }
  }

  @Test
  void takesMeanAndDeviationFromTheConfiguration() throws IOException {
    double raw;
    try (Verifier verifier = load()) {
      raw = VerifierChecks.part(score(verifier, "w3 w4"), "raw");
    }
    Path config = directory.resolve("config.json");
    Files.writeString(
        config, Files.readString(config).replaceFirst("\\{", "{\"mean\": 5, \"std\": 2,"));
    try (Verifier verifier = load()) {
      assertThat(score(verifier, "w3 w4").value()).isCloseTo((raw - 5) / 2, within(1e-5));
    }
  }

  @Test
  void cutsAPromptAtThirtyFiveTokens() {
    String longest = "w5 ".repeat(33).strip();
    try (Verifier verifier = load()) {
      assertThat(verifier.card().textLimit()).hasValue(35);
      assertThat(score(verifier, longest).parts()).containsEntry("truncated", 0.0);
      assertThat(score(verifier, longest + " w6").parts()).containsEntry("truncated", 1.0);
      assertThat(score(verifier, longest + " w6").value())
          .isEqualTo(score(verifier, longest).value());
    }
  }

  @Test
  void readsThePublishedLayout() throws IOException {
    double expected;
    try (Verifier verifier = load()) {
      expected = score(verifier, "w3 w4").value();
    }
    // The repository has no configuration of the vision side; heads are 64 channels wide there,
    // which for these 64 channels would be one, so only the file names are checked here.
    String config = Files.readString(directory.resolve("config.json"));
    Files.writeString(
        directory.resolve("med_config.json"), ModelJson.parse(config).get("bert").toString());
    Files.writeString(
        directory.resolve("config.json"), "{\"vit\": " + ModelJson.parse(config).get("vit") + "}");
    try (Verifier verifier = load()) {
      assertThat(score(verifier, "w3 w4").value()).isEqualTo(expected);
    }
  }

  @Test
  void saysWhatIsMissing() throws IOException {
    Files.delete(directory.resolve("tokenizer.json"));
    assertThatThrownBy(this::load)
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("The tokenizer (");

    Files.delete(directory.resolve("config.json"));
    assertThatThrownBy(this::load)
        .hasMessageContaining("The configuration of ImageReward's text side (")
        .hasMessageContaining("med_config.json) does not exist");
  }

  @Test
  void refusesTheCheckpointOfAnotherModel() throws IOException {
    Files.delete(directory.resolve("model.safetensors"));
    TinyCheckpoints.copy(
        TinyCheckpoints.parity("clip-tiny-a"), "weights", directory.resolve("model.safetensors"));

    assertThatThrownBy(this::load)
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("are not those of ImageReward");
  }

  @Test
  void refusesADeviationOfZero() throws IOException {
    Path config = directory.resolve("config.json");
    Files.writeString(config, Files.readString(config).replaceFirst("\\{", "{\"std\": 0,"));

    assertThatThrownBy(this::load).hasMessageContaining("deviation (0.0)");
  }

  @Test
  void theTokenizerMayLieElsewhere() throws IOException {
    Path own = base.resolve("reward/tokenizer.json");
    Path other = Files.createDirectory(base.resolve("bert")).resolve("tokenizer.json");
    Files.move(own, other);
    ImageRewardProvider provider = new ImageRewardProvider();
    provider.check(new ImageRewardConfig("reward", "bert"), TinyCheckpoints.context(base));
    provider.check(
        new ImageRewardConfig("reward", other.toString()), TinyCheckpoints.context(base));
    assertThatThrownBy(
            () -> provider.check(ImageRewardConfig.of("reward"), TinyCheckpoints.context(base)))
        .hasMessageContaining("The tokenizer (" + own + ") of image-reward does not exist")
        .hasMessageContaining("espalier weights get hf:google-bert/bert-base-uncased");
  }
}
