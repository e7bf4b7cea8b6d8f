package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.espalier.api.Capability;
import org.espalier.api.EspalierException;
import org.espalier.api.SearchStrategy;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.plugins.ConfigTree;
import org.espalier.plugins.PluginRegistry;
import org.espalier.plugins.PluginSpec;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.RgbImage;
import org.espalier.testkit.SearchRun;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.TableVerifier;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;

/** Every example of a strategy runs with each family, or is refused for a capability it lacks. */
@NullUnmarked
class StrategiesTest {
  private static final Path EXAMPLES = Path.of("..", "examples", "strategies");
  @TempDir Path directory;

  private GenerativeModel load(String family, String sampler) {
    return switch (family) {
      case "flux2" -> Flux2ContractTest.create(directory, sampler, true);
      case "z-image" -> ZImageContractTest.create(directory, sampler, false);
      case "sd3" -> Sd3ContractTest.create(directory, sampler, false);
      case "sana" -> SanaContractTest.create(directory, sampler, true);
      default -> throw new IllegalArgumentException(family);
    };
  }

  @ParameterizedTest
  @ValueSource(strings = {"flux2 ode", "flux2 sde", "z-image sde", "sd3 vp-sde", "sana dpm++"})
  void everyExampleRunsOrIsRefusedForACapability(String which) throws IOException {
    String[] parts = which.split(" ");
    PluginRegistry registry = PluginRegistry.discover(StrategiesTest.class.getClassLoader());
    List<Path> examples;
    try (Stream<Path> files = Files.list(EXAMPLES)) {
      examples = files.sorted().toList();
    }
    Set<String> ran = new TreeSet<>();
    List<String> refused = new ArrayList<>();
    try (GenerativeModel model = load(parts[0], parts[1])) {
      for (Path example : examples) {
        SearchStrategy strategy = strategy(registry, example);
        String id = strategy.card().id();
        SearchTestKit kit =
            SearchTestKit.strategy(strategy)
                .model(model)
                .verifier(VerifierRole.SEARCH, new TableVerifier(StrategiesTest::brightness))
                .samples(4);
        Set<Capability> lacking = new TreeSet<>(strategy.card().requires());
        lacking.removeAll(model.card().capabilities());
        if (lacking.isEmpty()) {
          SearchRun run = kit.run();
          run.balances().leavesNothing();
          ran.add(id);
        } else {
          assertThatThrownBy(kit::run)
              .as(id)
              .isInstanceOf(EspalierException.class)
              .hasMessageStartingWith("[CAPABILITY] ");
          refused.add(id);
        }
      }
    }
    assertThat(ran).contains("best-of-n", "paths", "zero-order");
    assertThat(ran.size() + refused.size()).isEqualTo(examples.size());
    assertThat(ran.contains("particles")).isEqualTo(parts[1].endsWith("sde"));
  }

  private static SearchStrategy strategy(PluginRegistry registry, Path example) {
    ConfigTree tree = ConfigTree.read(example);
    MappingNode node = (MappingNode) value(tree.root(), "strategy");
    ScalarNode id = (ScalarNode) value(node, "id");
    return registry.strategy(new PluginSpec(id.getValue(), tree, id, node, "strategy")).strategy();
  }

  private static Node value(Node mapping, String key) {
    for (NodeTuple tuple : ((MappingNode) mapping).getValue()) {
      if (((ScalarNode) tuple.getKeyNode()).getValue().equals(key)) {
        return tuple.getValueNode();
      }
    }
    throw new IllegalArgumentException(key);
  }

  /** Likes bright images. */
  private static Verdict brightness(RgbImage image) {
    double sum = 0;
    for (byte value : image.rgb()) {
      sum += value & 0xff;
    }
    return Verdict.scored(sum / image.rgb().length);
  }
}
