package org.espalier.shapes;

/** Where one object stands, seen from another. */
public enum Relation implements Term {
  LEFT_OF("left of"),
  RIGHT_OF("right of"),
  ABOVE("above"),
  BELOW("below");

  private final String word;

  Relation(String word) {
    this.word = word;
  }

  @Override
  public String word() {
    return word;
  }

  /** The relation of the second object to the first. */
  public Relation opposite() {
    return switch (this) {
      case LEFT_OF -> RIGHT_OF;
      case RIGHT_OF -> LEFT_OF;
      case ABOVE -> BELOW;
      case BELOW -> ABOVE;
    };
  }

  /**
   * How far an object stands from another in this direction.
   *
   * @param dx column of the other minus column of the object
   * @param dy row of the other minus row of the object; rows grow downwards
   */
  double along(double dx, double dy) {
    return switch (this) {
      case LEFT_OF -> dx;
      case RIGHT_OF -> -dx;
      case ABOVE -> dy;
      case BELOW -> -dy;
    };
  }

  /** How far the two stand apart across this direction; never negative. */
  double across(double dx, double dy) {
    return Math.abs(this == LEFT_OF || this == RIGHT_OF ? dy : dx);
  }
}
