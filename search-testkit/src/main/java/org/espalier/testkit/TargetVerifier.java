package org.espalier.testkit;

import java.util.HashMap;
import java.util.Map;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;

/**
 * Scores an image of a {@link ToyModel} by its distance from the prompt's hidden {@link
 * ToyModel#target}: 1 for the target itself, less for everything else, positions still open left
 * out. Early columns weigh more, as coarse scales do.
 */
public final class TargetVerifier extends ToyVerifier {
  /** The score of the best image. */
  public static final double OPTIMUM = 1;

  private static final double DECAY = 0.85;
  private final Map<String, int[]> targets = new HashMap<>();

  /** At the cost of a small network. */
  public TargetVerifier() {
    this(400_000);
  }

  /**
   * @param flopsPerImage what a score costs
   */
  public TargetVerifier(long flopsPerImage) {
    super("target", "[-1, 1]", flopsPerImage);
  }

  @Override
  Verdict judge(Judgement judgement) {
    RgbImage image = judgement.artifact().image();
    int[] target = target(judgement.prompt(), image.width(), image.height());
    double weight = 1;
    double sum = 0;
    double weights = 0;
    for (int column = 0; column < image.width(); column++) {
      for (int channel = 0; channel < image.height(); channel++) {
        if (image.at(column, channel, 2) == 0) {
          int best = target[column * image.height() + channel];
          sum += weight * Math.abs(image.at(column, channel, 0) - best) / 128.0;
          weights += weight;
        }
      }
      weight *= DECAY;
    }
    return weights == 0
        ? new Verdict.Failed("the image is still open everywhere")
        : Verdict.scored(OPTIMUM - sum / weights);
  }

  /** The hidden target of a prompt, kept because its numbers are hashes. */
  private int[] target(Prompt prompt, int width, int height) {
    return targets.computeIfAbsent(
        prompt.id() + "/" + width + "x" + height,
        key -> {
          int[] target = new int[width * height];
          for (int column = 0; column < width; column++) {
            for (int channel = 0; channel < height; channel++) {
              target[column * height + channel] = ToyModel.target(prompt, column, channel);
            }
          }
          return target;
        });
  }
}
