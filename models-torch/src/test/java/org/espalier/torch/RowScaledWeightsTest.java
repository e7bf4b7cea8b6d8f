package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.espalier.api.EspalierException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RowScaledWeightsTest {
  @TempDir Path directory;
  private Path file;

  @BeforeEach
  void name() {
    file = directory.resolve("model.safetensors");
  }

  private static Tensors bytes() {
    return new Tensors()
        .raw(
            "w",
            "I8",
            List.of(2, 3),
            (byte) 1,
            (byte) -127,
            (byte) 3,
            (byte) 4,
            (byte) 5,
            (byte) 127)
        .floats("b", List.of(1), 7);
  }

  @Test
  void aWeightIsTheProductOfItsBytesAndItsRowsScale() {
    bytes().floats("w.row_scale", List.of(2), 0.5f, -2).write(file);
    try (WeightSource weights = WeightSource.open(file)) {
      assertThat(weights.names()).containsExactlyInAnyOrder("w", "b");
      assertThat(weights.info("w")).isEqualTo(new TensorInfo(DType.F32, List.of(2L, 3L)));
      assertThat(weights.floats("w")).containsExactly(0.5f, -63.5f, 1.5f, -8, -10, -254);
      assertThat(weights.floats("b")).containsExactly(7);
      // A part that begins within a row.
      assertThat(weights.slice("w", 8, 8).getFloat(0)).isEqualTo(1.5f);
      assertThat(weights.slice("w", 8, 8).getFloat(4)).isEqualTo(-8);
    }
  }

  @Test
  void whatHasNoScaleStaysAsItIs() {
    bytes().write(file);
    try (WeightSource weights = WeightSource.open(file)) {
      assertThat(weights).isInstanceOf(SafetensorsFile.class);
      assertThat(weights.longs("w")).containsExactly(1, -127, 3, 4, 5, 127);
    }
  }

  @Test
  void refusesScalesThatDoNotFit() {
    bytes().floats("w.row_scale", List.of(3), 1, 1, 1).write(file);
    assertThatThrownBy(() -> WeightSource.open(file))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The tensor w.row_scale (F32 [3]) of %s does not scale the rows of w (I8 [2, 3]).\n"
                    .formatted(file)
                + "Maybe write int8 weights with one float32 scale a row.");
    bytes().floats("v.row_scale", List.of(1), 1).write(file);
    assertThatThrownBy(() -> WeightSource.open(file)).hasMessageContaining("no tensor v");
  }
}
