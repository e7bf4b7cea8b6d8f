package org.espalier.shapes;

/** How an object is filled. */
public enum Texture implements Term {
  SOLID("solid"),
  /** Diagonal stripes in a second tone. */
  STRIPED("striped"),
  /** Dots in a second tone. */
  DOTTED("dotted");

  private final String word;

  Texture(String word) {
    this.word = word;
  }

  @Override
  public String word() {
    return word;
  }
}
