package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.Expansion;
import org.espalier.api.Quotes;
import org.espalier.api.SearchContext;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;

/**
 * The loop of methods that advance a population step by step and judge what it shows on the way:
 * how many children each member proposes, after which steps the children are scored, and who
 * survives are the {@link Roles}. Nothing is rolled out; the survivors of the last step are the
 * complete samples.
 */
final class PopulationLoop {
  private final Roles roles;

  PopulationLoop(Roles roles) {
    this.roles = roles;
  }

  /**
   * A member of the population.
   *
   * @param at its trajectory
   * @param lane the member of the previous population it came from
   * @param scores what the verifier said of its line so far, oldest first
   * @param logWeight logarithm of its importance weight since the last resampling
   * @param copy whether an earlier member stands on the same trajectory, so that this one needs
   *     noise of its own
   */
  record Member(Trajectory at, int lane, List<Double> scores, double logWeight, boolean copy) {

    /** The latest score, or negative infinity if the latest verdict failed. */
    double latest() {
      return scores.isEmpty() ? Double.NEGATIVE_INFINITY : scores.get(scores.size() - 1);
    }

    Member scored(double score) {
      List<Double> more = new ArrayList<>(scores);
      more.add(score);
      return new Member(at, lane, List.copyOf(more), logWeight, copy);
    }

    Member weighing(double log) {
      return new Member(at, lane, scores, log, copy);
    }

    Member copied() {
      return new Member(at, lane, scores, logWeight, true);
    }
  }

  /** What makes a method of this family. */
  interface Roles {
    /** Name of the stream from which fresh draws come. */
    String name();

    /** Members at the start, for a size parameter. */
    int initial(int size);

    /** Proposal: children of each member at a step with stochastic children. */
    int children(int size);

    /** Scoring: whether members are scored after so many steps; complete ones always are. */
    boolean scores(SearchContext context, int taken);

    /** Selection: the next population. */
    List<Member> select(SearchContext context, int taken, int size, List<Member> members);

    /** Members after the selection that follows so many steps, of so many before: for quotes. */
    long survivors(SearchContext context, int taken, int size, long members);
  }

  Candidate search(SearchContext context, int size) {
    List<Draw> roots = new ArrayList<>();
    for (int i = 0; i < roles.initial(size); i++) {
      roots.add(Draw.fresh(context.stream("sample").child(i)));
    }
    List<Member> members = new ArrayList<>();
    for (Trajectory root : context.begin(roots)) {
      members.add(new Member(root, members.size(), List.of(), 0, false));
    }
    for (int step = 0; step < context.horizon(); step++) {
      members = propose(context, step, size, members);
      int taken = step + 1;
      if (taken == context.horizon() || roles.scores(context, taken)) {
        members = score(context, members);
      }
      if (taken < context.horizon()) {
        List<Member> selected = roles.select(context, taken, size, members);
        prune(context, members, selected);
        members = selected;
        context.retainOnly(members.stream().map(Member::at).distinct().toList());
      }
    }
    return context.answer();
  }

  private List<Member> propose(SearchContext context, int step, int size, List<Member> members) {
    DrawKey key = context.stream(roles.name()).child(step);
    boolean stochastic = context.isStochastic(step);
    // The roots differ, so the first step needs no choice among children.
    int children = stochastic && step > 0 ? roles.children(size) : 1;
    List<Expansion> expansions = new ArrayList<>();
    for (int m = 0; m < members.size(); m++) {
      List<Draw> draws = new ArrayList<>();
      for (int c = 0; c < children; c++) {
        boolean fresh = stochastic && (children > 1 || members.get(m).copy());
        draws.add(fresh ? Draw.fresh(key.child(m).child(c)) : Draw.follow());
      }
      expansions.add(new Expansion(members.get(m).at(), draws));
    }
    List<List<Trajectory>> expanded = context.expand(expansions);
    List<Member> result = new ArrayList<>();
    for (int m = 0; m < members.size(); m++) {
      Member parent = members.get(m);
      // Copies part only where the step is stochastic.
      boolean copy = parent.copy() && !stochastic;
      for (Trajectory child : expanded.get(m)) {
        result.add(new Member(child, m, parent.scores(), parent.logWeight(), copy));
      }
    }
    return result;
  }

  private static List<Member> score(SearchContext context, List<Member> members) {
    List<Candidate> verdicts =
        context.verify(VerifierRole.SEARCH, members.stream().map(Member::at).toList());
    List<Member> scored = new ArrayList<>();
    for (int i = 0; i < members.size(); i++) {
      scored.add(members.get(i).scored(verdicts.get(i).rank()));
      Trajectory at = members.get(i).at();
      verdicts.get(i).score().ifPresent(s -> context.annotate(at, Map.of("score", s)));
    }
    return scored;
  }

  private void prune(SearchContext context, List<Member> before, List<Member> after) {
    List<Trajectory> kept = after.stream().map(Member::at).toList();
    List<Trajectory> lost =
        before.stream().map(Member::at).filter(at -> !kept.contains(at)).distinct().toList();
    if (!lost.isEmpty()) {
      context.prune(lost, "not selected by " + roles.name());
    }
  }

  /** What the search costs for a size parameter; an upper bound. */
  Cost cost(SearchContext context, int size) {
    Quotes quotes = context.quotes();
    long members = roles.initial(size);
    Cost cost = quotes.begin().times(members);
    for (int step = 0; step < context.horizon(); step++) {
      int children = context.isStochastic(step) && step > 0 ? roles.children(size) : 1;
      cost = cost.plus(quotes.expand(step, children, false).times(members));
      members *= children;
      int taken = step + 1;
      if (taken == context.horizon() || roles.scores(context, taken)) {
        cost = cost.plus(quotes.verify(VerifierRole.SEARCH, taken).times(members));
      }
      if (taken < context.horizon()) {
        members = roles.survivors(context, taken, size, members);
      }
    }
    return cost;
  }

  /** Whether a later step can still tell copies apart. */
  static boolean canPart(SearchContext context, int taken) {
    for (int step = taken; step < context.horizon(); step++) {
      if (context.isStochastic(step)) {
        return true;
      }
    }
    return false;
  }
}
