package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Device;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelState;
import org.espalier.spi.Noise;
import org.espalier.spi.Root;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchTensor;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What only a GPU can show; skipped where there is none. */
class InfinityGpuTest {
  @TempDir Path directory;

  @BeforeEach
  void needsAGpu() {
    boolean none = TorchEngine.device("auto").equals(Device.cpu());
    if (none) {
      System.out.println("InfinityGpuTest is skipped: libtorch sees no GPU on this machine.");
    }
    assumeTrue(!none, "libtorch sees no GPU on this machine");
  }

  @Test
  void siblingsAndTheirPathsFreeEverything() {
    Path weights = TinyModel.write(directory);
    long live = TorchTensor.liveBytes();
    LoadContext context =
        new LoadContext(
            "gpu",
            directory,
            spec -> {
              throw new AssertionError("no verifier is asked for");
            });
    try (GenerativeModel model =
        InfinityLoader.load(InfinityConfig.of(weights.toString()), context)) {
      List<Conditioning> prompts = model.encode(List.of(Prompt.of("0", "a red circle")));
      List<List<ModelState>> path = new ArrayList<>();
      path.add(model.begin(List.of(new Root(prompts.get(0), new Noise.Mode()))));
      for (int step = 0; step < model.card().horizon(); step++) {
        List<Branch> branches = new ArrayList<>();
        for (ModelState state : path.get(step)) {
          List<Noise> draws =
              List.of(
                  new Noise.Keyed(DrawKey.root(1).child(branches.size())),
                  new Noise.Keyed(DrawKey.root(2).child(branches.size())));
          branches.add(new Branch(state, prompts.get(0), draws));
        }
        path.add(model.expand(branches).stream().flatMap(List::stream).toList());
      }
      List<ModelState> last = path.get(path.size() - 1);
      assertThat(last).hasSize(8);
      assertThat(last).allSatisfy(s -> assertThat(s.logProb().orElseThrow()).isNegative());
      for (int i = path.size() - 1; i >= 0; i--) {
        path.get(i).forEach(ModelState::close);
      }
      prompts.forEach(Conditioning::close);
    }
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }
}
