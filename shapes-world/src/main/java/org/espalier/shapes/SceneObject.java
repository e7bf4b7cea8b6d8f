package org.espalier.shapes;

/**
 * An object of a scene, with everything that the renderer needs.
 *
 * @param shape its shape
 * @param color its colour's name
 * @param texture its texture
 * @param size its size's name
 * @param radius radius of the circumscribed circle in pixels
 * @param x column of its centre in pixels
 * @param y row of its centre in pixels, downwards
 * @param rotation in radians, clockwise as seen
 * @param tone its colour
 * @param secondTone the colour of its stripes or dots
 */
public record SceneObject(
    Shape shape,
    Color color,
    Texture texture,
    Size size,
    double radius,
    double x,
    double y,
    double rotation,
    Rgb tone,
    Rgb secondTone) {

  /** The same object as a perfect detector would report it. */
  public DetectedObject asDetected() {
    return new DetectedObject(shape, color, texture, size, x, y, 1);
  }
}
