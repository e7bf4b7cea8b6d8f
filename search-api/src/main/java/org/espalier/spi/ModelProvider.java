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
   * Loads a model. Checks all that can be checked (files, keys, shapes) before allocating.
   *
   * @param config validated configuration
   * @param context device and base directory
   */
  GenerativeModel load(C config, LoadContext context);
}
