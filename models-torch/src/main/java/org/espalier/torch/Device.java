package org.espalier.torch;

import java.nio.file.Path;
import java.util.Optional;
import org.espalier.spi.LoadContext;
import org.espalier.spi.NativeMemory;

/**
 * Where networks run and what they may take there: the part of a {@link LoadContext} that a program
 * needs. Tensors made on it are counted in its account.
 */
public final class Device {
  private final ai.djl.Device djl;
  private final NativeMemory memory;
  private final int threads;
  private final Optional<Path> kernels;

  private Device(ai.djl.Device djl, NativeMemory memory, int threads, Optional<Path> kernels) {
    this.djl = djl;
    this.memory = memory;
    this.threads = threads;
    this.kernels = kernels;
  }

  static Device of(ai.djl.Device djl, LoadContext context) {
    return new Device(djl, context.memory(), context.threads(), context.kernels());
  }

  /** The CPU, all of its cores and memory, with an account of its own. */
  public static Device cpu() {
    return of(ai.djl.Device.cpu(), LoadContext.cpu());
  }

  /** The first GPU, which need not be there, and all of its memory. */
  public static Device gpu() {
    return of(ai.djl.Device.gpu(), LoadContext.cpu());
  }

  /**
   * The same device with another account.
   *
   * @param account of the memory that may be taken
   */
  public Device with(NativeMemory account) {
    return new Device(djl, account, threads, kernels);
  }

  /**
   * The same device with so many rows at once.
   *
   * @param rows on the CPU, positive
   */
  public Device withThreads(int rows) {
    return new Device(djl, memory, rows, kernels);
  }

  /**
   * The same device with a library of kernels.
   *
   * @param library of optional operators
   */
  public Device withKernels(Path library) {
    return new Device(djl, memory, threads, Optional.of(library));
  }

  /** Whether it is a GPU. */
  public boolean isGpu() {
    return djl.isGpu();
  }

  /** Which GPU, from 0. */
  public int index() {
    return djl.getDeviceId();
  }

  /** What may be taken and is taken of its memory. */
  public NativeMemory memory() {
    return memory;
  }

  /** Rows that may run at once on the CPU. */
  public int threads() {
    return threads;
  }

  /** A library of optional operators for a GPU. */
  public Optional<Path> kernels() {
    return kernels;
  }

  ai.djl.Device djl() {
    return djl;
  }

  @Override
  public String toString() {
    return djl.toString();
  }
}
