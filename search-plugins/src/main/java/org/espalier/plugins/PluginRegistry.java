package org.espalier.plugins;

import java.net.URL;
import java.security.CodeSource;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.espalier.api.EspalierException;
import org.espalier.api.SearchStrategy;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;
import org.espalier.spi.StrategyProvider;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.jspecify.annotations.Nullable;

/** The plugins on the class path, by id. */
public final class PluginRegistry {
  private final Map<String, StrategyProvider<?>> strategies;
  private final Map<String, ModelProvider<?>> models;
  private final Map<String, VerifierProvider<?>> verifiers;

  private PluginRegistry(
      Map<String, StrategyProvider<?>> strategies,
      Map<String, ModelProvider<?>> models,
      Map<String, VerifierProvider<?>> verifiers) {
    this.strategies = strategies;
    this.models = models;
    this.verifiers = verifiers;
  }

  /**
   * Finds all plugins.
   *
   * @param loader where to look
   * @throws EspalierException PLUGIN_CONTRACT if two plugins of a kind share an id, or one cannot
   *     be loaded
   */
  public static PluginRegistry discover(ClassLoader loader) {
    return new PluginRegistry(
        index("strategy", ServiceLoader.load(StrategyProvider.class, loader), StrategyProvider::id),
        index("model", ServiceLoader.load(ModelProvider.class, loader), ModelProvider::id),
        index(
            "verifier", ServiceLoader.load(VerifierProvider.class, loader), VerifierProvider::id));
  }

  @SuppressWarnings("unchecked")
  private static <R, P extends R> Map<String, P> index(
      String kind, ServiceLoader<R> loader, Function<R, String> id) {
    Map<String, P> result = new TreeMap<>();
    try {
      for (R provider : loader) {
        R other = result.put(id.apply(provider), (P) provider);
        if (other != null) {
          throw new EspalierException(
              EspalierException.Code.PLUGIN_CONTRACT,
              "The %s id (%s) is taken twice: by %s in %s and by %s in %s."
                  .formatted(
                      kind,
                      id.apply(provider),
                      other.getClass().getName(),
                      jar(other),
                      provider.getClass().getName(),
                      jar(provider)),
              "Maybe remove one of the two from the class path.");
        }
      }
    } catch (ServiceConfigurationError e) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "A " + kind + " plugin cannot be loaded: " + e.getMessage() + ".",
          "Maybe check its META-INF/services file and the version it was built for.",
          e);
    }
    return Collections.unmodifiableMap(result);
  }

  /**
   * Where a plugin comes from.
   *
   * @param provider a provider
   */
  public static String jar(Object provider) {
    CodeSource source = provider.getClass().getProtectionDomain().getCodeSource();
    URL location = source == null ? null : source.getLocation();
    return location == null ? "the class path" : location.getPath();
  }

  /** The strategies' providers by id, sorted. */
  public Map<String, StrategyProvider<?>> strategies() {
    return strategies;
  }

  /** The models' providers by id, sorted. */
  public Map<String, ModelProvider<?>> models() {
    return models;
  }

  /** The verifiers' providers by id, sorted. */
  public Map<String, VerifierProvider<?>> verifiers() {
    return verifiers;
  }

  /**
   * A strategy and its bound configuration.
   *
   * @param strategy ready to search
   * @param config canonical form of its configuration, with its id
   * @param code fingerprint of the jar or directory it was loaded from
   */
  public record BoundStrategy(SearchStrategy strategy, Map<String, Object> config, String code) {}

  /**
   * A model or verifier whose configuration is bound and validated, not yet loaded.
   *
   * @param <T> what it loads
   * @param id of its provider
   * @param config canonical form of its configuration, with its id
   * @param code fingerprint of the jar or directory it was loaded from
   * @param check finds what is wrong without reading a tensor
   * @param loader loads it
   */
  public record Bound<T>(
      String id,
      Map<String, Object> config,
      String code,
      Consumer<LoadContext> check,
      Function<LoadContext, T> loader) {}

  /**
   * Makes a strategy.
   *
   * @param spec its id and configuration
   */
  public BoundStrategy strategy(PluginSpec spec) {
    return strategy(require("strategy", strategies, spec), spec);
  }

  private static <C extends Record> BoundStrategy strategy(
      StrategyProvider<C> provider, PluginSpec spec) {
    C config = spec.bind(provider.configType());
    return new BoundStrategy(
        located(spec, () -> provider.create(config)),
        resolved(spec.id(), config),
        PluginCode.fingerprint(provider.getClass()));
  }

  /**
   * Binds a model's configuration.
   *
   * @param spec its id and configuration
   */
  public Bound<GenerativeModel> model(PluginSpec spec) {
    return model(require("model", models, spec), spec);
  }

  private static <C extends Record> Bound<GenerativeModel> model(
      ModelProvider<C> provider, PluginSpec spec) {
    return bound(
        provider.getClass(),
        spec,
        spec.bind(provider.configType()),
        provider::check,
        provider::load);
  }

  /**
   * Binds a verifier's configuration.
   *
   * @param spec its id and configuration
   */
  public Bound<Verifier> verifier(PluginSpec spec) {
    return verifier(require("verifier", verifiers, spec), spec);
  }

  private static <C extends Record> Bound<Verifier> verifier(
      VerifierProvider<C> provider, PluginSpec spec) {
    return bound(
        provider.getClass(),
        spec,
        spec.bind(provider.configType()),
        provider::check,
        provider::load);
  }

  private static <C extends Record, T> Bound<T> bound(
      Class<?> provider,
      PluginSpec spec,
      C config,
      BiConsumer<C, LoadContext> check,
      BiFunction<C, LoadContext, T> load) {
    return new Bound<>(
        spec.id(),
        resolved(spec.id(), config),
        PluginCode.fingerprint(provider),
        context ->
            located(
                spec,
                () -> {
                  check.accept(config, context);
                  return null;
                }),
        context -> located(spec, () -> load.apply(config, context)));
  }

  private static <T extends @Nullable Object> T located(PluginSpec spec, Supplier<T> body) {
    try {
      return body.get();
    } catch (EspalierException e) {
      throw at(spec, e);
    } catch (LinkageError e) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "%s: A class that the plugin (%s) needs cannot be loaded: %s."
              .formatted(spec.tree().at(spec.node()), spec.id(), e.getMessage()),
          "Maybe put the library that holds it on the class path, beside the plugin.",
          e);
    }
  }

  /** The same complaint with the place of the plugin that made it. */
  private static EspalierException at(PluginSpec spec, EspalierException e) {
    String message = String.valueOf(e.getMessage());
    int close = message.indexOf("] ");
    int newline = message.indexOf('\n');
    String place = spec.tree().at(spec.node()) + ": ";
    return new EspalierException(
        e.code(),
        place
            + message.substring(
                close < 0 ? 0 : close + 2, newline < 0 ? message.length() : newline),
        newline < 0 ? null : message.substring(newline + 1),
        e);
  }

  private static Map<String, Object> resolved(String id, Record config) {
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("id", id);
    if (Canonical.plain(config) instanceof Map<?, ?> map) {
      map.forEach(
          (key, value) -> {
            if (value != null) {
              result.put(String.valueOf(key), value);
            }
          });
    }
    return Collections.unmodifiableMap(result);
  }

  private static <P> P require(String kind, Map<String, P> known, PluginSpec spec) {
    @Nullable P provider = known.get(spec.id());
    if (provider == null) {
      Collection<String> ids = known.keySet();
      throw spec.tree()
          .error(
              spec.idNode(),
              "The %s (%s) of %s is unknown.".formatted(kind, spec.id(), spec.path()),
              ids.isEmpty()
                  ? "Maybe put its jar on the class path: no " + kind + " was found."
                  : NearestNames.advice(spec.id(), ids));
    }
    return provider;
  }
}
