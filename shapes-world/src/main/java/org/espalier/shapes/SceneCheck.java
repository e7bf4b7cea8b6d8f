package org.espalier.shapes;

import java.util.ArrayList;
import java.util.List;
import org.espalier.shapes.ObjectRequirement.Position;

/**
 * GenEval's check of what was seen against what is required, with this world's attributes.
 *
 * <p>An entry of {@code include} is met when at least {@code count} objects match its shape and
 * every stated attribute, and when no entry of {@code exclude} forbids as many objects of its
 * shape. A relation is met when a matching object stands in that direction of a matching object of
 * the other entry: more than 3 pixels along it, and farther along than across.
 *
 * @param correct whether everything is met
 * @param strict whether everything is met and nothing else is there
 * @param fraction share of met requirements: entries and relations
 * @param constraints share of single constraints that hold, as the second world counts them: of
 *     each entry's shape exactly {@code count} objects, each stated attribute of all of these, each
 *     relation between an object of either shape, and as many objects as all entries ask for
 */
public record SceneCheck(boolean correct, boolean strict, double fraction, double constraints) {
  private static final int MIN_DISTANCE = 3;

  /**
   * Checks objects.
   *
   * @param requirement what is required
   * @param seen what was seen
   */
  public static SceneCheck of(SceneRequirement requirement, List<DetectedObject> seen) {
    List<List<DetectedObject>> matches = new ArrayList<>();
    int total = 0;
    int met = 0;
    for (ObjectRequirement object : requirement.include()) {
      List<DetectedObject> matching = seen.stream().filter(object::matches).toList();
      matches.add(matching);
      total++;
      if (matching.size() >= object.count() && !isExcluded(requirement, object.shape(), seen)) {
        met++;
      }
    }
    for (SceneRequirement.Exclusion exclusion : requirement.exclude()) {
      // Of a shape that is not required: a requirement of its own.
      if (requirement.include().stream().noneMatch(o -> o.shape() == exclusion.shape())) {
        total++;
        met += isExcluded(requirement, exclusion.shape(), seen) ? 0 : 1;
      }
    }
    for (int i = 0; i < matches.size(); i++) {
      for (Position position : requirement.include().get(i).positions()) {
        total++;
        met += stands(position.relation(), matches.get(i), matches.get(position.of())) ? 1 : 0;
      }
    }
    boolean correct = met == total;
    return new SceneCheck(
        correct,
        correct && seen.size() == requirement.objects(),
        (double) met / total,
        constraints(requirement, seen));
  }

  private static double constraints(SceneRequirement requirement, List<DetectedObject> seen) {
    List<Boolean> held = new ArrayList<>();
    held.add(seen.size() == requirement.objects());
    for (ObjectRequirement object : requirement.include()) {
      List<DetectedObject> alike = ofShape(object, seen);
      held.add(alike.size() == object.count());
      for (ObjectRequirement attribute : object.attributes()) {
        held.add(!alike.isEmpty() && alike.stream().allMatch(attribute::matches));
      }
      for (Position position : object.positions()) {
        List<DetectedObject> others = ofShape(requirement.include().get(position.of()), seen);
        held.add(stands(position.relation(), alike, others));
      }
    }
    return (double) held.stream().filter(h -> h).count() / held.size();
  }

  private static List<DetectedObject> ofShape(ObjectRequirement object, List<DetectedObject> seen) {
    return seen.stream().filter(one -> one.shape() == object.shape()).toList();
  }

  private static boolean isExcluded(
      SceneRequirement requirement, Shape shape, List<DetectedObject> seen) {
    long count = seen.stream().filter(object -> object.shape() == shape).count();
    return requirement.exclude().stream()
        .anyMatch(exclusion -> exclusion.shape() == shape && count >= exclusion.count());
  }

  private static boolean stands(
      Relation relation, List<DetectedObject> subjects, List<DetectedObject> others) {
    for (DetectedObject subject : subjects) {
      for (DetectedObject other : others) {
        double dx = other.x() - subject.x();
        double dy = other.y() - subject.y();
        double along = relation.along(dx, dy);
        if (along > MIN_DISTANCE && along > relation.across(dx, dy)) {
          return true;
        }
      }
    }
    return false;
  }
}
