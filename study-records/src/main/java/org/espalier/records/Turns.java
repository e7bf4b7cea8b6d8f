package org.espalier.records;

import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Takes from all categories in turn. */
public final class Turns {
  private Turns() {}

  /**
   * The same elements, from all tags in turn: however many are taken from the start, they cover the
   * tags evenly. Within a tag the order stays.
   *
   * @param elements any
   * @param tag of an element
   */
  public static <E> List<E> interleaved(List<E> elements, Function<? super E, String> tag) {
    record Turn<E>(int round, E element) {}
    Map<String, Integer> rounds = new HashMap<>();
    return elements.stream()
        .map(element -> new Turn<>(rounds.merge(tag.apply(element), 1, Integer::sum), element))
        .sorted(Comparator.comparingInt(Turn::round))
        .map(Turn::element)
        .toList();
  }
}
