package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.util.cuda.CudaUtils;
import java.lang.management.MemoryUsage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelState;
import org.espalier.spi.Root;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What only a GPU can show; skipped where there is none. */
class InfinityGpuTest {
  @TempDir Path directory;

  @BeforeEach
  void needsAGpu() {
    boolean none = !TorchEngine.device("auto").isGpu();
    if (none) {
      System.out.println("InfinityGpuTest is skipped: libtorch sees no GPU on this machine.");
    }
    assumeTrue(!none, "libtorch sees no GPU on this machine");
  }

  @Test
  void siblingsAndTheirPathsFreeEverything() {
    Path weights = TinyModel.write(directory);
    long live = TorchTensor.liveBytes();
    try (GenerativeModel model =
        InfinityLoader.load(InfinityConfig.of(weights.toString()), context())) {
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

  /** All but so much of the GPU's free memory, until it is closed. */
  private static List<AutoCloseable> hog(double leftGib) {
    TorchEngine.releaseUnused();
    MemoryUsage memory = CudaUtils.getGpuMemory(ai.djl.Device.gpu());
    double free = (memory.getMax() - memory.getCommitted()) * 0x1p-30;
    TorchProgram program =
        TorchProgram.builder("Hog")
            .text(
                """
                class Hog(Module):
                  def take(self, gib: float) -> Tensor:
                    return torch.empty([int(gib * 1024.), 1048576], dtype=0, device=torch.device(self.device_name))
                """)
            .device(Device.gpu())
            .load(
                WeightSource.random(WeightSpec.builder().key("unused", 1).build()),
                WeightSpec.builder().key("unused", 1).build());
    return List.of(program.call("take", free - leftGib), program);
  }

  private GenerativeModel halfMegapixel() {
    InfinityConfig config =
        new InfinityConfig(
            "random:2b", null, null, "0.25M", null, null, null, null, null, null, null);
    return InfinityLoader.load(config, context());
  }

  private LoadContext context() {
    return new LoadContext(
        "gpu",
        directory,
        spec -> {
          throw new AssertionError("no verifier is asked for");
        });
  }

  /** Eight samples of one prompt, all scales. */
  private static void sample(GenerativeModel model) {
    List<Conditioning> prompts = model.encode(List.of(Prompt.of("0", "a red circle")));
    List<List<ModelState>> path = new ArrayList<>();
    try {
      List<Root> roots = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        roots.add(new Root(prompts.get(0), new Noise.Keyed(DrawKey.root(i))));
      }
      path.add(model.begin(roots));
      for (int step = 0; step < model.card().horizon(); step++) {
        List<Branch> branches = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
          branches.add(
              new Branch(
                  path.get(step).get(i),
                  prompts.get(0),
                  List.of(new Noise.Keyed(DrawKey.root(i)))));
        }
        path.add(model.expand(branches).stream().flatMap(List::stream).toList());
      }
      assertThat(path.get(path.size() - 1)).hasSize(8);
    } finally {
      for (int i = path.size() - 1; i >= 0; i--) {
        path.get(i).forEach(ModelState::close);
      }
      prompts.forEach(Conditioning::close);
    }
  }

  @Test
  void aFullDeviceShrinksCallsAndRepeatsWhatItDropped() throws Exception {
    try (GenerativeModel model = halfMegapixel()) {
      sample(model);
      assertThat(model.replayed()).isEqualTo(Cost.ZERO);
      // Keys and values of eight samples take 5.9 GiB.
      List<AutoCloseable> hog = hog(4);
      try {
        WorkCounters before = model.counters();
        sample(model);
        assertThat(model.counters().since(before).rows()).isEqualTo(8L * 2 * 10);
        System.out.println("With 4 GiB free: replayed " + model.replayed());
        assertThat(model.replayed().nfe()).isPositive();
      } finally {
        for (AutoCloseable part : hog) {
          part.close();
        }
      }
    }
  }

  @Test
  void aRowThatDoesNotFitIsAnErrorThatNamesWhatToLower() throws Exception {
    try (GenerativeModel model = halfMegapixel()) {
      List<AutoCloseable> hog = hog(0.25);
      try {
        assertThatThrownBy(() -> sample(model))
            .isInstanceOf(EspalierException.class)
            .hasMessageStartingWith("[RESOURCE]")
            .hasMessageContaining("Maybe lower engine.batch")
            .satisfies(e -> System.out.println(e));
      } finally {
        for (AutoCloseable part : hog) {
          part.close();
        }
      }
      sample(model); // the model is as good as before
    }
  }
}
