package org.espalier.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.espalier.records.CellRecord;
import org.jspecify.annotations.Nullable;

/**
 * The incumbent against spend, averaged over prompts at common spends, with a 95 % band. A point is
 * drawn only where every search of the series has an incumbent: else the mean would change its
 * prompts along the way.
 */
public final class AnytimeCurves {
  private static final int POINTS = 48;
  private static final int RESAMPLES = 800;

  private static final List<Axis> AXES =
      List.of(Axis.FLOPS, Axis.NFE, Axis.VERIFIER_CALLS, Axis.SECONDS);

  private AnytimeCurves() {}

  /**
   * A mean at a spend.
   *
   * @param spend on the axis
   * @param mean of the incumbents
   * @param low lower bound of the band
   * @param high upper bound
   */
  public record Point(double spend, double mean, double low, double high) {}

  /**
   * The curves of one series by axis and measure.
   *
   * @param cells the searches of one arm and model at one level
   * @return by axis, then measure; left out where there is none
   */
  public static Map<Axis, Map<Measure, List<Point>>> of(Collection<CellRecord> cells) {
    Map<Axis, Map<Measure, List<Point>>> result = new EnumMap<>(Axis.class);
    for (Axis axis : AXES) {
      Map<Measure, List<Point>> byMeasure = new EnumMap<>(Measure.class);
      for (Measure measure : Measure.values()) {
        List<Point> points = curve(cells, axis, measure);
        if (!points.isEmpty()) {
          byMeasure.put(measure, points);
        }
      }
      result.put(axis, byMeasure);
    }
    return result;
  }

  /** One search's steps: spends, and the incumbent's value from each on. */
  private record Steps(double[] spends, double[] values, double total) {
    double at(double spend) {
      int i = Arrays.binarySearch(spends, spend);
      int at = i >= 0 ? i : -i - 2;
      return at < 0 ? Double.NaN : values[at];
    }
  }

  private static List<Point> curve(Collection<CellRecord> cells, Axis axis, Measure measure) {
    Map<String, List<Steps>> byPrompt = new TreeMap<>();
    double from = 0;
    double to = 0;
    for (CellRecord cell : cells) {
      Steps steps = cell instanceof CellRecord.Done done ? steps(done, axis, measure) : null;
      if (steps == null) {
        return List.of();
      }
      byPrompt.computeIfAbsent(cell.prompt().id(), id -> new ArrayList<>()).add(steps);
      from = Math.max(from, steps.spends()[0]);
      to = Math.max(to, steps.total());
    }
    if (byPrompt.isEmpty() || !(from > 0)) {
      return List.of();
    }
    int count = to <= from ? 1 : POINTS;
    double[] spends = new double[count];
    for (int i = 0; i < count; i++) {
      spends[i] = from * Math.pow(Math.max(1, to / from), i / (POINTS - 1.0));
    }
    double[][] values = new double[byPrompt.size()][count];
    int at = 0;
    for (List<Steps> searches : byPrompt.values()) {
      for (Steps search : searches) {
        for (int i = 0; i < count; i++) {
          values[at][i] += search.at(spends[i] * (1 + 1e-12)) / searches.size();
        }
      }
      at++;
    }
    List<PairedBootstrap.Interval> bands = PairedBootstrap.means(values, RESAMPLES);
    List<Point> points = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      PairedBootstrap.Interval band = bands.get(i);
      points.add(new Point(spends[i], band.mean(), band.low(), band.high()));
    }
    return points;
  }

  private static @Nullable Steps steps(CellRecord.Done cell, Axis axis, Measure measure) {
    List<CellRecord.Point> curve = cell.curve();
    if (curve.isEmpty()) {
      return null;
    }
    double[] spends = new double[curve.size()];
    double[] values = new double[curve.size()];
    for (int i = 0; i < curve.size(); i++) {
      CellRecord.Point point = curve.get(i);
      Double value = measure == Measure.METRIC ? point.metric() : (Double) point.score();
      if (value == null) {
        return null;
      }
      spends[i] =
          switch (axis) {
            case NFE -> point.nfe();
            case VERIFIER_CALLS -> point.verifierCalls();
            case SECONDS ->
                cell.time().curveNanos().size() <= i ? 0 : cell.time().curveNanos().get(i) * 1e-9;
            default -> point.flops();
          };
      values[i] = value;
    }
    return new Steps(spends, values, axis == Axis.SECONDS ? nativeSeconds(cell) : axis.of(cell));
  }

  /** Points of a curve are at native times, so that is where it ends. */
  private static double nativeSeconds(CellRecord.Done cell) {
    return cell.time().phaseNanos().values().stream().mapToLong(Long::longValue).sum() * 1e-9;
  }
}
