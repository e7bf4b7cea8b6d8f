package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.espalier.api.Capability;
import org.espalier.api.Prompt;
import org.espalier.api.SearchStrategy;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.plugins.ConfigTree;
import org.espalier.plugins.PluginRegistry;
import org.espalier.plugins.PluginSpec;
import org.espalier.plugins.RecordBinder;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.RgbImage;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.TableVerifier;
import org.espalier.torch.TorchTensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every strategy of examples/strategies searches every autoregressive model that it can. */
class ExampleStrategiesTest {
  private static final Path EXAMPLES = Path.of("..", "examples", "strategies");

  @TempDir Path directory;

  private record Example(PluginSpec strategy) {}

  private static List<SearchStrategy> examples() throws IOException {
    PluginRegistry registry = PluginRegistry.discover(ExampleStrategiesTest.class.getClassLoader());
    List<SearchStrategy> strategies = new ArrayList<>();
    try (Stream<Path> files = Files.list(EXAMPLES)) {
      for (Path file : files.sorted().toList()) {
        ConfigTree tree = ConfigTree.read(file);
        PluginSpec spec =
            RecordBinder.bind(tree, tree.root(), "", Example.class, Set.of()).strategy();
        strategies.add(registry.strategy(spec).strategy());
      }
    }
    return strategies;
  }

  private static Verdict brightness(RgbImage image) {
    double sum = 0;
    for (byte value : image.rgb()) {
      sum += value & 0xff;
    }
    return Verdict.scored(sum / image.rgb().length);
  }

  private static List<String> search(GenerativeModel model, String prompt) throws IOException {
    List<String> ran = new ArrayList<>();
    for (SearchStrategy strategy : examples()) {
      if (model.card().capabilities().containsAll(strategy.card().requires())) {
        SearchTestKit.strategy(strategy)
            .model(model)
            .prompt(Prompt.of("1", prompt))
            .verifier(VerifierRole.SEARCH, new TableVerifier(ExampleStrategiesTest::brightness))
            .samples(8)
            .run()
            .balances()
            .leavesNothing();
        ran.add(strategy.card().id());
      }
    }
    return ran;
  }

  @Test
  void allButThoseThatRewind() throws IOException {
    List<String> expected = new ArrayList<>();
    for (SearchStrategy strategy : examples()) {
      if (!strategy.card().requires().contains(Capability.REWIND)) {
        expected.add(strategy.card().id());
      }
    }
    assertThat(expected).hasSizeGreaterThan(10);
    long live = TorchTensor.liveBytes();
    try (GenerativeModel var =
        VarLoader.load(
            TinyVar.config(TinyVar.write(directory.resolve("var")), 1.5, 0, 0),
            TinyModel.context(directory))) {
      assertThat(search(var, "golden retriever")).isEqualTo(expected);
    }
    try (GenerativeModel janus =
        JanusLoader.load(
            TinyJanus.config(TinyJanus.write(directory.resolve("janus")), 3),
            TinyModel.context(directory))) {
      assertThat(search(janus, "a red star")).isEqualTo(expected);
    }
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }
}
