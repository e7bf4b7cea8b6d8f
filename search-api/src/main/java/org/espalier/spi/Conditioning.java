package org.espalier.spi;

/**
 * An encoded prompt: opaque to the engine, owned by it. Made once a search, shared by all of its
 * states.
 */
public interface Conditioning extends AutoCloseable {
  @Override
  void close();
}
