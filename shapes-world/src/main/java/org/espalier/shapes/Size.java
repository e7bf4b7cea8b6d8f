package org.espalier.shapes;

/** How large an object is. */
public enum Size implements Term {
  /** A radius of 6.6 to 7.8 pixels. */
  SMALL("small"),
  /** A radius of 10.5 to 12.5 pixels. */
  LARGE("large");

  private final String word;

  Size(String word) {
    this.word = word;
  }

  @Override
  public String word() {
    return word;
  }
}
