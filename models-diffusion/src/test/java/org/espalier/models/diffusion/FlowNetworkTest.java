package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@NullUnmarked
class FlowNetworkTest {
  private static final int TEXT = 5;
  @TempDir Path directory;

  private FlowNetwork load(double guidance) {
    Path file = directory.resolve("flux.safetensors");
    TinyFlux.write(file, TinyFlux.parity("weights"));
    try (WeightSource weights = new SafetensorsFile(file)) {
      FluxArchitecture flux = FluxArchitecture.of(weights, List.of(8, 12, 12), null, 1e-6);
      return new FlowNetwork(
          flux, flux.program().attribute("guidance", guidance), weights, Device.cpu(), 2, 3);
    }
  }

  private static float[] gaussian(Random random, int length) {
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static FlowConditioning text(Random random) {
    return new FlowConditioning(
        List.of(
            TorchTensor.of(Device.cpu(), gaussian(random, TEXT * 48), 1, TEXT, 48),
            TorchTensor.of(Device.cpu(), gaussian(random, 32), 1, 32)),
        TEXT,
        false);
  }

  /** The way of a GPU; on the CPU rows are kept apart so that they are the same bit for bit. */
  @Test
  void oneCallForRowsOfDifferentTimesAndPromptsIsCloseToOneCallEach() {
    Random random = new Random(1);
    try (FlowNetwork transformer = load(3.5);
        FlowConditioning red = text(random);
        FlowConditioning green = text(random);
        FlowConditioning negative = text(random)) {
      List<FlowNetwork.Row> rows = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        rows.add(
            new FlowNetwork.Row(
                gaussian(random, transformer.latentLength()),
                1 - 0.2f * i,
                i % 2 == 0 ? red : green));
      }
      for (FlowNetwork.Guidance guidance :
          List.of(FlowNetwork.Guidance.NONE, new FlowNetwork.Guidance(negative, 4, 0))) {
        long before = transformer.countedRows();
        List<float[]> together = transformer.evaluate(rows, guidance);
        assertThat(transformer.countedRows() - before)
            .isEqualTo(guidance.negative() == null ? 4 : 8);
        for (int i = 0; i < 4; i++) {
          float[] alone = transformer.velocities(List.of(rows.get(i)), guidance).get(0);
          assertThat(ParityCase.largestError(together.get(i), alone)).isLessThan(1e-4);
          assertThat(transformer.velocities(rows, guidance).get(i)).isEqualTo(alone);
        }
        assertThat(together.get(0)).isNotEqualTo(together.get(2));
      }
    }
  }

  @Test
  void guidanceIsReadByWeightsThatHaveItsEmbedding() {
    Random random = new Random(2);
    try (FlowConditioning text = text(random)) {
      List<float[]> answers = new ArrayList<>();
      for (double scale : new double[] {1, 3.5}) {
        try (FlowNetwork network = load(scale)) {
          float[] latent = gaussian(new Random(4), network.latentLength());
          answers.addAll(
              network.velocities(
                  List.of(new FlowNetwork.Row(latent, 0.5f, text)), FlowNetwork.Guidance.NONE));
        }
      }
      assertThat(answers.get(0)).isNotEqualTo(answers.get(1));
    }
  }

  @Test
  void theMemoryOfARowGrowsWithItsTokensItsTypeAndThePairOfGuidance() {
    FluxArchitecture flux = FluxArchitecture.DEV;
    long megapixel = flux.bytes(64, 64, 512, DType.BF16);
    // Below: what the widest single block alone holds in bfloat16, its two joined layers.
    assertThat(megapixel).isBetween(4608L * 2 * (4 * 3072 + 2 * 12288), 1L << 30);
    assertThat(flux.bytes(2 * 64, 64, 1024, DType.BF16)).isEqualTo(2 * megapixel);
    assertThat(flux.bytes(64, 64, 512, DType.F32))
        .isGreaterThan(megapixel)
        .isLessThan(2 * megapixel);
    assertThat(flux.bytes(16, 16, 512, DType.BF16)).isLessThan(megapixel / 5);
    Random random = new Random(3);
    try (FlowNetwork transformer = load(3.5);
        FlowConditioning negative = text(random)) {
      long row = transformer.rowBytes(TEXT, FlowNetwork.Guidance.NONE);
      assertThat(row).isPositive();
      assertThat(transformer.rowBytes(TEXT, new FlowNetwork.Guidance(negative, 4, 0)))
          .isEqualTo(2 * row);
    }
  }
}
