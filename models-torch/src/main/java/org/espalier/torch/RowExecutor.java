package org.espalier.torch;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.espalier.api.EspalierException;
import org.espalier.spi.Closing;

/**
 * Runs independent rows. The one place where it is decided how a batch meets the machine: on the
 * CPU each row is a native call of its own on one thread, so that its result can depend neither on
 * its batch mates nor on the number of threads, and rows run in parallel; on a GPU rows run one
 * after the other on the caller's thread, and models batch inside their calls.
 */
public final class RowExecutor {
  private RowExecutor() {}

  private static final class Pool {
    static final ExecutorService EXECUTOR =
        Executors.newFixedThreadPool(
            Runtime.getRuntime().availableProcessors(),
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
    int workers = Math.min(device.threads(), rows.size());
    if (device.isGpu() || workers < 2) {
      List<R> results = new ArrayList<>(rows.size());
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
    List<FutureTask<R>> tasks = new ArrayList<>(rows.size());
    for (T row : rows) {
      tasks.add(new FutureTask<>(() -> function.apply(row)));
    }
    AtomicInteger next = new AtomicInteger();
    for (int worker = 0; worker < workers; worker++) {
      Pool.EXECUTOR.execute(
          () -> {
            for (int at = next.getAndIncrement(); at < tasks.size(); at = next.getAndIncrement()) {
              tasks.get(at).run();
            }
          });
    }
    List<R> results = new ArrayList<>(rows.size());
    Throwable failure = null;
    for (Future<R> task : tasks) {
      try {
        results.add(get(task));
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
   * Hands rows to as few calls as memory allows, in order: by the limit of the device and the bytes
   * of a row, and where the device refuses nevertheless, by halves down to single rows.
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
      TorchEngine.keepWithinLimit(device);
      int fitting = fitting(rest.size(), rowBytes, device.memory().limit(), device.memory().used());
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
    Closing.after(
        results.stream()
            .filter(AutoCloseable.class::isInstance)
            .map(AutoCloseable.class::cast)
            .toList(),
        failure);
  }
}
