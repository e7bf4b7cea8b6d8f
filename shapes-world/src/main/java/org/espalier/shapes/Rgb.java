package org.espalier.shapes;

/**
 * A colour value.
 *
 * @param red from 0 to 1
 * @param green from 0 to 1
 * @param blue from 0 to 1
 */
public record Rgb(double red, double green, double blue) {

  /** Each channel scaled and shifted, then clamped to [0, 1]. */
  Rgb affine(double scale, double shift) {
    return new Rgb(
        clamp(red * scale + shift), clamp(green * scale + shift), clamp(blue * scale + shift));
  }

  static double clamp(double value) {
    return Math.min(1, Math.max(0, value));
  }
}
