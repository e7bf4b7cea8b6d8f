package org.espalier.shapes;

import java.util.List;

/**
 * A picture before it is drawn.
 *
 * @param objects one to five, none overlapping another; unmodifiable
 * @param background its colour in the middle
 * @param gradientX change of every channel from the left edge to the right one
 * @param gradientY change of every channel from the top edge to the bottom one
 */
public record Scene(List<SceneObject> objects, Rgb background, double gradientX, double gradientY) {
  public Scene {
    objects = List.copyOf(objects);
  }
}
