package org.espalier.models.var;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.espalier.api.EspalierException;

/**
 * The grids of tokens through which an image grows, the coarsest first, with the grid to which
 * positions are normalised.
 *
 * @param scales height and width of each grid in tokens
 * @param reference the last grid of the one-megapixel schedule of the same aspect ratio
 */
public record ScaleSchedule(List<Grid> scales, Grid reference) {
  /**
   * A grid of tokens.
   *
   * @param height rows, positive
   * @param width columns, positive
   */
  public record Grid(int height, int width) {
    public Grid {
      if (height <= 0 || width <= 0) {
        throw EspalierException.config(
            "A scale (" + height + " x " + width + ") must have a positive size.",
            "Maybe use a published schedule: pn: 0.06M.");
      }
    }

    /** The same grid with rows and columns exchanged. */
    Grid turned() {
      return new Grid(/* height= */ width, /* width= */ height);
    }

    /** Number of tokens. */
    public int tokens() {
      return height * width;
    }
  }

  /** Grids of the published one-megapixel schedules by height divided by width (tall ones). */
  private static final Map<String, String> PUBLISHED =
      Map.of(
          "1.000", "1x1 2x2 4x4 6x6 8x8 12x12 16x16 20x20 24x24 32x32 40x40 48x48 64x64",
          "1.250", "1x1 2x2 3x3 5x4 10x8 15x12 20x16 25x20 30x24 35x28 45x36 55x44 70x56",
          "1.333", "1x1 2x2 4x3 8x6 12x9 16x12 20x15 24x18 28x21 36x27 48x36 60x45 72x54",
          "1.500", "1x1 2x2 3x2 6x4 9x6 15x10 21x14 27x18 33x22 39x26 48x32 63x42 78x52",
          "1.750", "1x1 2x2 3x3 7x4 11x6 14x8 21x12 28x16 35x20 42x24 56x32 70x40 84x48",
          "2.000", "1x1 2x2 4x2 6x3 10x5 16x8 22x11 30x15 38x19 46x23 60x30 74x37 90x45",
          "2.500", "1x1 2x2 5x2 10x4 15x6 20x8 25x10 30x12 40x16 50x20 65x26 80x32 100x40",
          "3.000", "1x1 2x2 6x2 9x3 15x5 21x7 27x9 36x12 45x15 54x18 72x24 90x30 111x37");

  /** Number of scales by published size. */
  private static final Map<String, Integer> LENGTHS =
      new TreeMap<>(Map.of("0.06M", 7, "0.25M", 10, "0.60M", 12, "1M", 13));

  /** A complete schedule and its height divided by its width. */
  private record Complete(double heightByWidth, List<Grid> grids) {
    Grid last() {
      return grids.get(grids.size() - 1);
    }
  }

  /** All complete schedules, wide ones included. */
  private static final List<Complete> COMPLETE = complete();

  private static List<Complete> complete() {
    List<Complete> all = new ArrayList<>();
    PUBLISHED.forEach(
        (ratio, text) -> {
          List<Grid> tall = new ArrayList<>();
          for (String grid : text.split(" ", -1)) {
            int x = grid.indexOf('x');
            tall.add(
                new Grid(
                    Integer.parseInt(grid.substring(0, x)),
                    Integer.parseInt(grid.substring(x + 1))));
          }
          double heightByWidth = Double.parseDouble(ratio);
          all.add(new Complete(heightByWidth, List.copyOf(tall)));
          if (heightByWidth != 1) {
            all.add(new Complete(1 / heightByWidth, tall.stream().map(g -> g.turned()).toList()));
          }
        });
    all.sort(Comparator.comparingDouble(Complete::heightByWidth));
    return List.copyOf(all);
  }

  public ScaleSchedule {
    scales = List.copyOf(scales);
    if (scales.isEmpty()) {
      throw EspalierException.config(
          "A schedule has no scales.", "Maybe use a published schedule: pn: 0.06M.");
    }
    if (scales.get(0).tokens() != 1) {
      throw EspalierException.config(
          "The first scale ("
              + scales.get(0).height
              + " x "
              + scales.get(0).width
              + ") must be 1 x 1.",
          "Maybe use a published schedule: pn: 0.06M.");
    }
  }

  /**
   * A published schedule.
   *
   * @param size {@code 0.06M}, {@code 0.25M}, {@code 0.60M} or {@code 1M} pixels
   * @param heightByWidth height divided by width; the nearest published aspect ratio is taken
   * @throws EspalierException CONFIG for another size, or a ratio further than 5 % from all
   */
  public static ScaleSchedule published(String size, double heightByWidth) {
    Integer length = LENGTHS.get(size);
    if (length == null) {
      throw EspalierException.config(
          "The image size (" + size + ") has no published schedule.",
          "Maybe set pn to one of " + String.join(", ", LENGTHS.keySet()) + ".");
    }
    Complete nearest = nearest(heightByWidth);
    if (!(Math.abs(nearest.heightByWidth / heightByWidth - 1) < 0.05)) {
      throw EspalierException.config(
          "The aspect ratio (" + heightByWidth + ", height by width) has no published schedule.",
          "Maybe set aspectRatio to one of "
              + COMPLETE.stream()
                  .map(c -> "%.3f".formatted(c.heightByWidth))
                  .collect(Collectors.joining(", "))
              + ".");
    }
    return new ScaleSchedule(nearest.grids.subList(0, length), nearest.last());
  }

  /**
   * A schedule of its own. Where it is the beginning of a published one, positions are normalised
   * as there; else by the published aspect ratio nearest to its last grid's.
   *
   * @param scales the grids
   */
  public static ScaleSchedule of(List<Grid> scales) {
    if (scales.isEmpty()) {
      return new ScaleSchedule(scales, new Grid(1, 1)); // refused there
    }
    Grid last = scales.get(scales.size() - 1);
    double heightByWidth = (double) last.height / last.width;
    return COMPLETE.stream()
        .filter(c -> scales.size() <= c.grids.size())
        .filter(c -> c.grids.subList(0, scales.size()).equals(scales))
        .min(Comparator.comparingDouble(c -> Math.abs(c.heightByWidth - heightByWidth)))
        .map(c -> new ScaleSchedule(scales, c.last()))
        .orElseGet(() -> new ScaleSchedule(scales, nearest(heightByWidth).last()));
  }

  private static Complete nearest(double heightByWidth) {
    return COMPLETE.stream()
        .min(Comparator.comparingDouble(c -> Math.abs(c.heightByWidth - heightByWidth)))
        .orElseThrow();
  }

  /** Number of scales: steps of a complete sample. */
  public int size() {
    return scales.size();
  }

  /**
   * One grid.
   *
   * @param scale from 0
   */
  public Grid get(int scale) {
    return scales.get(scale);
  }

  /** The last grid. */
  public Grid last() {
    return scales.get(scales.size() - 1);
  }

  /**
   * Tokens of all scales before one.
   *
   * @param scale from 0
   */
  public int tokensBefore(int scale) {
    return scales.subList(0, scale).stream().mapToInt(Grid::tokens).sum();
  }

  /**
   * Rows of a scale's tokens on the reference grid, rounded half to even as the reference does.
   *
   * @param scale from 0
   */
  long[] rows(int scale) {
    Grid grid = get(scale);
    long[] rows = new long[grid.tokens()];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = place(i / grid.width, reference.height, grid.height);
    }
    return rows;
  }

  /**
   * Columns of a scale's tokens on the reference grid.
   *
   * @param scale from 0
   */
  long[] columns(int scale) {
    Grid grid = get(scale);
    long[] columns = new long[grid.tokens()];
    for (int i = 0; i < columns.length; i++) {
      columns[i] = place(i % grid.width, reference.width, grid.width);
    }
    return columns;
  }

  private static long place(int index, int referenceSide, int side) {
    return (long) Math.rint((double) ((float) index * (float) ((double) referenceSide / side)));
  }
}
