package org.espalier.shapes;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Objects that a picture must show: an entry of {@code include} in GenEval metadata.
 *
 * @param shape their shape
 * @param count how many at least, from 1 to 8
 * @param color their colour, or null for any
 * @param texture their texture, or null for any
 * @param size their size, or null for any
 * @param positions where one of them must stand, seen from objects of earlier entries; unmodifiable
 */
public record ObjectRequirement(
    Shape shape,
    int count,
    @Nullable Color color,
    @Nullable Texture texture,
    @Nullable Size size,
    List<Position> positions) {

  /**
   * A place relative to other objects.
   *
   * @param relation where it stands
   * @param of index of the entry from which it is seen
   */
  public record Position(Relation relation, int of) {}

  /** The most objects that a picture holds. */
  static final int MAX_COUNT = 8;

  public ObjectRequirement {
    if (count < 1 || count > MAX_COUNT) {
      throw EspalierException.config(
          "The count (" + count + ") of " + shape.plural() + " is out of range.",
          "Maybe use 1 to " + MAX_COUNT + ".");
    }
    positions = List.copyOf(positions);
  }

  /**
   * One object of a shape, of any look.
   *
   * @param shape its shape
   */
  public static ObjectRequirement of(Shape shape) {
    return new ObjectRequirement(shape, 1, null, null, null, List.of());
  }

  ObjectRequirement withShape(Shape other) {
    return new ObjectRequirement(other, count, color, texture, size, positions);
  }

  ObjectRequirement withCount(int other) {
    return new ObjectRequirement(shape, other, color, texture, size, positions);
  }

  ObjectRequirement withColor(@Nullable Color other) {
    return new ObjectRequirement(shape, count, other, texture, size, positions);
  }

  ObjectRequirement withTexture(@Nullable Texture other) {
    return new ObjectRequirement(shape, count, color, other, size, positions);
  }

  ObjectRequirement withSize(@Nullable Size other) {
    return new ObjectRequirement(shape, count, color, texture, other, positions);
  }

  ObjectRequirement withPositions(List<Position> others) {
    return new ObjectRequirement(shape, count, color, texture, size, others);
  }

  /** One requirement for each attribute that is stated, of this shape and that attribute alone. */
  List<ObjectRequirement> attributes() {
    ObjectRequirement bare = of(shape);
    List<ObjectRequirement> attributes = new ArrayList<>();
    if (color != null) {
      attributes.add(bare.withColor(color));
    }
    if (texture != null) {
      attributes.add(bare.withTexture(texture));
    }
    if (size != null) {
      attributes.add(bare.withSize(size));
    }
    return attributes;
  }

  /** Whether an object has this shape and every attribute that is stated. */
  boolean matches(DetectedObject object) {
    return object.shape() == shape
        && (color == null || object.color() == color)
        && (texture == null || object.texture() == texture)
        && (size == null || object.size() == size);
  }

  /** The noun phrase: {@code two small red stars}, {@code an orange ring}. */
  String phrase() {
    StringBuilder adjectives = new StringBuilder();
    for (Term term : new Term[] {size, texture, color}) {
      if (term != null) {
        adjectives.append(term.word()).append(' ');
      }
    }
    if (count > 1) {
      return NUMBERS.get(count) + " " + adjectives + shape.plural();
    }
    String noun = adjectives + shape.word();
    return (noun.startsWith("orange") ? "an " : "a ") + noun;
  }

  private static final List<String> NUMBERS =
      List.of("zero", "one", "two", "three", "four", "five", "six", "seven", "eight");
}
