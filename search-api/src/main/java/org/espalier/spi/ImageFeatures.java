package org.espalier.spi;

import java.util.List;

/**
 * A verifier that can say where an image lies in the space in which it compares images, whatever
 * the prompt. The diversity of a model is measured there; searches do not see it.
 */
public interface ImageFeatures {
  /**
   * Describes images. Must not change them.
   *
   * @param images in any number, each described as it would be alone
   * @return a vector of the length 1 for each image, in their order
   */
  List<float[]> features(List<RgbImage> images);
}
