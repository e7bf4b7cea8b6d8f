package org.espalier.shapes;

/** What a prompt tests: the six tags of GenEval, then two after T2I-CompBench. */
public enum Category implements Term {
  /** One object, perhaps with texture and size. */
  SINGLE_OBJECT("single_object"),
  TWO_OBJECT("two_object"),
  /** Two to five objects of one shape. */
  COUNTING("counting"),
  /** One object of a stated colour. */
  COLORS("colors"),
  /** Two objects in a spatial relation. */
  POSITION("position"),
  /** Two objects, each of a stated colour. */
  COLOR_ATTR("color_attr"),
  /** Two objects with textures or sizes that must not be mixed up. */
  BINDING("binding"),
  /** Three objects with colours and two relations. */
  COMPLEX("complex");

  private final String word;

  Category(String word) {
    this.word = word;
  }

  @Override
  public String word() {
    return word;
  }
}
