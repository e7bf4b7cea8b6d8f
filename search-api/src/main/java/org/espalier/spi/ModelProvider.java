package org.espalier.spi;

/**
 * Loads models of one kind; found by {@link java.util.ServiceLoader}.
 *
 * @param <C> its configuration, as for {@link StrategyProvider}
 */
public interface ModelProvider<C extends Record> {
  /** The id under which studies name it; kebab-case and unique on the class path. */
  String id();

  /** The record to which its YAML is bound. */
  Class<C> configType();

  /**
   * Checks what can be known without reading a tensor: files, headers, keys, shapes, settings. A
   * study calls it for everything it names before it loads anything, so that a mistake in the last
   * model does not wait for the first to load. By default nothing; {@link #load} checks again.
   *
   * @param config validated configuration
   * @param context as for {@link #load}
   * @throws org.espalier.api.EspalierException CONFIG or RESOURCE that names what is at fault
   */
  default void check(C config, LoadContext context) {}

  /**
   * Loads a model. Checks all that can be checked (files, keys, shapes) before allocating.
   *
   * @param config validated configuration
   * @param context device and base directory
   */
  GenerativeModel load(C config, LoadContext context);
}
