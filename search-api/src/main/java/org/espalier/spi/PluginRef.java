package org.espalier.spi;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apiguardian.api.API;
import org.espalier.api.EspalierException;

/**
 * Another plugin, named in a configuration record: how a composed verifier gets its members. As a
 * component of type {@code PluginRef<Verifier>} it is written as everywhere in a study, {@code {id:
 * clip, weights: nano}}, and bound and checked there, so that a mistake in a member has its place.
 *
 * <p>A record that has a {@code PluginRef} component named {@code plugin} and others beside it is
 * written as one mapping: the others take their keys, the rest is the plugin's. {@code record
 * Member(PluginRef<Verifier> plugin, String name, Double weight)} reads {@code {id: clip, weights:
 * nano, name: fast, weight: 2}}.
 *
 * @param <T> what it loads: {@link Verifier} or {@link GenerativeModel}
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.2")
public final class PluginRef<T> {
  private final String id;
  private final Map<String, Object> config;
  private final Consumer<LoadContext> check;
  private final Function<LoadContext, T> loader;

  private PluginRef(
      String id,
      Map<String, Object> config,
      Consumer<LoadContext> check,
      Function<LoadContext, T> loader) {
    this.id = id;
    this.config = Collections.unmodifiableMap(new LinkedHashMap<>(config));
    this.check = check;
    this.loader = loader;
  }

  /**
   * A reference whose configuration is bound.
   *
   * @param <T> what it loads
   * @param id of the provider
   * @param config canonical form of its configuration, with its id
   * @param check finds what is wrong without reading a tensor
   * @param loader loads it
   */
  public static <T> PluginRef<T> of(
      String id,
      Map<String, Object> config,
      Consumer<LoadContext> check,
      Function<LoadContext, T> loader) {
    return new PluginRef<>(id, config, check, loader);
  }

  /**
   * A verifier of a provider at hand, for code that needs no registry.
   *
   * @param <C> its configuration
   * @param provider of the verifier
   * @param config validated configuration
   */
  public static <C extends Record> PluginRef<Verifier> verifier(
      VerifierProvider<C> provider, C config) {
    return new PluginRef<>(
        provider.id(),
        Map.of("id", provider.id(), "config", config),
        context -> provider.check(config, context),
        context -> provider.load(config, context));
  }

  /**
   * A verifier that is loaded by its id, by {@link LoadContext#verifiers}.
   *
   * @param spec {@code id} and the provider's configuration, as in YAML
   * @throws EspalierException CONFIG if it has no id
   */
  public static PluginRef<Verifier> verifier(Map<String, Object> spec) {
    if (!(spec.get("id") instanceof String id)) {
      throw EspalierException.config(
          "A verifier (" + spec + ") has no id.", "Maybe write {id: clip, weights: nano}.");
    }
    Map<String, Object> copy = Collections.unmodifiableMap(new LinkedHashMap<>(spec));
    return new PluginRef<>(
        id,
        copy,
        context -> context.verifiers().check(copy),
        context -> context.verifiers().load(copy));
  }

  /** The id of its provider. */
  public String id() {
    return id;
  }

  /** Canonical form of its configuration, with its id; unmodifiable. */
  public Map<String, Object> config() {
    return config;
  }

  /**
   * Checks what can be known without reading a tensor.
   *
   * @param context as for {@link #load}
   * @throws EspalierException CONFIG or RESOURCE that names what is at fault
   */
  public void check(LoadContext context) {
    check.accept(context);
  }

  /**
   * Loads it; the caller closes it.
   *
   * @param context as was handed to the plugin that names it
   */
  public T load(LoadContext context) {
    return loader.apply(context);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PluginRef<?> ref && config.equals(ref.config);
  }

  @Override
  public int hashCode() {
    return config.hashCode();
  }

  @Override
  public String toString() {
    return config.toString();
  }
}
