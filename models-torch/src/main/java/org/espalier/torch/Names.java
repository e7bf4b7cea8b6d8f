package org.espalier.torch;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** Suggestions of names for misspelt ones. */
final class Names {
  private Names() {}

  /** Advice that names up to three of the known names that lie nearest. */
  static String suggestion(String name, Collection<String> known) {
    List<String> near = nearest(name, known);
    return near.isEmpty()
        ? "Maybe the file belongs to another model."
        : "Maybe " + String.join(", ", near) + " was meant.";
  }

  static List<String> nearest(String name, Collection<String> known) {
    return known.stream()
        .sorted(
            Comparator.comparingInt((String other) -> distance(name, other))
                .thenComparing(Comparator.naturalOrder()))
        .limit(3)
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
