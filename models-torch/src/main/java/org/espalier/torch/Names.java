package org.espalier.torch;

import java.util.Collection;
import java.util.List;
import org.espalier.api.NearestNames;

/** Advice on names of tensors. */
final class Names {
  private Names() {}

  /**
   * Advice on a tensor that is not there: the names that come nearest.
   *
   * @param name what was asked for
   * @param known what there is
   */
  static String suggestion(String name, Collection<String> known) {
    List<String> near = NearestNames.ranked(name, known);
    return near.isEmpty()
        ? "Maybe the file belongs to another model."
        : "Maybe you mean " + String.join(" or ", near) + ".";
  }
}
