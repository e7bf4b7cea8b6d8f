package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Several trajectories in one call give what each gives alone, whatever they share. */
class InfinityBatchTest {
  private static final double TOLERANCE = 1e-5;

  @TempDir Path directory;

  @Test
  void batchesWithSharedAndOwnPastsEqualSingleRows() {
    long live = TorchTensor.liveBytes();
    Path weights = TinyModel.write(directory);
    ScaleSchedule schedule =
        ScaleSchedule.of(
            List.of(
                new ScaleSchedule.Grid(1, 1),
                new ScaleSchedule.Grid(2, 2),
                new ScaleSchedule.Grid(3, 4),
                new ScaleSchedule.Grid(4, 4)));
    Guidance guidance =
        new Guidance(Collections.nCopies(4, 3.0), Collections.nCopies(4, 1.0), true, List.of(2L));
    Random random = new Random(1);
    List<AutoCloseable> open = new ArrayList<>();
    float[] features = new float[5 * 24];
    for (int i = 0; i < features.length; i++) {
      features[i] = (float) random.nextGaussian();
    }
    try (WeightSource source = WeightSource.open(weights.resolve("transformer.safetensors"));
        InfinityNetwork network = new InfinityNetwork(source, schedule, 8, false, Device.cpu());
        TorchTensor text = TorchTensor.of(Device.cpu(), features, 1, 5, 24);
        InfinityNetwork.Shared shared = network.condition(text, true)) {
      // Which trajectory of the scale before each one continues: siblings, all of them, a choice.
      int[][] parents = {{0, 0, 0}, {0, 1, 2}, {2, 0}, {0, 0, 1, 1}};
      List<InfinityNetwork.Row> before =
          List.of(new InfinityNetwork.Row(network.emptyCode(), List.of()));
      open.add(before.get(0).code()::close);
      List<InfinityNetwork.Row> rows = before;
      for (int scale = 0; scale < 4; scale++) {
        List<InfinityNetwork.Evaluation> together =
            network.step(shared, rows, scale, guidance, false);
        together.forEach(open::add);
        for (int i = 0; i < rows.size(); i++) {
          try (InfinityNetwork.Evaluation alone =
              network.step(shared, rows.get(i), scale, guidance)) {
            assertThat(ParityCase.largestError(together.get(i).logits(), alone.logits()))
                .as("scale %d, trajectory %d of %d", scale, i, rows.size())
                .isLessThan(TOLERANCE);
          }
        }
        rows =
            TinyModel.continued(
                network,
                rows,
                together,
                parents[scale],
                scale,
                schedule.get(scale).tokens(),
                random,
                open);
      }
    } finally {
      open.forEach(
          part -> {
            try {
              part.close();
            } catch (Exception e) {
              throw new AssertionError(e);
            }
          });
    }
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  @Test
  void drawsOfTheProgramEqualThoseOfTheHost() {
    Path weights = TinyModel.write(directory);
    ScaleSchedule schedule =
        ScaleSchedule.of(List.of(new ScaleSchedule.Grid(1, 1), new ScaleSchedule.Grid(2, 2)));
    Random random = new Random(2);
    try (WeightSource source = WeightSource.open(weights.resolve("transformer.safetensors"));
        InfinityNetwork network = new InfinityNetwork(source, schedule, 8, false, Device.cpu());
        TorchTensor code = network.emptyCode()) {
      float[] logits = new float[4 * 8 * 2];
      float[] uniform = new float[4 * 8];
      for (int i = 0; i < logits.length; i++) {
        logits[i] = (float) random.nextGaussian();
        uniform[i / 2] = random.nextFloat();
      }
      for (BitSampler sampler :
          List.of(new BitSampler(8, 0, 0), new BitSampler(8, 0, 0.7), new BitSampler(8, 1, 0))) {
        BitSampler.Drawn expected = sampler.draw(logits, uniform);
        try (TorchTensor given = TorchTensor.of(Device.cpu(), logits, 1, 4, 16)) {
          InfinityNetwork.Child child =
              network
                  .draw(
                      given, new long[] {0}, List.of(code), List.of(uniform), sampler.certain(), 1)
                  .get(0);
          try (TorchTensor drawn = child.code();
              TorchTensor wanted = network.accept(code, expected.bits(), 1)) {
            assertThat(drawn.toFloats()).isEqualTo(wanted.toFloats());
            assertThat(child.logProb())
                .isCloseTo(expected.logProb(), org.assertj.core.data.Offset.offset(1e-9));
          }
        }
      }
    }
  }
}
