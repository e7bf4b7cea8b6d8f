package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
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
}
