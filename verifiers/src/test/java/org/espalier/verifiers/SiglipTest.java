package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.spi.Artifact;
import org.espalier.spi.Verifier;
import org.espalier.testkit.VerifierContract;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchTensor;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with Hugging Face's {@code SiglipModel} on small random weights. */
@SuppressWarnings("NullAway.Init")
class SiglipTest {
  private static final double TOLERANCE = 1e-4;

  @TempDir Path base;

  static List<ParityCase> cases() {
    return ParityCase.all("siglip-", SiglipTest.class);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheReference(ParityCase parity) {
    try (SafetensorsFile golden = parity.golden();
        SafetensorsFile weights = parity.weights("weights")) {
      SiglipArchitecture architecture =
          SiglipArchitecture.of(
              ModelJson.parse(TinyCheckpoints.metadata(golden, "config")), weights);
      int count = golden.info("pixel_values").size(0);
      int texts = golden.info("input_ids").size(0);
      int width = architecture.projection();
      try (ClipNetwork network = ClipNetwork.load(architecture, weights, Device.cpu());
          TorchTensor image =
              network.embedImages(golden.floats("pixel_values"), count, architecture.imageSize())) {
        float[] embeds = new float[texts * width];
        float[] logits = new float[count * texts];
        for (int t = 0; t < texts; t++) {
          long[] ids =
              Arrays.copyOfRange(
                  golden.longs("input_ids"),
                  t * architecture.textLimit(),
                  (t + 1) * architecture.textLimit());
          // Without its padding, which the network adds again.
          int length = ids.length;
          while (length > 1 && ids[length - 2] == architecture.padding()) {
            length--;
          }
          float[] unit = network.embedText(new Tokens(Arrays.copyOf(ids, length), length, false));
          System.arraycopy(unit, 0, embeds, t * width, width);
          float[] repeated = new float[count * width];
          for (int i = 0; i < count; i++) {
            System.arraycopy(unit, 0, repeated, i * width, width);
          }
          float[] column = network.compare(image, repeated)[1];
          for (int i = 0; i < count; i++) {
            logits[i * texts + t] = column[i];
          }
        }
        assertThat(ParityCase.largestError(image.toFloats(), golden.floats("image_embeds")))
            .isLessThan(TOLERANCE);
        assertThat(ParityCase.largestError(embeds, golden.floats("text_embeds")))
            .isLessThan(TOLERANCE);
        double error = ParityCase.largestError(logits, golden.floats("logits_per_image"));
        System.out.printf("%s logits_per_image: largest error %.2g%n", parity, error);
        assertThat(error).isLessThan(TOLERANCE);
      }
    }
  }

  private Verifier load() {
    ParityCase parity = TinyCheckpoints.parity("siglip-tiny-a");
    Path directory = base.resolve("siglip");
    try (SafetensorsFile golden = parity.golden()) {
      TinyCheckpoints.write(directory, "config.json", TinyCheckpoints.metadata(golden, "config"));
      TinyCheckpoints.copy(parity, "weights", directory.resolve("model.safetensors"));
      TinyCheckpoints.write(
          directory,
          "tokenizer.json",
          TinyCheckpoints.tokenizer(99, Map.of("</s>", 1, "<s>", 97), "<s>", "</s>"));
    }
    return new SiglipProvider().load(new SiglipConfig("siglip"), TinyCheckpoints.context(base));
  }

  @Test
  void keepsWhatEveryVerifierKeeps() {
    // 3 x 3 patches of 8 x 8, width 48, 2 layers, hidden 72; a text always has 12 tokens.
    long layers = 2L * (2 * 9 * (4 * 48 * 48 + 2 * 48 * 72) + 2 * 2 * 9 * 9 * 48);
    long head = 2L * (2 * 48 * 48 + 2 * 9 * 48 * 48 + 2 * 9 * 48 + 2 * 48 * 72);
    long vision = 2L * 9 * (3 * 8 * 8) * 48 + layers + head;
    long text = 2L * (2 * 12 * (4 * 48 * 48 + 2 * 48 * 80) + 2 * 2 * 12 * 12 * 48) + 2L * 48 * 48;
    try (Verifier verifier = load()) {
      VerifierChecks.batchEqualsSingleCalls(verifier, List.of("w3 w4", "w9 w8 w7", "w5"));
      VerifierChecks.failuresStayAlone(verifier, "w3 w4");
      VerifierChecks.quoteEqualsCounters(verifier, "w3 w4", vision + text + 2 * 48);
    }
  }

  @Test
  void theValueIsTheLogitAndLongTextsAreMarked() {
    try (Verifier verifier = load()) {
      List<Verdict.Scored> scores = new ArrayList<>();
      for (String prompt : List.of("w3", "w3 ".repeat(10).strip(), "w3 ".repeat(11).strip())) {
        scores.add(
            VerifierChecks.scored(
                verifier
                    .verify(
                        List.of(
                            VerifierChecks.judgement(
                                0, prompt, Artifact.of(Pictures.noise(30, 24, 1)))))
                    .get(0)));
      }
      Verdict.Scored first = scores.get(0);
      assertThat(VerifierChecks.part(first, "probability"))
          .isCloseTo(1 / (1 + Math.exp(-first.value())), within(1e-12));
      assertThat(first.value())
          .isCloseTo(Math.exp(2.3f) * VerifierChecks.part(first, "cosine") - 3.1f, within(1e-5));
      assertThat(VerifierChecks.part(scores.get(1), "truncated")).isZero();
      assertThat(VerifierChecks.part(scores.get(2), "truncated")).isEqualTo(1);
      assertThat(scores.get(2).value()).isEqualTo(scores.get(1).value());
      assertThat(verifier.card().facts())
          .containsEntry("sees", "all of the image, squeezed to a square");
    }
  }

  @Nested
  class Contract extends VerifierContract {
    @Override
    protected Verifier create() {
      return load();
    }

    @Override
    protected Prompt prompt() {
      return Prompt.of("contract", "w3 w4");
    }
  }
}
