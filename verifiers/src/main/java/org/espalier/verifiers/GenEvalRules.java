package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * The rules of <a href="https://arxiv.org/abs/2310.11513">GenEval</a>, as its {@code
 * evaluate_images.py} (version of 2023) applies them.
 *
 * @param threshold a detection must be surer than that
 * @param countingThreshold the same for prompts of the tag {@code counting}
 * @param maxObjects detections of a class that are looked at, the surest ones
 * @param maxOverlap a detection that overlaps a surer one of its class by so much or more is left
 *     out; 1 keeps all
 * @param positionThreshold by which part of their sizes two objects must be apart
 */
record GenEvalRules(
    double threshold,
    double countingThreshold,
    int maxObjects,
    double maxOverlap,
    double positionThreshold) {

  /** The published ones. */
  static final GenEvalRules PUBLISHED = new GenEvalRules(0.3, 0.9, 16, 1.0, 0.1);

  GenEvalRules {
    requireShare("threshold", threshold);
    requireShare("countingThreshold", countingThreshold);
    requireShare("maxOverlap", maxOverlap);
    requireShare("positionThreshold", positionThreshold);
    if (maxObjects < 1) {
      throw EspalierException.config(
          "GenEval's maxObjects (" + maxObjects + ") must be positive.", "Maybe leave it out: 16.");
    }
  }

  private static void requireShare(String key, double value) {
    if (!(value >= 0 && value <= 1)) {
      throw EspalierException.config(
          "GenEval's " + key + " (" + value + ") is not between 0 and 1.",
          "Maybe leave it out: the published one is then used.");
    }
  }

  /** Names the colours of objects, one each. */
  @FunctionalInterface
  interface Colors {
    /**
     * Names colours.
     *
     * @param name of the objects' class
     * @param objects on the picture
     */
    List<String> of(String name, List<Instance> objects);
  }

  /**
   * What became of an image.
   *
   * @param correct whether it shows all that was asked for
   * @param reasons why not, in the words of the original script
   * @param satisfied clauses that hold
   * @param clauses all of them
   */
  record Result(boolean correct, List<String> reasons, int satisfied, int clauses) {}

  /**
   * The detections that count, by class, the surest first.
   *
   * @param found by the detector
   * @param names of its classes
   * @param counting whether the prompt is about counting
   */
  Map<String, List<Instance>> select(List<Instance> found, List<String> names, boolean counting) {
    // The original compares numbers of single precision.
    float least = (float) (counting ? countingThreshold : threshold);
    Map<String, List<Instance>> byName = new LinkedHashMap<>();
    found.stream()
        .filter(instance -> (float) instance.score() > least)
        .sorted(Comparator.comparingDouble(Instance::score).reversed())
        .forEach(
            instance ->
                byName
                    .computeIfAbsent(names.get(instance.label()), name -> new ArrayList<>())
                    .add(instance));
    byName.replaceAll((name, list) -> distinct(list.subList(0, Math.min(maxObjects, list.size()))));
    return byName;
  }

  private List<Instance> distinct(List<Instance> sorted) {
    List<Instance> kept = new ArrayList<>();
    for (Instance instance : sorted) {
      if (maxOverlap == 1
          || kept.stream().allMatch(k -> overlap(k.box(), instance.box()) < maxOverlap)) {
        kept.add(instance);
      }
    }
    return kept;
  }

  /** Intersection over union, edges counted as pixels. */
  static double overlap(Box a, Box b) {
    double intersection =
        area(
            Math.max(a.left(), b.left()),
            Math.max(a.top(), b.top()),
            Math.min(a.right(), b.right()),
            Math.min(a.bottom(), b.bottom()));
    double union =
        area(a.left(), a.top(), a.right(), a.bottom())
            + area(b.left(), b.top(), b.right(), b.bottom())
            - intersection;
    return union == 0 ? 0 : intersection / union;
  }

  private static double area(double left, double top, double right, double bottom) {
    return Math.max(right - left + 1, 0) * Math.max(bottom - top + 1, 0);
  }

  /**
   * Where one box is, seen from another: none, one or two of left of, right of, above, below.
   *
   * @param box the one
   * @param from the other
   */
  Set<String> relations(Box box, Box from) {
    double[] offset = {
      (box.left() + box.right() - from.left() - from.right()) / 2,
      (box.top() + box.bottom() - from.top() - from.bottom()) / 2
    };
    double[] sizes = {
      Math.abs(box.right() - box.left()) + Math.abs(from.right() - from.left()),
      Math.abs(box.bottom() - box.top()) + Math.abs(from.bottom() - from.top())
    };
    double[] apart = new double[2];
    for (int i = 0; i < 2; i++) {
      apart[i] =
          Math.max(Math.abs(offset[i]) - positionThreshold * sizes[i], 0) * Math.signum(offset[i]);
    }
    Set<String> relations = new LinkedHashSet<>();
    if (Math.abs(apart[0]) < 1e-3 && Math.abs(apart[1]) < 1e-3) {
      return relations;
    }
    double distance = Math.hypot(offset[0], offset[1]);
    double across = apart[0] / distance;
    double down = apart[1] / distance;
    if (across < -0.5) {
      relations.add("left of");
    }
    if (across > 0.5) {
      relations.add("right of");
    }
    if (down < -0.5) {
      relations.add("above");
    }
    if (down > 0.5) {
      relations.add("below");
    }
    return relations;
  }

  /**
   * Judges an image by what was found on it.
   *
   * @param task what was asked for
   * @param objects from {@link #select}
   * @param colors asked where colours matter
   */
  Result judge(GenEvalTask task, Map<String, List<Instance>> objects, Colors colors) {
    List<String> reasons = new ArrayList<>();
    List<@Nullable List<Instance>> groups = new ArrayList<>();
    int satisfied = 0;
    for (GenEvalTask.Include clause : task.include()) {
      List<Instance> all = objects.getOrDefault(clause.name(), List.of());
      List<Instance> found = all.subList(0, Math.min(clause.count(), all.size()));
      String reason = reason(clause, found, groups, colors);
      if (reason == null) {
        satisfied++;
        groups.add(found);
      } else {
        reasons.add(reason);
        groups.add(null);
      }
    }
    for (GenEvalTask.Exclude clause : task.exclude()) {
      int found = objects.getOrDefault(clause.name(), List.of()).size();
      if (found >= clause.count()) {
        reasons.add("expected %s<%d, found %d".formatted(clause.name(), clause.count(), found));
      } else {
        satisfied++;
      }
    }
    return new Result(
        reasons.isEmpty(), reasons, satisfied, task.include().size() + task.exclude().size());
  }

  /** Why a clause does not hold, or null where it does. */
  private @Nullable String reason(
      GenEvalTask.Include clause,
      List<Instance> found,
      List<@Nullable List<Instance>> groups,
      Colors colors) {
    String name = clause.name();
    if (found.size() < clause.count()) {
      return "expected %s>=%d, found %d".formatted(name, clause.count(), found.size());
    }
    String color = clause.color();
    if (color != null) {
      List<String> seen = colors.of(name, found);
      long right = seen.stream().filter(color::equals).count();
      if (right < clause.count()) {
        List<String> others = new ArrayList<>();
        for (String c : GenEvalTask.COLORS) {
          long n = seen.stream().filter(c::equals).count();
          if (n > 0) {
            others.add(n + " " + c);
          }
        }
        return "expected %s %s>=%d, found %d %s; and %s"
            .formatted(color, name, clause.count(), right, color, String.join(", ", others));
      }
    }
    String relation = clause.relation();
    if (relation == null) {
      return null;
    }
    List<Instance> targets = groups.get(clause.target());
    if (targets == null) {
      return "no target for %s to be %s".formatted(name, relation);
    }
    for (Instance object : found) {
      for (Instance target : targets) {
        Set<String> seen = relations(object.box(), target.box());
        if (!seen.contains(relation)) {
          return "expected %s %s target, found %s target"
              .formatted(name, relation, String.join(" and ", seen));
        }
      }
    }
    return null;
  }
}
