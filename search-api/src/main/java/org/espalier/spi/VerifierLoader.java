package org.espalier.spi;

import java.util.Map;

/** Loads a verifier by its id: how a composed verifier gets its members. */
@FunctionalInterface
public interface VerifierLoader {
  /**
   * Loads a verifier.
   *
   * @param spec {@code id} and the provider's configuration, as in YAML
   */
  Verifier load(Map<String, Object> spec);

  /**
   * Checks a verifier as {@link VerifierProvider#check} does. By default nothing.
   *
   * @param spec as for {@link #load}
   */
  default void check(Map<String, Object> spec) {}
}
