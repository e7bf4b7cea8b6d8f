package org.espalier.bench;

import java.util.Arrays;
import org.espalier.torch.Device;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * How fast a device multiplies matrices: the ceiling that a network's achieved operations a second
 * are held against.
 */
public final class MatrixProduct {
  private static final String TEXT =
      """
      class Product(Module):
        def run(self, times: int) -> Tensor:
          w = self.w
          c = w["a"]
          for i in range(times):
            c = torch.matmul(w["a"], w["b"])
          return torch.to(torch.sum(torch.slice(c, 0, 0, 1)), 6)
      """;

  private MatrixProduct() {}

  /**
   * Measures square products of random matrices in the type that programs compute in there: the
   * median of five timings after a warm-up.
   *
   * @param device where
   * @return floating-point operations a second
   */
  public static double measure(Device device) {
    int size = device.isGpu() ? 8192 : 512;
    int times = 10;
    WeightSpec spec = WeightSpec.builder().key("a", size, size).key("b", size, size).build();
    try (TorchProgram program =
        TorchProgram.builder("Product")
            .text(TEXT)
            .device(device)
            .load(WeightSource.random(spec), spec)) {
      double[] seconds = new double[5];
      for (int i = -1; i < seconds.length; i++) {
        long start = System.nanoTime();
        try (TorchTensor sum = program.call("run", times)) {
          sum.toFloats();
        }
        if (i >= 0) {
          seconds[i] = (System.nanoTime() - start) * 1e-9;
        }
      }
      Arrays.sort(seconds);
      return (double) times * Flops.matmul(1, size, size, size) / seconds[seconds.length / 2];
    }
  }
}
