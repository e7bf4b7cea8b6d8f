package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.espalier.api.EspalierException;
import org.espalier.spi.NativeMemory;
import org.junit.jupiter.api.Test;

class RowExecutorTest {
  private static final List<Integer> ROWS = IntStream.range(0, 20).boxed().toList();

  @Test
  void keepsTheOrder() {
    for (Device device : List.of(Device.cpu(), Device.gpu())) {
      assertThat(RowExecutor.<Integer, Integer>map(device, ROWS, i -> i * i))
          .isEqualTo(ROWS.stream().map(i -> i * i).toList());
    }
  }

  @Test
  void closesResultsAndThrowsTheFirstFailure() {
    for (Device device : List.of(Device.cpu(), Device.gpu())) {
      AtomicInteger open = new AtomicInteger();
      assertThatThrownBy(
              () ->
                  RowExecutor.<Integer, AutoCloseable>map(
                      device,
                      ROWS,
                      i -> {
                        if (i == 7 || i == 9) {
                          throw new IllegalStateException("row " + i);
                        }
                        open.incrementAndGet();
                        return open::decrementAndGet;
                      }))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("row 7");
      assertThat(open).hasValue(0);
    }
  }

  @Test
  void handsErrorsOn() {
    assertThatThrownBy(
            () ->
                RowExecutor.map(
                    Device.cpu(),
                    ROWS,
                    i -> {
                      throw new StackOverflowError("deep");
                    }))
        .isInstanceOf(StackOverflowError.class);
  }

  @Test
  void aCallThatDoesNotFitIsHalvedUntilItDoes() {
    List<Integer> sizes = new ArrayList<>();
    List<Integer> results =
        RowExecutor.<Integer, Integer>together(
            Device.cpu(),
            List.of(1, 2, 3, 4, 5, 6, 7),
            1,
            rows -> {
              sizes.add(rows.size());
              if (rows.size() > 2) {
                throw new EspalierException(EspalierException.Code.RESOURCE, "Full.", null);
              }
              return rows.stream().map(row -> row * 10).toList();
            });
    assertThat(results).containsExactly(10, 20, 30, 40, 50, 60, 70);
    assertThat(sizes).containsExactly(7, 4, 2, 2, 2, 1);
  }

  @Test
  void aRowThatDoesNotFitAloneAndOtherFailuresAreThrown() {
    for (EspalierException.Code code :
        List.of(EspalierException.Code.RESOURCE, EspalierException.Code.NATIVE)) {
      assertThatThrownBy(
              () ->
                  RowExecutor.together(
                      Device.cpu(),
                      List.of(1, 2),
                      1,
                      rows -> {
                        throw new EspalierException(code, "Full.", null);
                      }))
          .isInstanceOfSatisfying(
              EspalierException.class, e -> assertThat(e.code()).isEqualTo(code));
    }
  }

  @Test
  void callsGetAsManyRowsAsTheBudgetLeavesRoomFor() {
    for (int size : new int[] {1, 2, 3, 7, 20}) {
      for (int room = -3; room <= 21; room++) {
        long rowBytes = 1 << 20;
        // Half a row more than fits: a row must fit as a whole.
        NativeMemory memory = NativeMemory.of(10 * rowBytes + room * rowBytes + rowBytes / 2);
        memory.add(10 * rowBytes);
        List<Integer> sizes = new ArrayList<>();
        List<Integer> results =
            RowExecutor.<Integer, Integer>together(
                Device.cpu().with(memory),
                ROWS.subList(0, size),
                rowBytes,
                rows -> {
                  sizes.add(rows.size());
                  return List.copyOf(rows);
                });
        assertThat(results).isEqualTo(ROWS.subList(0, size));
        int most = Math.max(1, room);
        assertThat(sizes).allMatch(count -> count >= 1 && count <= most);
        assertThat(sizes).hasSize((size + most - 1) / most);
      }
    }
  }

  @Test
  void noMoreRowsRunAtOnceThanTheDeviceAllows() {
    for (int threads : new int[] {1, 2}) {
      AtomicInteger running = new AtomicInteger();
      AtomicInteger most = new AtomicInteger();
      RowExecutor.map(
          Device.cpu().withThreads(threads),
          ROWS,
          row -> {
            most.accumulateAndGet(running.incrementAndGet(), Math::max);
            Thread.yield();
            running.decrementAndGet();
            return row;
          });
      assertThat(most.get()).isBetween(1, threads);
    }
  }

  @Test
  void whatFitsIsArithmetic() {
    long gib = 1L << 30;
    assertThat(RowExecutor.fitting(9, gib, 0, 50 * gib)).as("without a budget").isEqualTo(9);
    assertThat(RowExecutor.fitting(9, gib, 30 * gib, 24 * gib)).isEqualTo(6);
    assertThat(RowExecutor.fitting(9, gib, 30 * gib, 24 * gib + 1)).isEqualTo(5);
    assertThat(RowExecutor.fitting(9, gib, 60 * gib, 24 * gib)).isEqualTo(9);
    assertThat(RowExecutor.fitting(9, gib, 24 * gib, 24 * gib)).isEqualTo(1);
    assertThat(RowExecutor.fitting(9, gib, 1, 24 * gib)).isEqualTo(1);
    assertThat(RowExecutor.fitting(9, 1, Long.MAX_VALUE, 0)).isEqualTo(9);
  }
}
