package org.espalier.engine;

import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;

/**
 * How many threads may call a plugin at once, whoever calls: searches of one process share their
 * plugins. Keyed by the plugin itself, not by what it calls equal, and forgotten with it.
 */
final class PluginLocks {
  private static final Map<Key, Semaphore> LOCKS = new ConcurrentHashMap<>();
  private static final ReferenceQueue<Object> GONE = new ReferenceQueue<>();

  private PluginLocks() {}

  /** An identity that does not keep its plugin. */
  private static final class Key extends WeakReference<Object> {
    private final int hash;

    Key(Object plugin) {
      super(plugin, GONE);
      hash = System.identityHashCode(plugin);
    }

    @Override
    public boolean equals(Object other) {
      return this == other || other instanceof Key key && get() != null && get() == key.get();
    }

    @Override
    public int hashCode() {
      return hash;
    }
  }

  /**
   * The permits of a plugin, handed out in the order in which they are asked for.
   *
   * @param plugin a model or verifier
   * @param atOnce calls that may run at once; the first to ask decides
   */
  static Semaphore of(Object plugin, int atOnce) {
    for (Object gone = GONE.poll(); gone != null; gone = GONE.poll()) {
      LOCKS.remove(gone);
    }
    return LOCKS.computeIfAbsent(new Key(plugin), key -> new Semaphore(atOnce, true));
  }
}
