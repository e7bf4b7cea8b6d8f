package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class Gemma2ParityTest {
  static List<ParityCase> cases() {
    return ParityCase.all("gemma2-", Gemma2ParityTest.class);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void encodesAsTheReferenceDoes(ParityCase parity) throws Exception {
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = Gemma2Encoder.layout(parity.weights("weights"))) {
      Gemma2Config config =
          Gemma2Config.of(
              new ObjectMapper().readTree(golden.metadata().get("config")), parity.name());
      long[] ids = golden.longs("input_ids");
      int length = golden.info("input_ids").size(1);
      float[] expected = golden.floats("last_hidden_state");
      int size = length * config.hiddenSize();
      double largest = 0;
      try (Gemma2Encoder encoder = new Gemma2Encoder(config, weights, Device.cpu())) {
        for (int row = 0; row < golden.info("input_ids").size(0); row++) {
          try (TorchTensor states =
              encoder.encode(Arrays.copyOfRange(ids, row * length, (row + 1) * length))) {
            largest =
                Math.max(
                    largest,
                    ParityCase.largestError(
                        states.toFloats(),
                        Arrays.copyOfRange(expected, row * size, (row + 1) * size)));
          }
        }
        assertThat(encoder.flops()).isEqualTo(2 * config.flops(length));
      }
      System.out.printf("%s: largest error %.2e%n", parity, largest);
      assertThat(largest).isLessThan(1e-4);
    }
  }

  @Test
  void operationsAreTheHandCount() {
    Gemma2Config c = new Gemma2Config(60, 24, 40, 3, 4, 2, 16, 1e-6, 10000, 20, 2, 64);
    long perToken = 2L * 24 * (64 + 32 + 32 + 64) + 2L * 24 * 40 * 3 + 2 * 2L * 7 * 64;
    assertThat(c.flops(7)).isEqualTo(3 * 7 * perToken);
  }
}
