package org.espalier.spi;

/**
 * Loads verifiers of one kind; found by {@link java.util.ServiceLoader}.
 *
 * @param <C> its configuration, as for {@link StrategyProvider}
 */
public interface VerifierProvider<C extends Record> {
  /** The id under which studies name it; kebab-case and unique on the class path. */
  String id();

  /** The record to which its YAML is bound. */
  Class<C> configType();

  /**
   * Checks what can be known without reading a tensor, as {@link ModelProvider#check} does for
   * models: before anything of the study is loaded. By default nothing; {@link #load} checks again.
   *
   * @param config validated configuration
   * @param context as for {@link #load}
   * @throws org.espalier.api.EspalierException CONFIG or RESOURCE that names what is at fault
   */
  default void check(C config, LoadContext context) {}

  /**
   * Loads a verifier. Checks all that can be checked (files, keys, shapes) before allocating.
   *
   * @param config validated configuration
   * @param context device, base directory and, for composed verifiers, a way to load others
   */
  Verifier load(C config, LoadContext context);
}
