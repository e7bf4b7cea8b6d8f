package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.WeightSource;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with Hugging Face's LLaVA-OneVision on small random weights. */
class LlavaOnevisionParityTest {
  private static final double TOLERANCE = 1e-4;

  static List<ParityCase> cases() {
    return ParityCase.all("llava-onevision-", LlavaOnevisionParityTest.class);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheReference(ParityCase parity) {
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = parity.weights("weights").renamed(LlavaArchitecture::canonical)) {
      LlavaArchitecture architecture =
          LlavaArchitecture.of(
              ModelJson.parse(TinyCheckpoints.metadata(golden, "config")), weights);
      float[] expected = golden.floats("logits");
      float[] actual = new float[expected.length];
      int batch = golden.info("input_ids").size(0);
      try (LlavaNetwork network = LlavaNetwork.load(architecture, weights, Device.cpu())) {
        for (int row = 0; row < batch; row++) {
          long[] size = part(golden.longs("image_sizes"), row, batch);
          TilePlan plan = architecture.plan((int) size[1], (int) size[0]);
          long[] ids = part(golden.longs("input_ids"), row, batch);
          assertThat(Arrays.stream(ids).filter(id -> id == architecture.imageToken()).count())
              .as("%s image tokens", parity)
              .isEqualTo(plan.imageTokens());
          float[] pixels = golden.floats("pixel_values");
          int length = pixels.length / batch;
          int tile = 3 * architecture.imageSize() * architecture.imageSize();
          float[] tiles =
              Arrays.copyOfRange(pixels, row * length, row * length + plan.tiles() * tile);
          float[] logits = network.logits(tiles, plan, ids);
          System.arraycopy(logits, 0, actual, row * logits.length, logits.length);

          // What the verifier runs: the last place alone, and the same reached with held keys.
          int vocabulary = architecture.decoder().vocabulary();
          float[] last = Arrays.copyOfRange(logits, logits.length - vocabulary, logits.length);
          try (JudgeRead whole = network.prefill(tiles, plan, ids);
              JudgeRead most = network.prefill(tiles, plan, Arrays.copyOf(ids, ids.length - 2));
              JudgeRead read =
                  network.step(most, Arrays.copyOfRange(ids, ids.length - 2, ids.length))) {
            assertThat(ParityCase.largestError(whole.logits().toFloats(), last)).isLessThan(1e-5);
            assertThat(ParityCase.largestError(read.logits().toFloats(), last)).isLessThan(1e-5);
          }
        }
      }
      double error = ParityCase.largestError(actual, expected);
      System.out.printf("%s logits: largest error %.2g%n", parity, error);
      assertThat(error).as("%s logits", parity).isLessThanOrEqualTo(TOLERANCE);
    }
  }

  private static long[] part(long[] values, int index, int count) {
    int length = values.length / count;
    return Arrays.copyOfRange(values, index * length, (index + 1) * length);
  }
}
