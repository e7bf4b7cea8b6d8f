package org.espalier.shapes;

import org.espalier.spi.RgbImage;

/**
 * Draws scenes as 64 x 64 pictures, anti-aliased through signed distances. Its formulas are those
 * of {@code training/world.py}, with which the models were trained.
 */
public final class SceneRenderer {
  /** Width and height of a picture in pixels. */
  public static final int SIDE = 64;

  /** Distance of stripes and of dots in pixels. */
  private static final double PERIOD = 5.6;

  private static final double FIFTH_TURN = 2 * Math.PI / 5;

  /** The star's inner vertex next to its outer one at (1, 0). */
  private static final double INNER_X = 0.45 * Math.cos(Math.PI / 5);

  private static final double INNER_Y = 0.45 * Math.sin(Math.PI / 5);

  private SceneRenderer() {}

  /**
   * Draws a scene.
   *
   * @param scene what to draw
   */
  public static RgbImage render(Scene scene) {
    byte[] rgb = new byte[3 * SIDE * SIDE];
    double[] pixel = new double[3];
    for (int row = 0; row < SIDE; row++) {
      for (int column = 0; column < SIDE; column++) {
        double x = column + 0.5;
        double y = row + 0.5;
        double shade = scene.gradientX() * (x / SIDE - 0.5) + scene.gradientY() * (y / SIDE - 0.5);
        pixel[0] = scene.background().red() + shade;
        pixel[1] = scene.background().green() + shade;
        pixel[2] = scene.background().blue() + shade;
        for (SceneObject object : scene.objects()) {
          draw(object, x, y, pixel);
        }
        for (int c = 0; c < 3; c++) {
          rgb[3 * (row * SIDE + column) + c] = (byte) Math.rint(255 * Rgb.clamp(pixel[c]));
        }
      }
    }
    return new RgbImage(SIDE, SIDE, rgb);
  }

  private static void draw(SceneObject object, double x, double y, double[] pixel) {
    double dx = x - object.x();
    double dy = y - object.y();
    double cos = Math.cos(object.rotation());
    double sin = Math.sin(object.rotation());
    double localX = cos * dx + sin * dy;
    double localY = -sin * dx + cos * dy;
    double radius = object.radius();
    double alpha =
        Rgb.clamp(0.5 - radius * distance(object.shape(), localX / radius, localY / radius));
    if (alpha == 0) {
      return;
    }
    double second = secondTone(object.texture(), localX, localY);
    pixel[0] += alpha * (mix(object.tone().red(), object.secondTone().red(), second) - pixel[0]);
    pixel[1] +=
        alpha * (mix(object.tone().green(), object.secondTone().green(), second) - pixel[1]);
    pixel[2] += alpha * (mix(object.tone().blue(), object.secondTone().blue(), second) - pixel[2]);
  }

  private static double mix(double a, double b, double share) {
    return a + (b - a) * share;
  }

  /** Share of the second tone at a point, in pixels from the object's centre. */
  private static double secondTone(Texture texture, double x, double y) {
    return switch (texture) {
      case SOLID -> 0;
      case STRIPED ->
          Rgb.clamp(0.5 + 1.6 * Math.sin((x + y) * (Math.sqrt(0.5) * 2 * Math.PI / PERIOD)));
      case DOTTED -> {
        double u = x / PERIOD - Math.rint(x / PERIOD);
        double v = y / PERIOD - Math.rint(y / PERIOD);
        yield Rgb.clamp(0.5 + 1.65 - Math.hypot(u, v) * PERIOD);
      }
    };
  }

  /** Signed distance to a shape of circumradius 1, negative inside; y points down. */
  static double distance(Shape shape, double x, double y) {
    double r = Math.hypot(x, y);
    double ax = Math.abs(x);
    double ay = Math.abs(y);
    return switch (shape) {
      case CIRCLE -> r - 0.90;
      case SQUARE -> Math.max(ax, ay) - 0.77;
      case TRIANGLE -> {
        double low = y - 0.12;
        yield Math.max(low - 0.55, Math.sqrt(0.75) * ax - 0.5 * low - 0.55);
      }
      case STAR -> {
        // Fold the plane onto half an arm that points to (1, 0).
        double angle = Math.atan2(ax, -y);
        angle = Math.abs(angle - FIFTH_TURN * Math.rint(angle / FIFTH_TURN));
        double px = r * Math.cos(angle);
        double py = r * Math.sin(angle);
        yield ((px - 1) * INNER_Y + py * (1 - INNER_X)) / Math.hypot(INNER_Y, 1 - INNER_X);
      }
      case CROSS -> Math.min(Math.max(ax - 0.92, ay - 0.30), Math.max(ax - 0.30, ay - 0.92));
      case RING -> Math.abs(r - 0.70) - 0.22;
      case HEART -> {
        double qx = ax - 0.42;
        double qy = y + 0.28;
        double lobe = Math.hypot(qx, qy) - 0.50;
        double point = Math.max(0.74 * ax + 0.67 * y - 0.623, 0.67 * qx - 0.74 * qy);
        yield Math.min(lobe, point);
      }
    };
  }
}
