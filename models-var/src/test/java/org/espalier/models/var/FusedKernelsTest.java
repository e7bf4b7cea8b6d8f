package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.espalier.api.EspalierException;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The fused kernels give what the operators of libtorch give; their library is asked for aright.
 */
class FusedKernelsTest {
  @TempDir Path directory;

  @Test
  void theCpuAndFloat32DoWithoutThem() {
    assertThat(FusedKernels.sha256(Device.cpu(), DType.BF16)).isNull();
    assertThat(FusedKernels.sha256(Device.gpu(), DType.F32)).isNull();
  }

  @Test
  void aLibraryThatIsNotThereOrNoneIsAnError() throws IOException {
    assertThatThrownBy(() -> FusedKernels.load(directory.resolve("none.so")))
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[CONFIG] The library of kernels (" + directory)
        .hasMessageContaining("ESPALIER_KERNELS");
    Path text = Files.writeString(directory.resolve("text.so"), "no library");
    assertThatThrownBy(() -> FusedKernels.load(text))
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[NATIVE] The library of kernels (" + text + ") cannot be loaded")
        .hasMessageContaining("Maybe build it against the libtorch in use");
  }

  /** What the library is compared on: a network whose heads have 64 channels, in two families. */
  private List<float[]> logits(Path weights, Device device, DType dtype) {
    ScaleSchedule schedule =
        ScaleSchedule.of(
            List.of(
                new ScaleSchedule.Grid(1, 1),
                new ScaleSchedule.Grid(2, 2),
                new ScaleSchedule.Grid(3, 4),
                new ScaleSchedule.Grid(32, 32)));
    Guidance guidance =
        new Guidance(Collections.nCopies(4, 3.0), Collections.nCopies(4, 1.0), true, List.of(2L));
    Random random = new Random(1);
    float[] features = new float[5 * 24];
    for (int i = 0; i < features.length; i++) {
      features[i] = (float) random.nextGaussian();
    }
    List<float[]> logits = new ArrayList<>();
    List<AutoCloseable> open = new ArrayList<>();
    try (WeightSource source = WeightSource.open(weights.resolve("transformer.safetensors"));
        InfinityNetwork network = new InfinityNetwork(source, schedule, 8, true, device, dtype);
        TorchTensor text = TorchTensor.of(device, features, 1, 5, 24);
        InfinityNetwork.Shared shared = network.condition(text, true)) {
      int[][] parents = {{0}, {0, 0, 0}, {2, 0}, {}};
      List<InfinityNetwork.Row> rows =
          List.of(new InfinityNetwork.Row(network.emptyCode(), List.of()));
      open.add(rows.get(0).code()::close);
      for (int scale = 0; scale < 4; scale++) {
        List<InfinityNetwork.Evaluation> made = network.step(shared, rows, scale, guidance, false);
        made.forEach(evaluation -> logits.add(evaluation.logits()));
        open.addAll(made);
        rows =
            TinyModel.continued(
                network,
                rows,
                made,
                parents[scale],
                scale,
                schedule.get(scale).tokens(),
                random,
                open);
      }
      Collections.reverse(open);
      for (AutoCloseable part : open) {
        part.close();
      }
      return logits;
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private float[] image(Path weights, Device device, DType dtype) {
    Random random = new Random(2);
    float[] code = new float[8 * 40 * 40];
    for (int i = 0; i < code.length; i++) {
      code[i] = random.nextBoolean() ? 0.35f : -0.35f;
    }
    try (WeightSource source = WeightSource.open(weights.resolve("vae.safetensors"));
        BsqTokenizer tokenizer =
            new BsqTokenizer(source, device, false, false, device.isGpu() ? 0 : 1 << 30, dtype);
        TorchTensor given = TorchTensor.of(device, code, 1, 8, 40, 40);
        TorchTensor image = tokenizer.decodeFloats(given)) {
      return image.toFloats();
    }
  }

  private static double meanError(float[] values, float[] wanted) {
    double sum = 0;
    for (int i = 0; i < values.length; i++) {
      sum += Math.abs(values[i] - wanted[i]);
    }
    return sum / values.length;
  }

  @Test
  void networksAreAsExactWithThemAsWithout() {
    boolean there =
        System.getenv(FusedKernels.VARIABLE) != null && TorchEngine.device("auto").isGpu();
    if (!there) {
      System.out.println("FusedKernelsTest: no GPU, or ESPALIER_KERNELS names no library.");
    }
    assumeTrue(there, "libtorch sees no GPU, or ESPALIER_KERNELS names no library");
    InfinityArchitecture wide = new InfinityArchitecture(4, 128, 2, 256, 8, 24, 6, 2, 15);
    BsqArchitecture vae =
        new BsqArchitecture(
            8, List.of(24, 64), 2, List.of(false, true), List.of(24, 64), 1, List.of(true, false));
    Path weights = TinyModel.write(directory, wide, vae, UnaryOperator.identity());
    List<float[]> exact = logits(weights, Device.cpu(), DType.F32);
    float[] exactImage = image(weights, Device.cpu(), DType.F32);
    Device with = Device.gpu().withKernels(Path.of(System.getenv(FusedKernels.VARIABLE)));
    List<float[]> fused = logits(weights, with, DType.BF16);
    float[] fusedImage = image(weights, with, DType.BF16);
    List<float[]> plain = logits(weights, Device.gpu(), DType.BF16);
    double allWithout = 0;
    double allWith = 0;
    for (int i = 0; i < exact.size(); i++) {
      double without = meanError(plain.get(i), exact.get(i));
      double error = meanError(fused.get(i), exact.get(i));
      System.out.printf("evaluation %d: mean error %.5f, without %.5f%n", i, error, without);
      assertThat(error).as("evaluation %d", i).isLessThan(2 * without);
      allWithout += without;
      allWith += error;
    }
    assertThat(allWith).as("all evaluations").isLessThan(1.2 * allWithout);
    assertThat(Arrays.equals(fused.get(0), plain.get(0))).as("other operators").isFalse();
    double without = meanError(image(weights, Device.gpu(), DType.BF16), exactImage);
    double error = meanError(fusedImage, exactImage);
    System.out.printf("image: mean error %.5f, without %.5f%n", error, without);
    assertThat(error).isLessThan(1.2 * without);
  }
}
