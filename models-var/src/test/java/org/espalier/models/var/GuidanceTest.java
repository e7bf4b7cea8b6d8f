package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The reference's rule of guidance: where a scale's strength is exactly 1, nothing is mixed there,
 * neither logits nor the output of a block, so the unconditional row goes its own way.
 */
class GuidanceTest {
  @TempDir Path directory;

  private static final ScaleSchedule SCHEDULE =
      ScaleSchedule.of(
          List.of(
              new ScaleSchedule.Grid(1, 1),
              new ScaleSchedule.Grid(2, 2),
              new ScaleSchedule.Grid(3, 4),
              new ScaleSchedule.Grid(4, 4)));
  private static final List<Double> TAU = List.of(1., 1., 1., 1.);

  /** The logits of all scales, each evaluated under a guidance of its own. */
  private List<float[]> logits(List<Guidance> scales) {
    Random random = new Random(1);
    float[] features = new float[5 * 24];
    for (int i = 0; i < features.length; i++) {
      features[i] = (float) random.nextGaussian();
    }
    List<float[]> logits = new ArrayList<>();
    List<InfinityNetwork.Evaluation> past = new ArrayList<>();
    try (WeightSource source = WeightSource.open(directory.resolve("transformer.safetensors"));
        InfinityNetwork network = new InfinityNetwork(source, SCHEDULE, 8, false, Device.cpu());
        TorchTensor text = TorchTensor.of(Device.cpu(), features, 1, 5, 24);
        InfinityNetwork.Shared shared = network.condition(text, true)) {
      TorchTensor code = network.emptyCode();
      for (int scale = 0; scale < SCHEDULE.size(); scale++) {
        past.add(
            network.step(shared, new InfinityNetwork.Row(code, past), scale, scales.get(scale)));
        logits.add(past.get(scale).logits());
        byte[] bits = new byte[SCHEDULE.get(scale).tokens() * 8];
        for (int i = 0; i < bits.length; i++) {
          bits[i] = (byte) random.nextInt(2);
        }
        TorchTensor next = network.accept(code, bits, scale);
        code.close();
        code = next;
      }
      code.close();
      past.forEach(InfinityNetwork.Evaluation::close);
      return logits;
    }
  }

  @Test
  void aStrengthOfOneMixesNothingAtItsScale() {
    TinyModel.write(directory);
    Guidance guided = new Guidance(List.of(3., 1., 2., 1.), TAU, true, List.of(1L, 2L));
    // Another strength than 1, and no place where it is applied: the rows are apart by
    // construction.
    Guidance apart = new Guidance(List.of(3., 3., 3., 3.), TAU, false, List.of());
    List<float[]> actual = logits(List.of(guided, guided, guided, guided));
    List<float[]> expected = logits(List.of(guided, apart, guided, apart));
    for (int scale = 0; scale < SCHEDULE.size(); scale++) {
      assertThat(ParityCase.largestError(actual.get(scale), expected.get(scale)))
          .as("logits of scale %d", scale)
          .isLessThan(1e-6);
    }
    // The test can fail: mixed rows at scale 1 change what scale 2 sees.
    Guidance mixed = new Guidance(List.of(3., 1 + 1e-12, 2., 1.), TAU, true, List.of(1L, 2L));
    List<float[]> wrong = logits(List.of(guided, mixed, guided, apart));
    assertThat(ParityCase.largestError(wrong.get(2), expected.get(2))).isGreaterThan(0.01);
  }

  @Test
  void aScaleThatMixesNoLogitsComputesOneRowOfThem() {
    Guidance guided = new Guidance(List.of(3., 1., 2., 1.), TAU, true, List.of(1L));
    assertThat(guided.rows()).isEqualTo(2);
    assertThat(List.of(guided.onLogits(0), guided.onLogits(1))).containsExactly(true, false);
    assertThat(guided.layers(0)).containsExactly(1);
    assertThat(guided.layers(1)).isEmpty();
  }
}
