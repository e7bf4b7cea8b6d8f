package org.espalier.torch;

import org.espalier.weights.CacheDirectory;

/**
 * Where DJL unpacks native libraries: in Espalier's own cache, whose owner and mode are checked,
 * unless its variable names another directory. By itself it would take {@code .djl.ai} in the home
 * directory, and without one in the current directory, which is anybody's.
 */
final class NativeLibraries {
  private static final String VARIABLE = "DJL_CACHE_DIR";

  private NativeLibraries() {}

  /** Tells DJL; called before any class of it loads a library. */
  static synchronized void place() {
    if (System.getenv(VARIABLE) == null && System.getProperty(VARIABLE) == null) {
      System.setProperty(VARIABLE, CacheDirectory.get().resolve("djl").toString());
    }
  }
}
