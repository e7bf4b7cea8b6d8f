package org.espalier.engine;

import org.espalier.spi.RgbImage;

/** The descriptor of an image that strategies may see: its mean colours on a coarse grid. */
final class Thumbnail {
  private static final int GRID = 8;

  private Thumbnail() {}

  /** Mean of each channel over each cell, from 0 to 1; cells of small images share pixels. */
  static float[] of(RgbImage image) {
    float[] features = new float[GRID * GRID * 3];
    for (int row = 0; row < GRID; row++) {
      int top = row * image.height() / GRID;
      int bottom = Math.max(top + 1, (row + 1) * image.height() / GRID);
      for (int column = 0; column < GRID; column++) {
        int left = column * image.width() / GRID;
        int right = Math.max(left + 1, (column + 1) * image.width() / GRID);
        for (int channel = 0; channel < 3; channel++) {
          long sum = 0;
          for (int y = top; y < bottom; y++) {
            for (int x = left; x < right; x++) {
              sum += image.at(x, y, channel);
            }
          }
          long pixels = (long) (bottom - top) * (right - left);
          features[(row * GRID + column) * 3 + channel] = sum / (255f * pixels);
        }
      }
    }
    return features;
  }
}
