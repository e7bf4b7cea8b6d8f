package org.espalier.plugins;

import java.net.URL;
import java.nio.file.InvalidPathException;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.espalier.api.EspalierException;
import org.espalier.api.NearestNames;
import org.espalier.api.SearchStrategy;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;
import org.espalier.spi.PluginRef;
import org.espalier.spi.StrategyProvider;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.jspecify.annotations.Nullable;

/** The plugins that are there, by id. */
public final class PluginRegistry {
  private final Map<String, StrategyProvider<?>> strategies;
  private final Map<String, ModelProvider<?>> models;
  private final Map<String, VerifierProvider<?>> verifiers;
  private final ClassLoader loader;

  private PluginRegistry(
      ClassLoader loader,
      Map<String, StrategyProvider<?>> strategies,
      Map<String, ModelProvider<?>> models,
      Map<String, VerifierProvider<?>> verifiers) {
    this.strategies = strategies;
    this.models = models;
    this.verifiers = verifiers;
    this.loader = loader;
  }

  /**
   * Finds all plugins of the class path.
   *
   * @param loader where to look
   * @throws EspalierException PLUGIN_CONTRACT if two plugins of a kind share an id, or one cannot
   *     be loaded
   */
  public static PluginRegistry discover(ClassLoader loader) {
    return discover(loader, List.of());
  }

  /**
   * Finds all plugins.
   *
   * @param loader the class path
   * @param plugins what lies outside it
   * @throws EspalierException PLUGIN_CONTRACT if two plugins of a kind share an id or a class, or
   *     one cannot be loaded
   */
  public static PluginRegistry discover(ClassLoader loader, List<PluginLoader> plugins) {
    return new PluginRegistry(
        PluginLoader.union(loader, plugins),
        index("strategy", StrategyProvider.class, loader, plugins, StrategyProvider::id),
        index("model", ModelProvider.class, loader, plugins, ModelProvider::id),
        index("verifier", VerifierProvider.class, loader, plugins, VerifierProvider::id));
  }

  @SuppressWarnings("unchecked")
  private static <R, P extends R> Map<String, P> index(
      String kind,
      Class<R> service,
      ClassLoader loader,
      List<PluginLoader> plugins,
      Function<R, @Nullable String> id) {
    Map<String, P> result = new TreeMap<>();
    Map<String, R> classes = new HashMap<>();
    try {
      List<R> providers = new ArrayList<>();
      ServiceLoader.load(service, loader).forEach(providers::add);
      for (PluginLoader plugin : plugins) {
        providers.addAll(own(service, plugin));
      }
      for (R provider : providers) {
        R sameClass = classes.put(provider.getClass().getName(), provider);
        if (sameClass != null) {
          throw twice(provider.getClass().getName(), jar(sameClass), jar(provider));
        }
        String name = id.apply(provider);
        if (name == null || name.isBlank()) {
          throw new EspalierException(
              EspalierException.Code.PLUGIN_CONTRACT,
              "A %s plugin (%s in %s) has no id."
                  .formatted(kind, provider.getClass().getName(), jar(provider)),
              "Maybe return its id from id().");
        }
        R other = result.put(name, (P) provider);
        if (other != null) {
          throw new EspalierException(
              EspalierException.Code.PLUGIN_CONTRACT,
              "The %s id (%s) is taken twice: by %s in %s and by %s in %s."
                  .formatted(
                      kind,
                      name,
                      other.getClass().getName(),
                      jar(other),
                      provider.getClass().getName(),
                      jar(provider)),
              "Maybe remove one of the two from the class path.");
        }
      }
    } catch (EspalierException e) {
      throw e;
    } catch (ServiceConfigurationError | LinkageError | RuntimeException e) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "A " + kind + " plugin cannot be loaded: " + reason(e) + ".",
          "Maybe check its META-INF/services file and the version it was built for.",
          e);
    }
    return Collections.unmodifiableMap(result);
  }

  private static String reason(Throwable e) {
    Throwable cause = e.getCause();
    return (e instanceof ServiceConfigurationError ? e.getMessage() : e.toString())
        + (cause == null ? "" : " (" + cause + ")");
  }

  /** What a plugin offers itself; what its parent offers is found there. */
  private static <R> List<R> own(Class<R> service, PluginLoader plugin) {
    List<R> providers = new ArrayList<>();
    Set<String> offered = plugin.offered(service);
    for (ServiceLoader.Provider<R> provider :
        (Iterable<ServiceLoader.Provider<R>>)
            ServiceLoader.load(service, plugin).stream()::iterator) {
      Class<? extends R> type = provider.type();
      if (type.getClassLoader() == plugin) {
        providers.add(provider.get());
      } else if (offered.contains(type.getName())) {
        throw twice(type.getName(), jar(type), plugin.files().get(0).toString());
      }
    }
    return providers;
  }

  private static EspalierException twice(String name, String first, String second) {
    return new EspalierException(
        EspalierException.Code.PLUGIN_CONTRACT,
        "The plugin class (%s) is there twice: in %s and in %s.".formatted(name, first, second),
        "Maybe remove the older of the two.");
  }

  /**
   * Where a plugin comes from.
   *
   * @param provider a provider
   */
  public static String jar(Object provider) {
    return jar(provider.getClass());
  }

  private static String jar(Class<?> type) {
    CodeSource source = type.getProtectionDomain().getCodeSource();
    URL location = source == null ? null : source.getLocation();
    return location == null ? "the class path" : location.getPath();
  }

  /** Where resources of all plugins are found, such as prompt sets and bundles of weights. */
  public ClassLoader loader() {
    return loader;
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
   * @param key the same without what cannot change a result
   * @param code fingerprint of the jar or directory it was loaded from
   */
  public record BoundStrategy(
      SearchStrategy strategy, Map<String, Object> config, Map<String, Object> key, String code) {}

  /**
   * A model or verifier whose configuration is bound and validated, not yet loaded.
   *
   * @param <T> what it loads
   * @param id of its provider
   * @param config canonical form of its configuration, with its id
   * @param key the same without what cannot change a result
   * @param code fingerprint of the jar or directory it was loaded from
   * @param members fingerprints of the plugins that its configuration names, sorted
   * @param check finds what is wrong without reading a tensor
   * @param loader loads it
   */
  public record Bound<T>(
      String id,
      Map<String, Object> config,
      Map<String, Object> key,
      String code,
      SortedSet<String> members,
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

  private <C extends Record> BoundStrategy strategy(StrategyProvider<C> provider, PluginSpec spec) {
    C config = bind(spec, provider.configType(), new TreeSet<>());
    return new BoundStrategy(
        located(spec, () -> provider.create(config)),
        resolved(spec.id(), Canonical.plain(config)),
        resolved(spec.id(), Canonical.key(config)),
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

  private <C extends Record> Bound<GenerativeModel> model(
      ModelProvider<C> provider, PluginSpec spec) {
    SortedSet<String> members = new TreeSet<>();
    return bound(
        provider.getClass(),
        spec,
        bind(spec, provider.configType(), members),
        members,
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

  private <C extends Record> Bound<Verifier> verifier(
      VerifierProvider<C> provider, PluginSpec spec) {
    SortedSet<String> members = new TreeSet<>();
    return bound(
        provider.getClass(),
        spec,
        bind(spec, provider.configType(), members),
        members,
        provider::check,
        provider::load);
  }

  /** Binds the keys besides {@code id} to a plugin's configuration. */
  private <C> C bind(PluginSpec spec, Class<C> type, SortedSet<String> members) {
    return RecordBinder.bind(
        spec.tree(),
        spec.node(),
        spec.path(),
        type,
        spec.apart(),
        (of, member) -> ref(of, member, members));
  }

  /** A plugin that another's configuration names. */
  private PluginRef<?> ref(Class<?> type, PluginSpec spec, SortedSet<String> members) {
    Bound<?> bound;
    if (type == Verifier.class) {
      bound = verifier(spec);
    } else if (type == GenerativeModel.class) {
      bound = model(spec);
    } else {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "A configuration names a plugin of the type (" + type.getName() + ").",
          "Maybe use PluginRef<Verifier> or PluginRef<GenerativeModel>.");
    }
    members.add(bound.code());
    members.addAll(bound.members());
    return ref(bound);
  }

  private static <T> PluginRef<T> ref(Bound<T> bound) {
    return PluginRef.of(bound.id(), bound.key(), bound.check(), bound.loader());
  }

  private static <C extends Record, T> Bound<T> bound(
      Class<?> provider,
      PluginSpec spec,
      C config,
      SortedSet<String> members,
      BiConsumer<C, LoadContext> check,
      BiFunction<C, LoadContext, T> load) {
    return new Bound<>(
        spec.id(),
        resolved(spec.id(), Canonical.plain(config)),
        resolved(spec.id(), Canonical.key(config)),
        PluginCode.fingerprint(provider),
        Collections.unmodifiableSortedSet(members),
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
      throw e.at(spec.tree().at(spec.node()));
    } catch (InvalidPathException e) {
      throw new EspalierException(
              EspalierException.Code.CONFIG,
              "This is not a valid path: %s."
                  .formatted(String.valueOf(e.getMessage()).replaceAll("\\p{Cntrl}", "\uFFFD")),
              "Maybe check the paths of " + spec.id() + ".",
              e)
          .at(spec.tree().at(spec.node()));
    } catch (LinkageError e) {
      throw new EspalierException(
              EspalierException.Code.PLUGIN_CONTRACT,
              "A class that the plugin (%s) needs cannot be loaded: %s."
                  .formatted(spec.id(), e.getMessage()),
              "Maybe put the library that holds it on the class path, beside the plugin.",
              e)
          .at(spec.tree().at(spec.node()));
    }
  }

  private static Map<String, Object> resolved(String id, @Nullable Object config) {
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("id", id);
    if (config instanceof Map<?, ?> map) {
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
