package org.espalier.bench;

import java.util.List;
import java.util.function.ToDoubleBiFunction;
import org.espalier.spi.RgbImage;

/**
 * How far samples of one prompt lie from one another: the mean distance over all pairs. Where it is
 * small, the best of many samples is hardly better than one.
 */
public final class Diversity {
  private Diversity() {}

  /**
   * By pixels: the mean absolute difference of a channel, from 0 for equal images to 1 for black
   * and white.
   *
   * @param images two at least, of one size
   */
  public static double inPixels(List<RgbImage> images) {
    return mean(
        images,
        (a, b) -> {
          byte[] first = a.rgb();
          byte[] second = b.rgb();
          double sum = 0;
          for (int i = 0; i < first.length; i++) {
            sum += Math.abs((first[i] & 0xff) - (second[i] & 0xff));
          }
          return sum / first.length / 255;
        });
  }

  /**
   * By features: 1 minus the cosine, from 0 for equal to 2 for opposite directions.
   *
   * @param units two vectors of the length 1 at least, of one width
   */
  public static double ofUnits(List<float[]> units) {
    return mean(
        units,
        (a, b) -> {
          double cosine = 0;
          for (int i = 0; i < a.length; i++) {
            cosine += (double) a[i] * b[i];
          }
          return 1 - cosine;
        });
  }

  private static <T> double mean(List<T> all, ToDoubleBiFunction<T, T> distance) {
    if (all.size() < 2) {
      throw new IllegalArgumentException("no pair among " + all.size());
    }
    double sum = 0;
    int pairs = 0;
    for (int i = 0; i < all.size(); i++) {
      for (int j = 0; j < i; j++) {
        sum += distance.applyAsDouble(all.get(i), all.get(j));
        pairs++;
      }
    }
    return sum / pairs;
  }
}
