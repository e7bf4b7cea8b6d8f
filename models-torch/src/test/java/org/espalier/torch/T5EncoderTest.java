package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class T5EncoderTest {
  @TempDir Path directory;

  private T5Encoder load() throws IOException {
    ParityCase parity = ParityCase.all("t5-", T5EncoderTest.class).get(0);
    try (SafetensorsFile golden = parity.golden()) {
      Files.writeString(directory.resolve("config.json"), golden.metadata().get("config"));
    }
    Files.copy(
        parity.directory().resolve(parity.name() + ".weights.safetensors"),
        directory.resolve("model.safetensors"));
    return T5Encoder.load(directory, Device.cpu());
  }

  @Test
  void paddingChangesNothing() throws IOException {
    try (T5Encoder encoder = load()) {
      Tokens tokens = new Tokens(new long[] {5, 9, 30, 1}, 4, false);
      try (TorchTensor plain = encoder.encode(tokens);
          TorchTensor padded = encoder.encode(tokens.padded(7, 0))) {
        int size = 4 * encoder.config().dModel();
        assertThat(
                ParityCase.largestError(plain.toFloats(), Arrays.copyOf(padded.toFloats(), size)))
            .isLessThan(1e-5);
      }
      assertThatThrownBy(() -> encoder.encode(new Tokens(new long[] {1 << 20}, 1, false)))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void flopsEqualAHandCount() {
    T5Config gated = new T5Config(10, 6, 4, 8, 3, 2, 32, 128, 1e-6, true, "gelu_new", 0);
    // 5 tokens; three projections 6 -> 8, attention of 2 heads of 4, 8 -> 6, 6 -> 8 twice, 8 -> 6
    long block = 2 * 5 * (3 * 6 * 8 + 8 * 6 + 3 * 6 * 8) + 2 * 2 * (2 * 5 * 5 * 4);
    assertThat(gated.flops(5)).isEqualTo(3 * block);
  }

  @Test
  void ungatedLayersHaveOneMatrixLess() {
    T5Config plain = new T5Config(10, 6, 4, 8, 1, 2, 32, 128, 1e-6, false, "relu", 0);
    assertThat(plain.weights().keys())
        .contains("encoder.block.0.layer.1.DenseReluDense.wi.weight")
        .doesNotContain("encoder.block.0.layer.1.DenseReluDense.wi_0.weight");
  }

  @Test
  void readsPublishedConfigurations() throws IOException {
    String flan =
        """
        {"d_ff": 5120, "d_kv": 64, "d_model": 2048, "feed_forward_proj": "gated-gelu",
         "num_heads": 32, "num_layers": 24, "vocab_size": 32128, "pad_token_id": 0}
        """;
    T5Config config = T5Config.of(new ObjectMapper().readTree(flan), "flan-t5-xl");
    assertThat(config.gated()).isTrue();
    assertThat(config.activation()).isEqualTo("gelu_new");
    assertThat(config.relativeAttentionMaxDistance()).isEqualTo(128);
    assertThatThrownBy(
            () -> T5Config.of(new ObjectMapper().readTree(flan.replace("5120", "0")), "x"))
        .hasMessageContaining("(0) of a T5");
    assertThatThrownBy(
            () -> T5Config.of(new ObjectMapper().readTree(flan.replace("d_kv", "q")), "x"))
        .hasMessageContaining("The field d_kv of x must be a whole number");
    assertThatThrownBy(
            () ->
                T5Config.of(new ObjectMapper().readTree(flan.replace("gated-gelu", "swish")), "x"))
        .hasMessageContaining("swish");
    assertThatThrownBy(() -> T5Config.read(directory.resolve("config.json")))
        .hasMessageContaining("does not exist");
  }
}
