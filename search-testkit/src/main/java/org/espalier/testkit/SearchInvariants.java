package org.espalier.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * A JUnit extension that checks after every test what must hold of every search run by {@link
 * SearchTestKit} in it: the ledger balances, and no native state is left, even where the search
 * failed. Register it with {@code @ExtendWith(SearchInvariants.class)}. Tests of one JVM must not
 * run in parallel, which is JUnit's default.
 */
public final class SearchInvariants implements BeforeEachCallback, AfterEachCallback {
  private static final ConcurrentLinkedQueue<TrackedModel> MODELS = new ConcurrentLinkedQueue<>();
  private static final ConcurrentLinkedQueue<String> FAULTS = new ConcurrentLinkedQueue<>();

  /**
   * Watches a model's states until the end of the test.
   *
   * @param model a gate round a model
   */
  public static void watch(TrackedModel model) {
    MODELS.add(model);
  }

  static void watch(SearchRun run) {
    // Not the run itself: a test may run thousands.
    FAULTS.addAll(run.faults());
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    MODELS.clear();
    FAULTS.clear();
  }

  @Override
  public void afterEach(ExtensionContext context) {
    check(context.getDisplayName());
  }

  /**
   * Checks all searches since the last check.
   *
   * @param after what has ended, for the failure
   */
  static void check(String after) {
    List<String> faults = new ArrayList<>();
    for (TrackedModel model : MODELS) {
      faults.addAll(model.faults());
      if (model.liveStates() != 0) {
        faults.add(
            "%d states (%d bytes) of the model %s are still open"
                .formatted(model.liveStates(), model.liveBytes(), model.card().id()));
      }
    }
    faults.addAll(FAULTS);
    MODELS.clear();
    FAULTS.clear();
    if (!faults.isEmpty()) {
      throw new AssertionError("after " + after + ":\n  " + String.join("\n  ", faults));
    }
  }
}
