package org.espalier.spi;

import java.nio.file.Path;
import java.util.Set;

/**
 * Named weights that travel on the class path, for example the trained nano models; found by {@link
 * java.util.ServiceLoader}. A study names them by {@code weights: nano} instead of a directory.
 */
public interface WeightsBundle {
  /** The names offered, each {@code <provider id>/<name>}, for example {@code infinity/nano}. */
  Set<String> names();

  /**
   * A directory in which the weights lie as files, unpacked on first use.
   *
   * @param name one of {@link #names}
   */
  Path directory(String name);
}
