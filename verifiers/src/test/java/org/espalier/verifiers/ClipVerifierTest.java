package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.espalier.api.EspalierException;
import org.espalier.api.Verdict;
import org.espalier.spi.Artifact;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ClipVerifierTest {
  private Path base;
  private Path directory;

  @BeforeEach
  void layOut(@TempDir Path base) {
    this.base = base;
    directory = TinyCheckpoints.clip(base.resolve("clip"));
  }

  private Verifier load() {
    return new ClipProvider().load(new ClipConfig("clip"), TinyCheckpoints.context(base));
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
    // Image: 4 x 4 patches and a class token of width 64; text: two words, start and end, width 48.
    long patches = 2L * 16 * (3 * 8 * 8) * 64;
    long vision =
        3L * (2 * 17 * (4 * 64 * 64 + 2 * 64 * 256) + 2 * 2 * 17 * 17 * 64) + 2L * 64 * 32;
    long text = 2L * (2 * 4 * (4 * 48 * 48 + 2 * 48 * 192) + 2 * 2 * 4 * 4 * 48) + 2L * 48 * 32;
    try (Verifier verifier = load()) {
      VerifierChecks.quoteEqualsCounters(verifier, "w3 w4", patches + vision + text + 2 * 32);
    }
  }

  @Test
  void theValueIsAHundredTimesTheCosine() {
    try (Verifier verifier = load()) {
      Verdict.Scored scored =
          VerifierChecks.scored(
              verifier
                  .verify(
                      List.of(
                          VerifierChecks.judgement(
                              0, "w3 w4", Artifact.of(Pictures.noise(32, 32, 1)))))
                  .get(0));

      double cosine = VerifierChecks.part(scored, "cosine");
      assertThat(cosine).isBetween(-1.0, 1.0);
      assertThat(scored.value()).isEqualTo(100 * cosine);
      assertThat(VerifierChecks.part(scored, "clip-score")).isEqualTo(2.5 * Math.max(cosine, 0));
      try (WeightSource source = WeightSource.open(directory)) {
        double scale = Math.exp(source.floats("logit_scale")[0]);
        assertThat(VerifierChecks.part(scored, "logit")).isCloseTo(scale * cosine, within(1e-4));
      }
      assertThat(scored.parts()).containsEntry("truncated", 0.0);
    }
  }

  @Test
  void marksAPromptThatIsTooLong() {
    String longest = "w5 ".repeat(14).strip(); // with start and end the 16 tokens of the model
    try (Verifier verifier = load()) {
      List<Verdict> verdicts =
          verifier.verify(
              List.of(
                  VerifierChecks.judgement(0, longest, Artifact.of(Pictures.noise(32, 32, 1))),
                  VerifierChecks.judgement(
                      1, longest + " w6", Artifact.of(Pictures.noise(32, 32, 1)))));

      assertThat(VerifierChecks.scored(verdicts.get(0)).parts()).containsEntry("truncated", 0.0);
      assertThat(VerifierChecks.scored(verdicts.get(1)).parts()).containsEntry("truncated", 1.0);
      assertThat(VerifierChecks.scored(verdicts.get(1)).value())
          .isEqualTo(VerifierChecks.scored(verdicts.get(0)).value());
    }
  }

  @Test
  void warnsOnceOfPromptsThatAreTooLong() {
    List<LogRecord> logged = new ArrayList<>();
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            logged.add(record);
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger(NetworkVerifier.class.getName());
    logger.addHandler(handler);
    try (Verifier verifier = load()) {
      for (String last : List.of("w6", "w7", "w6")) {
        String prompt = "w5 ".repeat(20) + last;
        verifier.verify(
            List.of(VerifierChecks.judgement(0, prompt, Artifact.of(Pictures.noise(32, 32, 1)))));
      }
    } finally {
      logger.removeHandler(handler);
    }
    assertThat(logged).hasSize(1);
    assertThat(logged.get(0).getLevel()).isEqualTo(Level.WARNING);
  }

  @Test
  void theCardSaysWhatItIs() throws IOException {
    try (Verifier verifier = load()) {
      VerifierCard card = verifier.card();
      assertThat(card.id()).isEqualTo("clip");
      assertThat(card.weightsSha256())
          .isEqualTo(WeightSource.sha256(List.of(directory.resolve("model.safetensors"))));
      assertThat(card.programSha256()).matches("[0-9a-f]{64}");
      assertThat(card.textLimit()).hasValue(16);
      assertThat(card.preprocessing())
          .startsWith("bicubic resize of the shorter edge to 32, centre crop 32 x 32, mean 0.4814");
    }
  }

  @Test
  void isFoundByTheServiceLoader() {
    assertThat(ServiceLoader.load(VerifierProvider.class))
        .anyMatch(provider -> provider instanceof ClipProvider && provider.id().equals("clip"));
  }

  @Test
  void saysWhatIsMissing() throws IOException {
    Files.delete(directory.resolve("tokenizer.json"));
    assertThatThrownBy(this::load)
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("The tokenizer (" + directory.resolve("tokenizer.json"));

    Files.delete(directory.resolve("config.json"));
    assertThatThrownBy(this::load)
        .hasMessageContaining("The configuration of CLIP (")
        .hasMessageContaining("does not exist");

    assertThatThrownBy(() -> new ClipConfig(null))
        .hasMessage(
            "[CONFIG] The verifier's weights are missing.\n"
                + "Maybe set weights: nano, or the directory of a snapshot of"
                + " openai/clip-vit-base-patch32.");
  }

  @Test
  void refusesTheCheckpointOfAnotherModel() throws IOException {
    Files.delete(directory.resolve("model.safetensors"));
    TinyCheckpoints.copy(
        TinyCheckpoints.parity("imagereward-tiny-a"),
        "weights",
        directory.resolve("model.safetensors"));

    assertThatThrownBy(this::load)
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("are not those of CLIP");
  }

  @Test
  void refusesAConfigurationOfAnotherSize() throws IOException {
    Path config = directory.resolve("config.json");
    String text = Files.readString(config);

    Files.writeString(config, text.replace("\"image_size\": 32", "\"image_size\": 64"));
    assertThatThrownBy(this::load)
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("vision_model.embeddings.position_embedding.weight");

    Files.writeString(config, text.replace("quick_gelu", "swish"));
    assertThatThrownBy(this::load).hasMessageContaining("The activation (swish) is unknown.");

    Files.writeString(config, text);
    Files.writeString(directory.resolve("preprocessor_config.json"), "{\"crop_size\": 224}");
    assertThatThrownBy(this::load)
        .hasMessageContaining("are not the 32 x 32 pixels that the weights need");
  }
}
