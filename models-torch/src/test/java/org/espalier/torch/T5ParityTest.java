package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class T5ParityTest {
  static List<ParityCase> cases() {
    return ParityCase.all("t5-", T5ParityTest.class);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void encodesAsTheReferenceDoes(ParityCase parity) throws Exception {
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = parity.weights("weights")) {
      T5Config config =
          T5Config.of(new ObjectMapper().readTree(golden.metadata().get("config")), parity.name());
      TensorInfo info = golden.info("input_ids");
      int rows = info.size(0);
      int length = info.size(1);
      long[] ids = golden.longs("input_ids");
      long[] mask = golden.longs("attention_mask");
      float[] expected = golden.floats("last_hidden_state");
      double largest = 0;
      try (T5Encoder encoder = new T5Encoder(config, weights, Device.cpu())) {
        for (int row = 0; row < rows; row++) {
          float[] keep = new float[length];
          for (int i = 0; i < length; i++) {
            keep[i] = mask[row * length + i];
          }
          long[] rowIds = Arrays.copyOfRange(ids, row * length, (row + 1) * length);
          try (TorchTensor features = encoder.encode(new Tokens(rowIds, length, false), keep)) {
            int size = length * config.dModel();
            largest =
                Math.max(
                    largest,
                    ParityCase.largestError(
                        features.toFloats(),
                        Arrays.copyOfRange(expected, row * size, (row + 1) * size)));
          }
        }
        assertThat(encoder.flops()).isEqualTo(rows * config.flops(length));
      }
      System.out.printf("%s: largest error %.2e%n", parity, largest);
      assertThat(largest).isLessThan(1e-4);
    }
  }
}
