package org.espalier.torch;

import ai.djl.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.espalier.api.EspalierException;

/**
 * Runs independent rows. The one place where it is decided how a batch meets the machine: on the
 * CPU each row is a native call of its own on one thread, so that its result can depend neither on
 * its batch mates nor on the number of threads, and rows run in parallel; on a GPU rows run one
 * after the other on the caller's thread, and models batch inside their calls.
 */
public final class RowExecutor {
  /** System property for the number of rows that run at once on the CPU; default all cores. */
  public static final String THREADS_PROPERTY = "espalier.threads";

  private RowExecutor() {}

  private static final class Pool {
    static final int THREADS =
        Math.max(
            1, Integer.getInteger(THREADS_PROPERTY, Runtime.getRuntime().availableProcessors()));

    static final ExecutorService EXECUTOR =
        Executors.newFixedThreadPool(
            THREADS,
            task -> {
              Thread thread = new Thread(task, "espalier-row");
              thread.setDaemon(true);
              return thread;
            });
  }

  /**
   * Applies a function to each row, keeping the order. When one fails the others are finished,
   * their results closed where they can be, and the first failure is thrown.
   *
   * @param device where the function computes
   * @param rows independent rows
   * @param function one row's work; must not call this method itself
   */
  public static <T, R> List<R> map(
      Device device, List<? extends T> rows, Function<? super T, ? extends R> function) {
    List<R> results = new ArrayList<>(rows.size());
    if (device.isGpu() || rows.size() < 2 || Pool.THREADS == 1) {
      try {
        for (T row : rows) {
          results.add(function.apply(row));
        }
      } catch (RuntimeException | Error e) {
        close(results, e);
        throw e;
      }
      return results;
    }
    List<Future<R>> futures = new ArrayList<>(rows.size());
    for (T row : rows) {
      futures.add(Pool.EXECUTOR.submit(() -> function.apply(row)));
    }
    Throwable failure = null;
    for (Future<R> future : futures) {
      try {
        results.add(get(future));
      } catch (ExecutionException e) {
        Throwable cause = e.getCause() == null ? e : e.getCause();
        if (failure == null) {
          failure = cause;
        } else {
          failure.addSuppressed(cause);
        }
      }
    }
    if (failure == null) {
      return results;
    }
    close(results, failure);
    if (failure instanceof RuntimeException e) {
      throw e;
    }
    if (failure instanceof Error e) {
      throw e;
    }
    throw new EspalierException(
        EspalierException.Code.NATIVE,
        "A row failed: " + failure.getMessage() + ".",
        null,
        failure);
  }

  /**
   * Hands rows to as few calls as memory allows, in order: by {@link TorchEngine#memoryBudget} and
   * the bytes of a row, and where the device refuses nevertheless, by halves down to single rows.
   *
   * @param device where the calls compute
   * @param rows independent rows
   * @param rowBytes native memory that each row takes during a call, positive
   * @param call from rows to as many results, which need no closing
   * @throws EspalierException RESOURCE where one row does not fit into the device
   */
  public static <T, R> List<R> together(
      Device device,
      List<? extends T> rows,
      long rowBytes,
      Function<List<? extends T>, List<R>> call) {
    List<R> results = new ArrayList<>(rows.size());
    int most = rows.size();
    while (results.size() < rows.size()) {
      List<? extends T> rest = rows.subList(results.size(), rows.size());
      TorchEngine.keepWithinBudget(device);
      long budget = TorchEngine.memoryBudget();
      int fitting = fitting(rest.size(), rowBytes, budget, TorchTensor.liveBytes());
      int count = Math.min(most, fitting);
      try {
        results.addAll(call.apply(rest.subList(0, count)));
      } catch (EspalierException e) {
        if (e.code() != EspalierException.Code.RESOURCE || count == 1) {
          throw e;
        }
        // What is in the way may also be the allocator's own leftovers of other shapes.
        TorchEngine.releaseUnused();
        most = (count + 1) / 2;
      }
    }
    return results;
  }

  /**
   * How many of some rows a call gets: as many as fit beside all open tensors, at least one.
   *
   * @param rows how many there are, positive
   * @param rowBytes that each takes, positive
   * @param budget that all tensors may take, or 0 for no limit
   * @param live that open tensors take
   */
  static int fitting(int rows, long rowBytes, long budget, long live) {
    return budget == 0 ? rows : (int) Math.max(1, Math.min(rows, (budget - live) / rowBytes));
  }

  /** Waits through interrupts: native work cannot be stopped and its results must be closed. */
  private static <R> R get(Future<R> future) throws ExecutionException {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return future.get();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static void close(List<?> results, Throwable failure) {
    for (Object result : results) {
      if (result instanceof AutoCloseable closeable) {
        try {
          closeable.close();
        } catch (Exception e) {
          failure.addSuppressed(e);
        }
      }
    }
  }
}
