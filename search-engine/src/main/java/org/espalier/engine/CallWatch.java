package org.espalier.engine;

import org.apiguardian.api.API;

/**
 * Sees calls of plugins begin and end, in the thread that makes them: by it a host finds a call
 * that hangs, which the engine itself, waiting for it, cannot.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.2")
public interface CallWatch {
  /** Watches nothing. */
  CallWatch NONE =
      new CallWatch() {
        @Override
        public void started(String plugin, String call) {}

        @Override
        public void ended() {}
      };

  /**
   * This thread is about to call a plugin.
   *
   * @param plugin its id
   * @param call which call, for example {@code expand}
   */
  void started(String plugin, String call);

  /** The call that this thread made last has returned or thrown. */
  void ended();
}
