package org.espalier.cli;

import com.google.inject.Inject;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.espalier.plugins.PluginRegistry;
import org.espalier.spi.ModelProvider;
import org.espalier.spi.StrategyProvider;
import org.espalier.spi.VerifierProvider;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code espalier plugins}. */
@Command(
    name = "plugins",
    description = "Lists the strategies, models and verifiers on the class path and their keys.",
    mixinStandardHelpOptions = true)
final class PluginsCommand implements Callable<Integer> {
  private final PluginRegistry registry;
  private final Terminal terminal;

  @Option(names = "--json", description = "The list as JSON on the standard output.")
  boolean json;

  @Inject
  PluginsCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("strategies", list(registry.strategies(), StrategyProvider::configType));
    all.put("models", list(registry.models(), ModelProvider::configType));
    all.put("verifiers", list(registry.verifiers(), VerifierProvider::configType));
    if (json) {
      terminal.out().println(Results.json(all));
    } else {
      all.forEach((kind, list) -> print(kind, (List<?>) list));
    }
    return ExitCode.DONE.code();
  }

  private void print(String kind, List<?> list) {
    terminal.out().println(kind + ":");
    for (Object entry : list) {
      Map<?, ?> map = (Map<?, ?>) entry;
      terminal.out().println("  %-24s %s".formatted(map.get("id"), map.get("keys")));
    }
  }

  static <P> List<Object> list(Map<String, P> providers, Function<P, Class<?>> config) {
    List<Object> result = new ArrayList<>();
    providers.forEach(
        (id, provider) -> {
          List<String> keys = new ArrayList<>();
          for (RecordComponent component : config.apply(provider).getRecordComponents()) {
            keys.add(component.getName());
          }
          Map<String, Object> map = new LinkedHashMap<>();
          map.put("id", id);
          map.put("keys", keys);
          map.put("from", PluginRegistry.jar(provider));
          result.add(map);
        });
    return result;
  }
}
