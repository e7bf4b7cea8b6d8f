package org.espalier.shapes;

/** The kind of an object; {@code class} in GenEval metadata. */
public enum Shape implements Term {
  CIRCLE("circle", "circles"),
  SQUARE("square", "squares"),
  TRIANGLE("triangle", "triangles"),
  STAR("star", "stars"),
  CROSS("cross", "crosses"),
  RING("ring", "rings"),
  HEART("heart", "hearts");

  private final String word;
  private final String plural;

  Shape(String word, String plural) {
    this.word = word;
    this.plural = plural;
  }

  @Override
  public String word() {
    return word;
  }

  /** The word for several. */
  public String plural() {
    return plural;
  }
}
