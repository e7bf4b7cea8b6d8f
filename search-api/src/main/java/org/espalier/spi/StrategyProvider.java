package org.espalier.spi;

import org.espalier.api.SearchStrategy;

/**
 * Makes strategies of one kind; found by {@link java.util.ServiceLoader}.
 *
 * @param <C> its configuration: a record whose compact constructor validates ranges; a component
 *     that may be left out in YAML has a type that can be null, and the constructor fills in its
 *     default
 */
public interface StrategyProvider<C extends Record> {
  /** The id under which studies name it; kebab-case and unique on the class path. */
  String id();

  /** The record to which its YAML is bound. */
  Class<C> configType();

  /**
   * Makes a strategy.
   *
   * @param config validated configuration
   */
  SearchStrategy create(C config);
}
