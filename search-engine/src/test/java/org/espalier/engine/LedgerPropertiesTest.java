package org.espalier.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.From;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.espalier.api.BudgetExhaustedException;
import org.espalier.api.EspalierException;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.compute.Phase;

class LedgerPropertiesTest {

  /** A piece of work: its quote, how much of it is really done, and what must remain after it. */
  record Job(Cost quote, int percent, Cost escrow, Phase phase) {
    Cost actual() {
      return new Cost(
          quote.nfe() * percent / 100,
          quote.rows() * percent / 100,
          quote.tokens() * percent / 100,
          quote.flops() * percent / 100,
          quote.decodes() * percent / 100,
          quote.verifierCalls() * percent / 100,
          quote.verifierFlops() * percent / 100,
          17);
    }
  }

  @Provide
  Arbitrary<Cost> costs() {
    Arbitrary<Long> small = Arbitraries.longs().between(0, 50);
    return Combinators.combine(small, small, small, small, small, small, small)
        .as((a, b, c, d, e, f, g) -> new Cost(a, b, c, d, e, f, g, 0));
  }

  @Provide
  Arbitrary<Job> jobs() {
    return Combinators.combine(
            costs(), Arbitraries.integers().between(0, 100), costs(), Arbitraries.of(Phase.class))
        .as(Job::new);
  }

  @Provide
  Arbitrary<Budget> budgets() {
    return Combinators.combine(
            Arbitraries.of(
                ComputeUnit.FLOPS,
                ComputeUnit.NFE,
                ComputeUnit.SAMPLES,
                ComputeUnit.VERIFIER_CALLS),
            Arbitraries.integers().between(1, 400),
            Arbitraries.maps(
                    Arbitraries.of(ComputeUnit.NFE, ComputeUnit.VERIFIER_CALLS),
                    Arbitraries.doubles().between(1, 300))
                .ofMaxSize(2))
        .as((unit, limit, caps) -> new Budget(unit, limit, caps));
  }

  private static double limit(Budget budget, ComputeUnit unit) {
    double cap = budget.caps().getOrDefault(unit, Double.POSITIVE_INFINITY);
    return unit == budget.unit() ? Math.min(cap, budget.limit()) : cap;
  }

  @Property(tries = 500)
  void neverOvershootsAndAlwaysAddsUp(
      @ForAll("budgets") Budget budget, @ForAll @Size(max = 40) List<@From("jobs") Job> jobs) {
    Ledger ledger = new Ledger(budget);
    Cost expected = Cost.ZERO;
    for (Job job : jobs) {
      boolean admitted = ledger.admits(job.quote(), job.escrow());
      Cost before = ledger.spent();
      try (Ledger.Reservation reservation = ledger.reserve("work", job.quote(), job.escrow())) {
        assertThat(admitted).isTrue();
        for (ComputeUnit unit : budget.caps().keySet()) {
          assertThat(unit.of(before.plus(job.quote()).plus(job.escrow())))
              .isLessThanOrEqualTo(limit(budget, unit));
        }
        reservation.commit(job.phase(), job.actual());
        expected = expected.plus(job.actual());
      } catch (BudgetExhaustedException e) {
        assertThat(admitted).isFalse();
        assertThat(ledger.spent()).isEqualTo(before);
      }
      assertThat(ledger.spent()).isEqualTo(expected);
      double left = budget.limit() - budget.unit().of(expected);
      assertThat(ledger.remaining(Cost.ZERO)).isEqualTo(Math.max(0, left));
      assertThat(budget.unit().of(expected)).isLessThanOrEqualTo(limit(budget, budget.unit()));
    }
    Cost sum = Cost.ZERO;
    for (Cost phase : ledger.snapshot().byPhase().values()) {
      sum = sum.plus(phase);
    }
    assertThat(sum).isEqualTo(ledger.snapshot().total()).isEqualTo(expected);
  }

  @Property(tries = 200)
  void holdsReservationsApart(
      @ForAll @IntRange(min = 1, max = 20) int open, @ForAll @IntRange(min = 1, max = 9) int each) {
    Ledger ledger = new Ledger(Budget.of(ComputeUnit.NFE, (double) open * each));
    Cost quote = Cost.generate(each, 0, 0, 0);
    Ledger.Reservation[] all = new Ledger.Reservation[open];
    for (int i = 0; i < open; i++) {
      all[i] = ledger.reserve("work", quote, Cost.ZERO);
    }
    assertThat(ledger.admits(Cost.generate(1, 0, 0, 0), Cost.ZERO)).isFalse();
    for (Ledger.Reservation reservation : all) {
      reservation.close();
      // Closing twice gives nothing back twice.
      reservation.close();
    }
    assertThat(ledger.remaining(Cost.ZERO)).isEqualTo((double) open * each);
    assertThat(ledger.spent()).isEqualTo(Cost.ZERO);
  }

  @Property(tries = 100)
  void refusesToCommitMoreThanWasQuoted(@ForAll @IntRange(min = 0, max = 30) int quoted) {
    Ledger ledger = new Ledger(new Budget(ComputeUnit.NFE, 1000, Map.of()));
    try (Ledger.Reservation reservation =
        ledger.reserve("work", Cost.generate(quoted, 0, 0, 0), Cost.ZERO)) {
      reservation.commit(Phase.GENERATE, Cost.generate(quoted, 0, 0, 0));
      assertThatThrownBy(() -> reservation.commit(Phase.GENERATE, Cost.generate(1, 0, 0, 0)))
          .isInstanceOf(EspalierException.class)
          .hasMessageStartingWith("[PLUGIN_CONTRACT] The call work did more work");
    }
    assertThat(ledger.spent().nfe()).isEqualTo(quoted);
  }

  @Property(tries = 200)
  void costsFormAnOrderedGroup(
      @ForAll("costs") Cost a, @ForAll("costs") Cost b, @ForAll @IntRange(max = 9) int times) {
    assertThat(a.plus(b)).isEqualTo(b.plus(a));
    assertThat(a.plus(b).minus(b)).isEqualTo(a);
    assertThat(a.within(a.plus(b))).isTrue();
    Cost sum = Cost.ZERO;
    for (int i = 0; i < times; i++) {
      sum = sum.plus(a);
    }
    assertThat(a.times(times)).isEqualTo(sum);
  }
}
