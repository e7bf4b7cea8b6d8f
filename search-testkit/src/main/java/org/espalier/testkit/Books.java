package org.espalier.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.compute.Phase;
import org.espalier.engine.IncumbentPoint;
import org.espalier.engine.SearchOutcome;
import org.espalier.engine.TreeNode;
import org.espalier.spi.WorkCounters;

/** What must be true of the account of every search, whatever searched whatever. */
final class Books {
  private Books() {}

  /** Every rule that an outcome breaks, in words. */
  static List<String> faults(SearchOutcome outcome, WorkCounters model, WorkCounters verifiers) {
    List<String> faults = new ArrayList<>();
    Budget budget = outcome.budget();
    Cost total = outcome.ledger().total();
    Cost sum = Cost.ZERO;
    for (Map.Entry<Phase, Cost> phase : outcome.ledger().byPhase().entrySet()) {
      if (phase.getKey() != Phase.REPLAY) { // repeated work is accounted apart
        sum = sum.plus(phase.getValue());
      }
    }
    if (!sum.equals(total)) {
      faults.add("the phases " + sum + " do not add up to the total " + total);
    }
    for (ComputeUnit unit : ComputeUnit.values()) {
      double limit = budget.caps().getOrDefault(unit, Double.POSITIVE_INFINITY);
      if (unit == budget.unit()) {
        limit = Math.min(limit, budget.limit());
      }
      if (unit != ComputeUnit.SECONDS && unit.of(total) > limit) {
        faults.add("spent " + unit.of(total) + " " + unit + " of " + limit);
      }
    }
    double left = budget.limit() - budget.unit().of(total);
    if (Math.abs(left - outcome.remaining()) > 1e-9 * budget.limit()) {
      faults.add(outcome.remaining() + " are said to remain of " + left);
    }
    if (model.rows() != total.rows()
        || model.tokens() != total.tokens()
        || model.flops() != total.flops()
        || model.images() != total.decodes()) {
      faults.add("the model counted " + model + " and was charged " + total);
    }
    if (verifiers.flops() != total.verifierFlops() || verifiers.images() != total.verifierCalls()) {
      faults.add("the verifiers counted " + verifiers + " and were charged " + total);
    }
    Cost tree = Cost.ZERO;
    for (TreeNode node : outcome.tree()) {
      tree = tree.plus(node.cost());
    }
    Cost generated = outcome.ledger().phase(Phase.GENERATE).withWallNanos(0);
    // Less where an expansion reused what a preview had evaluated.
    if (!generated.within(tree)) {
      faults.add("the tree log's nodes cost " + tree + ", generation was charged " + generated);
    }
    double last = Double.NEGATIVE_INFINITY;
    Cost spent = Cost.ZERO;
    for (IncumbentPoint point : outcome.curve()) {
      if (!(point.score() > last) || !spent.withWallNanos(0).within(point.spent())) {
        faults.add("the incumbent curve falls at " + point);
      }
      last = point.score();
      spent = point.spent();
    }
    if (!(outcome.independent() >= 0 && outcome.independent() <= 1)) {
      faults.add("a share of " + outcome.independent() + " is said to be independent samples");
    }
    if (last != outcome.incumbentScore()) {
      faults.add("the curve ends at " + last + ", the incumbent has " + outcome.incumbentScore());
    }
    return faults;
  }
}
