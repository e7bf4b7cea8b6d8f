package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.pytorch.jni.JniUtils;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.espalier.api.EspalierException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TorchProgramTest {
  private static final String NET =
      """
      def twice(x: Tensor) -> Tensor:
        return x * 2.
      class Net(Module):
        def forward(self, x: Tensor) -> Tensor:
          return twice(linear(self.w, "head", x)) * self.gain
        def many(self, xs: List[Tensor], n: int, scales: List[int]) -> Tuple[Tensor, List[Tensor]]:
          return (xs[0] + n, [xs[1] * scales[1], torch.zeros([n])])
        def facts(self) -> List[Tensor]:
          total = 0
          for size in self.sizes:
            total = total + size
          y = torch.tensor([total, torch.len(self.title)])
          return [y, torch.tensor([self.on])]
        def short(self) -> Tensor:
          return torch.to((self.w)["head.weight"], 15)
        def widen(self, x: Tensor) -> Tensor:
          return torch.to(x, 6)
        def wrong(self, x: Tensor) -> Tensor:
          return torch.matmul(x, torch.zeros([99, 99]))
      """;

  @TempDir Path directory;

  private Path weights() {
    return new Tensors()
        .floats("head.weight", List.of(2, 3), 1, 2, 3, 4, 5, 6)
        .raw("head.bias", "BF16", List.of(2), Tensors.shorts(0x3f80, 0xbf80))
        .floats("position_ids", List.of(1), 0)
        .write(directory.resolve("net.safetensors"));
  }

  private static WeightSpec.Builder spec() {
    return WeightSpec.builder().linear("head", 2, 3).ignore("position_.*");
  }

  private static TorchProgram.Builder builder(String text) {
    return TorchProgram.builder("Net")
        .text(text)
        .attribute("gain", 0.5)
        .attribute("title", "abc")
        .attribute("on", true)
        .attribute("sizes", List.of(3, 4));
  }

  private TorchProgram load() {
    try (WeightSource source = WeightSource.open(weights())) {
      return builder(NET).load(source, spec().build());
    }
  }

  @Test
  void runsMethodsOverTheWeights() {
    long before = TorchTensor.liveBytes();
    try (TorchProgram program = load();
        TorchTensor x = TorchTensor.of(Device.cpu(), new float[] {1, 0, 2}, 1, 3);
        TorchTensor y = program.call("forward", x)) {
      assertThat(y.shape()).containsExactly(1, 2);
      assertThat(y.toFloats()).containsExactly(8, 15);
      assertThat(program.weightBytes()).isEqualTo((6 + 2) * 4);
      assertThat(program.sha256()).matches("[0-9a-f]{64}");
      List<TorchTensor> many = program.run("many", List.of(x, y), 4, new long[] {1, 10});
      assertThat(many).hasSize(3);
      assertThat(many.get(0).toFloats()).containsExactly(5, 4, 6);
      assertThat(many.get(1).toFloats()).containsExactly(80, 150);
      assertThat(many.get(2).elements()).isEqualTo(4);
      many.forEach(TorchTensor::close);
      List<TorchTensor> facts = program.run("facts");
      assertThat(facts.get(0).toLongs()).containsExactly(7, 3);
      assertThat(facts.get(1).toBooleans()).containsExactly(true);
      facts.forEach(TorchTensor::close);
    }
    assertThat(TorchTensor.liveBytes()).isEqualTo(before);
  }

  @Test
  void bfloat16StaysInsidePrograms() {
    try (TorchProgram program = load();
        TorchTensor shortened = program.call("short")) {
      assertThat(shortened.nativeBytes()).isEqualTo(12);
      assertThatThrownBy(shortened::toFloats).hasMessageContaining("[PLUGIN_CONTRACT]");
      try (TorchTensor wide = program.call("widen", shortened)) {
        assertThat(wide.toFloats()).containsExactly(1, 2, 3, 4, 5, 6);
      }
    }
  }

  @Test
  void weightsMayBeShortAndSomeStayLong() {
    try (WeightSource source = WeightSource.open(weights());
        TorchProgram program =
            builder(
                    "class Net(Module):\n"
                        + "  def sum(self) -> Tensor:\n"
                        + "    return torch.tensor([torch.element_size((self.w)[\"head.weight\"]),"
                        + " torch.element_size((self.w)[\"head.bias\"])])\n")
                .dtype(DType.BF16)
                .load(
                    source,
                    WeightSpec.builder()
                        .key("head.weight", 2, 3)
                        .fullPrecision("head.bias", 2)
                        .ignore("position_ids")
                        .build());
        TorchTensor sizes = program.call("sum")) {
      assertThat(sizes.toLongs()).containsExactly(2, 4);
      assertThat(program.weightBytes()).isEqualTo(6 * 2 + 2 * 4);
    }
  }

  @Test
  void compileErrorsNameTheLine() {
    try (WeightSource source = WeightSource.open(weights())) {
      String broken =
          "class Net(Module):\n"
              + "  def forward(self, x: Tensor) -> Tensor:\n"
              + "    return torch.no_such_thing(x)\n";
      assertThatThrownBy(() -> builder(broken).load(source, spec().build()))
          .isInstanceOfSatisfying(
              EspalierException.class,
              e -> assertThat(e.code()).isEqualTo(EspalierException.Code.NATIVE))
          .hasMessageContaining("Net does not compile")
          .hasMessageContaining("no_such_thing");
      assertThatThrownBy(
              () -> builder("def f(x: int) -> int:\n  return x\n").load(source, spec().build()))
          .hasMessageContaining("class Net(Module):");
    }
  }

  @Test
  void failingCallsNameTheMethodAndLeakNothing() {
    try (TorchProgram program = load();
        TorchTensor x = TorchTensor.of(Device.cpu(), new float[] {1, 0, 2}, 1, 3)) {
      long live = TorchTensor.liveBytes();
      assertThatThrownBy(() -> program.run("wrong", x))
          .hasMessageStartingWith("[NATIVE] The native call Net.wrong failed");
      assertThatThrownBy(() -> program.run("missing", x)).hasMessageContaining("missing");
      assertThatThrownBy(() -> program.call("facts")).hasMessageContaining("2 tensors");
      assertThatThrownBy(() -> program.run("widen", new Object()))
          .isInstanceOf(IllegalArgumentException.class);
      assertThat(TorchTensor.liveBytes()).isEqualTo(live);
      program.close();
      assertThatThrownBy(() -> program.run("widen", x)).hasMessageContaining("closed");
    }
  }

  private void refused(WeightSpec spec, String... parts) {
    long live = TorchTensor.liveBytes();
    try (WeightSource source = WeightSource.open(weights())) {
      assertThatThrownBy(() -> builder(NET).load(source, spec))
          .isInstanceOfSatisfying(
              EspalierException.class,
              e -> assertThat(e.code()).isEqualTo(EspalierException.Code.CONFIG))
          .hasMessageContaining("net.safetensors")
          .hasMessageContainingAll(parts);
    }
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  @Test
  void refusesWeightsThatDoNotFit() {
    refused(spec().key("heads.weight", 2, 3).build(), "heads.weight", "[2, 3]", "head.weight");
    refused(
        WeightSpec.builder().linear("head", 3, 2).ignore("position_ids").build(),
        "head.weight",
        "[2, 3]",
        "[3, 2]");
    refused(WeightSpec.builder().linear("head", 2, 3).build(), "position_ids", "does not know");
    refused(
        WeightSpec.builder().key("head.weight", 2, 3).ignore("position_ids").build(),
        "head.bias",
        "1 keys");
    assertThatThrownBy(() -> spec().key("head.weight", 1))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(spec().build().parameters()).isEqualTo(8);
  }

  @Test
  void refusesWrongUseOfTensors() {
    assertThatThrownBy(() -> TorchTensor.of(Device.cpu(), new float[3], 2, 2))
        .isInstanceOf(IllegalArgumentException.class);
    TorchTensor closed = TorchTensor.of(Device.cpu(), new long[] {1}, 1);
    assertThatThrownBy(closed::toFloats).hasMessageContaining("[PLUGIN_CONTRACT]");
    long live = TorchTensor.liveBytes();
    closed.close();
    closed.close();
    assertThat(TorchTensor.liveBytes()).isEqualTo(live - 8);
    assertThatThrownBy(closed::toLongs).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void refusesUnknownDevices() {
    assertThat(TorchEngine.device("cpu").isGpu()).isFalse();
    assertThatThrownBy(() -> TorchEngine.device("tpu"))
        .hasMessageContaining("[CONFIG]")
        .hasMessageContaining("tpu");
    assertThatThrownBy(() -> TorchEngine.device("gpu:99")).hasMessageContaining("[RESOURCE]");
    assertThat(TorchEngine.version()).startsWith("2.7");
  }

  /** A large product, whose summation order would betray more than one native thread. */
  @Test
  void anyThreadGivesTheSameBitsOnOneNativeThread() throws Exception {
    int n = 512;
    float[] values = new float[n * n];
    Random random = new Random(1);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    Path file =
        new Tensors().floats("m", List.of(n, n), values).write(directory.resolve("m.safetensors"));
    String text =
        "class Net(Module):\n"
            + "  def forward(self, x: Tensor) -> Tensor:\n"
            + "    y = torch.matmul(x, (self.w)[\"m\"])\n"
            + "    return torch.sum(torch.softmax(y, -1) * y, [1])\n";
    try (WeightSource source = WeightSource.open(file);
        TorchProgram program =
            builder(text).load(source, WeightSpec.builder().key("m", n, n).build());
        TorchTensor x = TorchTensor.of(Device.cpu(), values, n, n)) {
      float[] expected;
      try (TorchTensor y = program.call("forward", x)) {
        expected = y.toFloats();
      }
      ExecutorService pool = Executors.newFixedThreadPool(3);
      try {
        List<Callable<Boolean>> calls = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
          calls.add(
              () -> {
                try (TorchTensor y = program.call("forward", x)) {
                  assertThat(JniUtils.getNumThreads()).isEqualTo(1);
                  assertThat(y.toFloats()).isEqualTo(expected);
                }
                return true;
              });
        }
        for (Future<Boolean> done : pool.invokeAll(calls)) {
          assertThat(done.get()).isTrue();
        }
      } finally {
        pool.shutdown();
      }
    }
  }
}
