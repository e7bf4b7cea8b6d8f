package org.espalier.verifiers;

/** The sizes of a model of CLIP's form: an image tower and a text tower with one common space. */
interface TwoTowers {
  /** Side of the input in pixels. */
  int imageSize();

  /** Width of the common space. */
  int projection();

  /** The most tokens of a text, special ones included. */
  int textLimit();

  /** Tokens of an image. */
  int imageTokens();

  /**
   * Tokens of a text in the tower.
   *
   * @param length of the text
   */
  int textTokens(int length);

  /** Operations of embedding one image. */
  long imageFlops();

  /**
   * Operations of embedding one text.
   *
   * @param length of the text in tokens
   */
  long textFlops(int length);

  /** Operations of comparing two embeddings. */
  long compareFlops();
}
