package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.Prompt;
import org.jspecify.annotations.Nullable;

/**
 * What GenEval asks of an image, from the metadata of a prompt in the form of its {@code
 * evaluation_metadata.jsonl}.
 *
 * @param counting whether the prompt's tag is {@code counting}, for which detections must be surer
 * @param include what must be there
 * @param exclude what must not
 */
record GenEvalTask(boolean counting, List<Include> include, List<Exclude> exclude) {
  /** The colours that are told apart. */
  static final List<String> COLORS =
      List.of(
          "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white");

  private static final Set<String> RELATIONS = Set.of("left of", "right of", "above", "below");

  /**
   * Objects that must be there.
   *
   * @param name of their class
   * @param count how many
   * @param color that each must have, or null
   * @param relation to others, or null
   * @param target which others: the place of an earlier clause
   */
  record Include(
      String name, int count, @Nullable String color, @Nullable String relation, int target) {}

  /**
   * Objects of which there must be fewer.
   *
   * @param name of their class
   * @param count fewer than so many
   */
  record Exclude(String name, int count) {}

  /**
   * Reads a prompt's metadata.
   *
   * @param prompt with metadata
   */
  static GenEvalTask of(Prompt prompt) throws UnfitMetadata {
    List<Include> include = new ArrayList<>();
    for (Map<?, ?> clause : clauses(prompt, "include")) {
      include.add(include(clause, include.size()));
    }
    List<Exclude> exclude = new ArrayList<>();
    for (Map<?, ?> clause : clauses(prompt, "exclude")) {
      exclude.add(new Exclude(name(clause), count(clause)));
    }
    if (include.isEmpty()) {
      throw new UnfitMetadata(
          "Its metadata have no include, which says what GenEval is to look for.");
    }
    return new GenEvalTask(prompt.tag().equals("counting"), include, exclude);
  }

  private static List<Map<?, ?>> clauses(Prompt prompt, String key) throws UnfitMetadata {
    Object value = prompt.metadata().getOrDefault(key, List.of());
    if (!(value instanceof List<?> list)) {
      throw new UnfitMetadata("The " + key + " (" + value + ") of its metadata is no list.");
    }
    List<Map<?, ?>> clauses = new ArrayList<>();
    for (Object clause : list) {
      if (!(clause instanceof Map<?, ?> map)) {
        throw new UnfitMetadata("The " + key + " (" + clause + ") of its metadata is no object.");
      }
      clauses.add(map);
    }
    return clauses;
  }

  private static String name(Map<?, ?> clause) throws UnfitMetadata {
    if (clause.get("class") instanceof String name) {
      return name;
    }
    throw new UnfitMetadata("The class of " + clause + " in its metadata is missing.");
  }

  private static int count(Map<?, ?> clause) throws UnfitMetadata {
    if (clause.get("count") instanceof Number number
        && number.intValue() == number.doubleValue()
        && number.intValue() > 0) {
      return number.intValue();
    }
    throw new UnfitMetadata("The count of " + clause + " in its metadata is no positive number.");
  }

  private static Include include(Map<?, ?> clause, int before) throws UnfitMetadata {
    Object color = clause.get("color");
    if (color != null && !(color instanceof String name && COLORS.contains(name))) {
      throw new UnfitMetadata(
          "The color ("
              + color
              + ") in its metadata is none of "
              + String.join(", ", COLORS)
              + ".");
    }
    Object position = clause.get("position");
    if (position == null) {
      return new Include(name(clause), count(clause), (String) color, null, -1);
    }
    if (position instanceof List<?> pair
        && pair.size() == 2
        && pair.get(0) instanceof String relation
        && RELATIONS.contains(relation)
        && pair.get(1) instanceof Number target
        && target.intValue() >= 0
        && target.intValue() < before) {
      return new Include(name(clause), count(clause), (String) color, relation, target.intValue());
    }
    throw new UnfitMetadata(
        "The position ("
            + position
            + ") in its metadata is not left of, right of, above or below an earlier clause.");
  }
}
