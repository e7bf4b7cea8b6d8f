package org.espalier.shapes;

/** The colour of an object's first tone. */
public enum Color implements Term {
  RED("red", .88, .12, .12, false),
  ORANGE("orange", .98, .55, .08, true),
  YELLOW("yellow", .97, .88, .15, true),
  GREEN("green", .13, .65, .22, false),
  BLUE("blue", .14, .33, .90, false),
  PURPLE("purple", .52, .16, .72, false),
  PINK("pink", .98, .55, .75, true),
  BROWN("brown", .48, .27, .10, false);

  private final String word;
  private final Rgb rgb;
  private final boolean light;

  Color(String word, double red, double green, double blue, boolean light) {
    this.word = word;
    this.rgb = new Rgb(red, green, blue);
    this.light = light;
  }

  @Override
  public String word() {
    return word;
  }

  /** Its typical value. */
  public Rgb rgb() {
    return rgb;
  }

  /** Whether its second tone is dark; the others' is nearly white. */
  boolean isLight() {
    return light;
  }
}
