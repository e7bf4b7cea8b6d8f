package org.espalier.api;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** Finds what the user may have meant. */
public final class NearestNames {
  private static final int MOST = 3;

  private NearestNames() {}

  private record Near(String name, int distance) {}

  /**
   * Advice on a misspelt name: at most three near names, or else what there is.
   *
   * @param given what was written
   * @param valid what could have been written
   */
  public static String advice(String given, Collection<String> valid) {
    List<String> near = of(given, valid);
    if (!near.isEmpty()) {
      return "Maybe you mean " + String.join(" or ", near) + ".";
    }
    return valid.isEmpty()
        ? "Maybe leave it out: nothing is known here."
        : "Maybe use one of: " + String.join(", ", valid.stream().sorted().toList()) + ".";
  }

  /**
   * The names that are near enough to be meant, nearest first; at most three.
   *
   * @param given what was written
   * @param valid what could have been written
   */
  public static List<String> of(String given, Collection<String> valid) {
    String wanted = given.toLowerCase(Locale.ROOT);
    int limit = Math.max(2, given.length() / 3);
    return valid.stream()
        .map(
            name -> {
              String other = name.toLowerCase(Locale.ROOT);
              boolean part =
                  wanted.length() >= 3 && (other.contains(wanted) || wanted.contains(other));
              int steps = distance(wanted, other);
              return new Near(name, steps <= limit ? steps : part ? limit + 1 : Integer.MAX_VALUE);
            })
        .filter(near -> near.distance() < Integer.MAX_VALUE)
        .sorted(Comparator.comparingInt(Near::distance).thenComparing(Near::name))
        .limit(MOST)
        .map(Near::name)
        .toList();
  }

  /**
   * The nearest names, however far; at most three.
   *
   * @param given what was written, in the same spelling
   * @param valid what could have been written
   */
  public static List<String> ranked(String given, Collection<String> valid) {
    return valid.stream()
        .map(name -> new Near(name, distance(given, name)))
        .sorted(Comparator.comparingInt(Near::distance).thenComparing(Near::name))
        .limit(MOST)
        .map(Near::name)
        .toList();
  }

  /** Levenshtein's distance. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int substitute = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(substitute, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }
}
