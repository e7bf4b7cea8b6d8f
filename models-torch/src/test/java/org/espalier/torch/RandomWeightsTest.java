package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.espalier.api.EspalierException;
import org.junit.jupiter.api.Test;

class RandomWeightsTest {
  private static final String TEXT =
      """
      class Net(Module):
        def look(self) -> Tensor:
          return (self.w)["a.weight"]
      """;

  @Test
  void haveTheShapesAndAreMadeByTheProgram() {
    WeightSpec spec = WeightSpec.builder().linear("a", 40, 30).build();
    WeightSource source = WeightSource.random(spec).renamed(name -> name);
    assertThat(source.isRandom()).isTrue();
    assertThat(source.info("a.weight").shape()).isEqualTo(List.of(40L, 30L));
    assertThatThrownBy(() -> source.info("b"))
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("no tensor b");
    long live = TorchTensor.liveBytes();
    try (TorchProgram program =
            TorchProgram.builder("Net").text(TEXT).device(Device.cpu()).load(source, spec);
        TorchTensor weight = program.call("look")) {
      double sum = 0;
      for (float value : weight.toFloats()) {
        sum += value * value;
      }
      // 1200 numbers of deviation 0.02: six standard errors of the mean square
      assertThat(Math.sqrt(sum / 1200)).isBetween(0.0175, 0.0225);
    }
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  @Test
  void onlyLargeNetworksOnAGpuAreComputedInHalfPrecision() {
    assertThat(TorchEngine.dtype(Device.cpu(), 2_000_000_000)).isEqualTo(DType.F32);
    assertThat(TorchEngine.dtype(Device.gpu(), 19_999_999)).isEqualTo(DType.F32);
    assertThat(TorchEngine.dtype(Device.gpu(), 20_000_000)).isEqualTo(DType.BF16);
  }
}
