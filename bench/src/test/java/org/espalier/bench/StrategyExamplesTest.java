package org.espalier.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.ServiceLoader;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.spi.StrategyProvider;
import org.junit.jupiter.api.Test;

/** Every strategy has an example in YAML that names it and only parameters that it has. */
class StrategyExamplesTest {
  private static final Path EXAMPLES = Path.of("..", "examples", "strategies");
  private static final Pattern MAPPING = Pattern.compile("strategy: \\{id: ([a-z-]+)(.*)}");
  private static final Pattern KEY = Pattern.compile("[,{] *([A-Za-z]+):");

  @Test
  void namesParametersThatThereAre() throws IOException {
    int examples = 0;
    for (StrategyProvider<?> provider : ServiceLoader.load(StrategyProvider.class)) {
      String text = Files.readString(EXAMPLES.resolve(provider.id() + ".yaml"));
      Matcher mapping = MAPPING.matcher(text);
      assertThat(mapping.find()).as(provider.id()).isTrue();
      assertThat(mapping.group(1)).isEqualTo(provider.id());
      List<String> parameters =
          Arrays.stream(provider.configType().getRecordComponents())
              .map(RecordComponent::getName)
              .toList();
      List<String> named = new ArrayList<>();
      Matcher key = KEY.matcher(mapping.group(2));
      while (key.find()) {
        named.add(key.group(1));
      }
      assertThat(parameters).as(provider.id()).containsAll(named);
      examples++;
    }
    assertThat(examples).isEqualTo(15);
  }
}
