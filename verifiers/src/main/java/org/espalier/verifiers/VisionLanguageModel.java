package org.espalier.verifiers;

import org.espalier.spi.RgbImage;

/**
 * A model that reads an image and a text in one sequence, as {@link JudgeVerifier} asks it.
 *
 * @param <P> an image as it reads it
 */
interface VisionLanguageModel<P> extends AutoCloseable {
  /** The part behind the tower. */
  Decoder decoder();

  /** The token that stands for a place of the image. */
  int imageToken();

  /** The most tokens that an image of ordinary shape becomes. */
  int mostImageTokens();

  /**
   * What an image of a size is for the model.
   *
   * @param tokens in the decoder
   * @param rows sequences through the tower
   * @param patches over these
   * @param flops of the tower
   */
  record Seen(int tokens, int rows, long patches, long flops) {
    static final Seen NOTHING = new Seen(0, 0, 0, 0);
  }

  /**
   * What an image of a size is for the model, or {@link Seen#NOTHING} where it cannot be read.
   *
   * @param width in pixels
   * @param height in pixels
   */
  Seen seen(int width, int height);

  /** Prepares an image: the same work whatever is in the batch. */
  P prepare(RgbImage image);

  /** How that is done, in words. */
  String preprocessing();

  /**
   * Reads an image and a text.
   *
   * @param image prepared
   * @param ids with one image token for each of its tokens
   */
  JudgeRead read(P image, long[] ids);

  /**
   * Reads on.
   *
   * @param before what has been read; stays open
   * @param id the token that follows
   */
  JudgeRead step(JudgeRead before, long id);

  String programSha256();

  @Override
  void close();
}
