package org.espalier.plugins;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.apache.commons.text.similarity.LevenshteinDistance;

/** Finds what the user may have meant. */
public final class NearestNames {
  private static final int MOST = 3;

  private NearestNames() {}

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
   * The nearest names, nearest first; at most three.
   *
   * @param given what was written
   * @param valid what could have been written
   */
  public static List<String> of(String given, Collection<String> valid) {
    String wanted = given.toLowerCase(Locale.ROOT);
    int limit = Math.max(2, given.length() / 3);
    LevenshteinDistance distance = new LevenshteinDistance(limit);
    record Near(String name, int distance) {}
    return valid.stream()
        .map(
            name -> {
              String other = name.toLowerCase(Locale.ROOT);
              boolean part =
                  wanted.length() >= 3 && (other.contains(wanted) || wanted.contains(other));
              int steps = distance.apply(wanted, other);
              return new Near(name, steps >= 0 ? steps : part ? limit + 1 : Integer.MAX_VALUE);
            })
        .filter(near -> near.distance() < Integer.MAX_VALUE)
        .sorted(Comparator.comparingInt(Near::distance).thenComparing(Near::name))
        .limit(MOST)
        .map(Near::name)
        .toList();
  }
}
