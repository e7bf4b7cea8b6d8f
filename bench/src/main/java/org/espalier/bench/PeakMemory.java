package org.espalier.bench;

import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;

/** Watches how much memory of a device is in use, a hundred times a second. */
public final class PeakMemory implements AutoCloseable {
  private final Device device;
  private final Thread watcher;
  private volatile long bytes;
  private volatile boolean done;

  /**
   * Starts to watch.
   *
   * @param device from {@link TorchEngine#device}
   */
  public PeakMemory(Device device) {
    this.device = device;
    watcher = new Thread(this::watch, "espalier-peak-memory");
    watcher.setDaemon(true);
    watcher.start();
  }

  private void watch() {
    while (!done) {
      bytes = Math.max(bytes, TorchEngine.usedBytes(device));
      try {
        Thread.sleep(10);
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  /** The most that was seen so far, the reserve of libtorch's allocator included. */
  public double gib() {
    return Math.max(bytes, TorchEngine.usedBytes(device)) * 0x1p-30;
  }

  @Override
  public void close() {
    done = true;
  }
}
