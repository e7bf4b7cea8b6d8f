package org.espalier.testkit;

import java.util.function.Function;
import org.espalier.api.Verdict;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;

/**
 * Scores by a table or rule over the image itself, never over the order of arrival. Images that are
 * not in the table get {@link Verdict.Failed}.
 */
public final class TableVerifier extends ToyVerifier {
  private final Function<RgbImage, Verdict> table;

  /**
   * @param table verdict by image; pure
   */
  public TableVerifier(Function<RgbImage, Verdict> table) {
    super("table", "any", 1_000);
    this.table = table;
  }

  /**
   * Scores by the red value of the first pixel.
   *
   * @param scores by red value from 0 to 255
   */
  public static TableVerifier byFirstPixel(java.util.Map<Integer, Double> scores) {
    return new TableVerifier(
        image -> {
          Double score = scores.get(image.at(0, 0, 0));
          return score == null
              ? new Verdict.Failed("no entry for " + image.at(0, 0, 0))
              : Verdict.scored(score);
        });
  }

  @Override
  Verdict judge(Judgement judgement) {
    return table.apply(judgement.artifact().image());
  }
}
