package org.espalier.bench;

import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import org.espalier.api.SearchStrategy;
import org.espalier.spi.StrategyProvider;

/** Every strategy on the class path, with its default parameters. */
final class Strategies {
  private Strategies() {}

  static List<SearchStrategy> all() {
    List<SearchStrategy> strategies = new ArrayList<>();
    for (StrategyProvider<?> provider : ServiceLoader.load(StrategyProvider.class)) {
      strategies.add(byDefault(provider));
    }
    strategies.sort(Comparator.comparing(strategy -> strategy.card().id()));
    return strategies;
  }

  /** Every component left out, as in a YAML mapping with an id alone. */
  private static <C extends Record> SearchStrategy byDefault(StrategyProvider<C> provider) {
    Class<C> type = provider.configType();
    RecordComponent[] components = type.getRecordComponents();
    Class<?>[] types = new Class<?>[components.length];
    for (int i = 0; i < types.length; i++) {
      types[i] = components[i].getType();
    }
    try {
      var constructor = type.getDeclaredConstructor(types);
      return provider.create(constructor.newInstance(new Object[components.length]));
    } catch (ReflectiveOperationException e) {
      throw new AssertionError("the strategy " + provider.id() + " has no default", e);
    }
  }
}
