package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.Expansion;
import org.espalier.api.Quotes;
import org.espalier.api.SearchContext;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;
import org.jspecify.annotations.Nullable;

/**
 * The one loop of the methods that advance a population step by step and judge it on the way. How
 * many children each member proposes, when and by what the children are scored, and who survives
 * are the {@link Roles}. Members that are not complete and judged after the last searched step are
 * rolled out and verified.
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
   * @param root number of the sample it descends from
   * @param evidence what it was last judged by, or null since its last step
   * @param scores what the verifier said of its line so far, oldest first; negative infinity for
   *     failed verdicts
   * @param logWeight logarithm of its importance weight since the last resampling
   * @param copy whether an earlier member stands on the same trajectory, so that this one needs
   *     noise of its own
   * @param path with {@link Roles#elite}, where its own roll-out stands at each later decision
   *     point, the next one first, and at its end
   */
  record Member(
      Trajectory at,
      int root,
      @Nullable Candidate evidence,
      List<Double> scores,
      double logWeight,
      boolean copy,
      List<Trajectory> path) {

    static Member root(Trajectory at, int root) {
      return new Member(at, root, null, List.of(), 0, false, List.of());
    }

    /** The latest score, or negative infinity if there is none or the latest verdict failed. */
    double latest() {
      return scores.isEmpty() ? Double.NEGATIVE_INFINITY : scores.get(scores.size() - 1);
    }

    boolean isJudgedComplete() {
      return evidence != null && evidence.trajectory().isComplete();
    }

    Member judged(Candidate verdict) {
      List<Double> more = new ArrayList<>(scores);
      more.add(verdict.rank());
      return new Member(at, root, verdict, List.copyOf(more), logWeight, copy, path);
    }

    Member weighing(double log) {
      return new Member(at, root, evidence, scores, log, copy, path);
    }

    Member copied() {
      return new Member(at, root, evidence, scores, logWeight, true, path);
    }

    Member along(List<Trajectory> rollOut) {
      return new Member(at, root, evidence, scores, logWeight, copy, List.copyOf(rollOut));
    }

    /** This member at the next decision point of its own roll-out, with the verdict on its end. */
    Member ahead() {
      return new Member(
          path.get(0), root, evidence, scores, logWeight, copy, path.subList(1, path.size()));
    }
  }

  /** What makes a method of this family. Stateless but for methods that learn within a search. */
  interface Roles {
    /** Name of the stream from which fresh draws come. */
    String name();

    /** Proposal: the least automatic size at which there is something to select from. */
    default int least() {
      return 2;
    }

    /** Proposal: members at the start, for a size parameter. */
    int initial(int size);

    /**
     * Proposal: children of each member at a step with stochastic children; not asked at step 0.
     */
    default int children(int step, int size) {
      return 1;
    }

    /** How many steps are searched; the rest is rolled out. */
    default int steps(SearchContext context) {
      return context.horizon();
    }

    /**
     * The same method with fewer searched steps, if that is of use, for budgets too small for it.
     */
    default Optional<Roles> shorter(SearchContext context) {
      return Optional.empty();
    }

    /** Scoring: whether members are scored after so many steps; complete ones always are. */
    boolean scores(SearchContext context, int taken);

    /** Scoring: what stands for members of so many steps when they are scored. */
    default List<Trajectory> show(SearchContext context, List<Trajectory> members) {
      return members;
    }

    /** Scoring: the step of what {@link #show} gives, for quotes. */
    default int shown(SearchContext context, int taken) {
      return taken;
    }

    /** Selection: the next population. */
    List<Member> select(SearchContext context, int taken, int size, List<Member> members);

    /** Selection: members after so many steps, of so many before it, for quotes. */
    long survivors(SearchContext context, int taken, int size, long members);

    /** Selection: why the others are given up. */
    default String reason() {
      return "not selected by " + name();
    }

    /**
     * Whether a selected member's own roll-out stays a candidate beside its new children. Free: the
     * roll-out has been paid for. Only of use where members are shown by their complete images.
     */
    default boolean elite() {
      return false;
    }

    /** Which image is the answer. */
    default Answer answer() {
      return Answer.BEST;
    }
  }

  /**
   * Runs one population from its roots to the verdicts on its ends.
   *
   * @param first number of its first sample: root i is {@code stream("sample").child(first + i)}
   * @param size the size parameter of the roles
   * @return the last population, complete and judged; empty if all were given up
   */
  List<Member> run(SearchContext context, int first, int size) {
    List<Draw> draws = new ArrayList<>();
    for (int i = 0; i < roles.initial(size); i++) {
      draws.add(Draw.fresh(context.stream("sample").child(first + i)));
    }
    List<Member> members = new ArrayList<>();
    for (Trajectory root : context.begin(draws)) {
      members.add(Member.root(root, first + members.size()));
    }
    int steps = roles.steps(context);
    List<Member> elite = List.of();
    for (int step = 0; step < steps && !members.isEmpty(); step++) {
      members = propose(context, step, size, members);
      int taken = step + 1;
      boolean judged = taken == context.horizon() || roles.scores(context, taken);
      if (judged) {
        members = judge(context, members, steps);
        members.forEach(member -> note(context, member.evidence()));
        members = joined(elite, members);
      }
      List<Member> selected = roles.select(context, taken, size, members);
      giveUp(context, members, selected);
      members = selected;
      if (judged && roles.elite()) {
        elite =
            members.stream().filter(member -> !member.path().isEmpty()).map(Member::ahead).toList();
      }
      context.retainOnly(live(joined(elite, members)));
    }
    return steps < context.horizon()
        ? joined(elite, finish(context, members))
        : finish(context, members);
  }

  /** The elite first: ties go to what was found earlier. */
  private static List<Member> joined(List<Member> elite, List<Member> members) {
    return elite.isEmpty() ? members : Stream.concat(elite.stream(), members.stream()).toList();
  }

  private List<Member> judge(SearchContext context, List<Member> members, int steps) {
    if (!roles.elite()) {
      return judge(context, members, roles.show(context, at(members)));
    }
    // The same evaluations as one roll-out to the end, halting where the next selections will be.
    List<List<Trajectory>> paths = new ArrayList<>();
    members.forEach(member -> paths.add(new ArrayList<>()));
    List<Trajectory> at = at(members);
    int taken = at.get(0).step();
    for (int next = taken + 1; next <= steps && next < context.horizon(); next++) {
      if (roles.scores(context, next)) {
        at = follow(context, at, next);
        note(paths, at);
      }
    }
    at = context.complete(at);
    note(paths, at);
    List<Member> judged = judge(context, members, at);
    List<Member> result = new ArrayList<>();
    for (int m = 0; m < judged.size(); m++) {
      boolean ended = judged.get(m).at().isComplete();
      result.add(ended ? judged.get(m) : judged.get(m).along(paths.get(m)));
    }
    return result;
  }

  private static void note(List<List<Trajectory>> paths, List<Trajectory> at) {
    for (int m = 0; m < at.size(); m++) {
      paths.get(m).add(at.get(m));
    }
  }

  /** Trajectories after some more steps with their own noise. */
  static List<Trajectory> follow(SearchContext context, List<Trajectory> from, int until) {
    List<Trajectory> at = from;
    while (at.get(0).step() < until) {
      List<Expansion> expansions = new ArrayList<>();
      at.forEach(one -> expansions.add(new Expansion(one, List.of(Draw.follow()))));
      at = context.expand(expansions).stream().map(children -> children.get(0)).toList();
    }
    return at;
  }

  private List<Member> propose(SearchContext context, int step, int size, List<Member> members) {
    DrawKey key = context.stream(roles.name()).child(step);
    boolean stochastic = context.isStochastic(step);
    // The roots differ, so the first step needs no choice among children.
    int children = stochastic && step > 0 ? roles.children(step, size) : 1;
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
        result.add(
            new Member(
                child, parent.root(), null, parent.scores(), parent.logWeight(), copy, List.of()));
      }
    }
    return result;
  }

  private static List<Member> judge(
      SearchContext context, List<Member> members, List<Trajectory> shown) {
    List<Candidate> verdicts = context.verify(VerifierRole.SEARCH, shown);
    List<Member> judged = new ArrayList<>();
    for (int i = 0; i < members.size(); i++) {
      judged.add(members.get(i).judged(verdicts.get(i)));
    }
    return judged;
  }

  private static void note(SearchContext context, @Nullable Candidate evidence) {
    if (evidence != null) {
      evidence
          .score()
          .ifPresent(score -> context.annotate(evidence.trajectory(), Map.of("score", score)));
    }
  }

  private void giveUp(SearchContext context, List<Member> before, List<Member> after) {
    List<Trajectory> kept = at(after);
    List<Trajectory> lost =
        at(before).stream().filter(at -> !kept.contains(at)).distinct().toList();
    if (!lost.isEmpty()) {
      context.prune(lost, roles.reason());
    }
  }

  private List<Trajectory> live(List<Member> members) {
    List<Trajectory> live = new ArrayList<>(at(members).stream().distinct().toList());
    members.forEach(member -> live.addAll(member.path()));
    if (roles.answer() == Answer.FINAL) {
      for (Member member : members) {
        if (member.evidence() != null) {
          live.add(member.evidence().trajectory());
        }
      }
    }
    return live;
  }

  private static List<Member> finish(SearchContext context, List<Member> members) {
    List<Member> open = members.stream().filter(member -> !member.isJudgedComplete()).toList();
    if (open.isEmpty()) {
      return members;
    }
    List<Member> ends = new ArrayList<>(members);
    ends.removeAll(open);
    ends.addAll(judge(context, open, context.complete(at(open))));
    return ends;
  }

  private static List<Trajectory> at(List<Member> members) {
    return members.stream().map(Member::at).toList();
  }

  /** What {@link #run} costs for a size parameter; an upper bound. */
  Cost cost(SearchContext context, int size) {
    Quotes quotes = context.quotes();
    long members = roles.initial(size);
    Cost cost = quotes.begin().times(members);
    boolean evaluated = false;
    boolean complete = false;
    int steps = roles.steps(context);
    for (int step = 0; step < steps; step++) {
      int children = context.isStochastic(step) && step > 0 ? roles.children(step, size) : 1;
      cost = cost.plus(quotes.expand(step, children, evaluated).times(members));
      members *= children;
      int taken = step + 1;
      evaluated = false;
      complete = false;
      if (taken == context.horizon() || roles.scores(context, taken)) {
        int shown = roles.shown(context, taken);
        for (int at = taken; at < shown; at++) {
          cost = cost.plus(quotes.expand(at, 1, false).times(members));
        }
        cost = cost.plus(quotes.verify(VerifierRole.SEARCH, shown).times(members));
        // What is shown of later steps has evaluated the members themselves.
        evaluated = shown > taken;
        complete = shown == context.horizon();
      }
      members = roles.survivors(context, taken, size, members);
    }
    if (complete) {
      return cost;
    }
    return cost.plus(
        quotes
            .complete(steps)
            .plus(quotes.verify(VerifierRole.SEARCH, context.horizon()))
            .times(members));
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
