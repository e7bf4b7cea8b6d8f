package org.espalier.study;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;

/**
 * A part of a study's cells. Cells are dealt by their keys, apart for every arm, model, level and
 * category, so that each shard has its share of all of them.
 *
 * @param index which, from 1 to count
 * @param count of how many, positive
 */
public record Shard(int index, int count) {
  /** All cells. */
  public static final Shard WHOLE = new Shard(1, 1);

  private static final Pattern FORM = Pattern.compile("(\\d{1,9})/(\\d{1,9})");

  public Shard {
    if (count < 1 || index < 1 || index > count) {
      throw EspalierException.config(
          "The shard (%d/%d) does not exist.".formatted(index, count),
          "Maybe count from 1: --shard 1/4 to --shard 4/4.");
    }
  }

  /**
   * Reads a shard.
   *
   * @param text {@code 2/4}: the second of four
   */
  public static Shard of(String text) {
    Matcher matcher = FORM.matcher(text.strip());
    if (!matcher.matches()) {
      throw EspalierException.config(
          "The shard (" + text + ") is not of the form i/n.", "Maybe write --shard 1/4.");
    }
    return new Shard(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)));
  }

  /**
   * This shard's cells, in their order.
   *
   * @param cells of the study
   */
  List<Cell> of(List<Cell> cells) {
    if (count == 1) {
      return cells;
    }
    record Hand(String arm, String model, String level, String tag) implements Comparable<Hand> {
      private static final Comparator<Hand> ORDER =
          Comparator.comparing(Hand::arm)
              .thenComparing(Hand::model)
              .thenComparing(Hand::level)
              .thenComparing(Hand::tag);

      @Override
      public int compareTo(Hand other) {
        return ORDER.compare(this, other);
      }
    }
    Map<Hand, List<Cell>> hands = new TreeMap<>();
    for (Cell cell : cells) {
      Hand hand =
          new Hand(cell.arm().label(), cell.model(), cell.level().label(), cell.prompt().tag());
      hands.computeIfAbsent(hand, key -> new ArrayList<>()).add(cell);
    }
    Map<String, Cell> own = new TreeMap<>();
    // Dealing goes on from hand to hand, so that small hands do not all go to the first shard.
    long dealt = 0;
    for (List<Cell> hand : hands.values()) {
      hand.sort(Comparator.comparing(Cell::key));
      for (Cell cell : hand) {
        if (dealt++ % count == index - 1) {
          own.put(cell.key(), cell);
        }
      }
    }
    return cells.stream().filter(cell -> own.containsKey(cell.key())).toList();
  }

  /** The written form, {@code 2/4}. */
  @Override
  public String toString() {
    return index + "/" + count;
  }
}
