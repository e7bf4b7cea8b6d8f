package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.espalier.spi.LoadContext;
import org.espalier.spi.WeightsBundle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WeightsLocationTest {
  @TempDir Path directory;

  /** Registered in META-INF/services of the tests. */
  public static final class Bundle implements WeightsBundle {
    @Override
    public Set<String> names() {
      return Set.of("toy/nano", "toy/large");
    }

    @Override
    public Path directory(String name) {
      return Path.of("unpacked", name);
    }
  }

  private Path resolve(String weights) {
    return WeightsLocation.resolve(
        "toy",
        weights,
        new LoadContext(
            "cpu",
            directory,
            spec -> {
              throw new AssertionError();
            }));
  }

  @Test
  void findsBundlesAndPaths() throws Exception {
    assertThat(resolve("nano")).isEqualTo(Path.of("unpacked", "toy/nano"));
    Path there = Files.createDirectory(directory.resolve("mine"));
    assertThat(resolve("mine")).isEqualTo(there);
    assertThat(resolve(there.toString())).isEqualTo(there);
  }

  @Test
  void refusesWhatIsNeither() {
    assertThatThrownBy(() -> resolve("nona"))
        .hasMessageContaining("[CONFIG]")
        .hasMessageContaining("nona")
        .hasMessageContaining("large or nano");
  }
}
