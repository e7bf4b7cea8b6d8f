package org.espalier.torch;

import java.util.Arrays;

/**
 * A tokenized text.
 *
 * @param ids token numbers, padding at the end; not copied, so treat them as read-only
 * @param length tokens that are no padding
 * @param truncated whether the text was longer than the tokenizer's limit
 */
public record Tokens(long[] ids, int length, boolean truncated) {

  /**
   * The same tokens with padding at the end.
   *
   * @param size tokens together; not below {@link #length}
   * @param padId number of the padding token
   */
  public Tokens padded(int size, long padId) {
    if (size < length) {
      throw new IllegalArgumentException(length + " tokens do not fit in " + size);
    }
    long[] padded = Arrays.copyOf(ids, size);
    Arrays.fill(padded, length, size, padId);
    return new Tokens(padded, length, truncated);
  }

  /** 1 for each token, 0 for padding. */
  public float[] mask() {
    float[] mask = new float[ids.length];
    Arrays.fill(mask, 0, length, 1);
    return mask;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Tokens tokens
        && Arrays.equals(ids, tokens.ids)
        && length == tokens.length
        && truncated == tokens.truncated;
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(ids);
  }

  @Override
  public String toString() {
    return Arrays.toString(ids);
  }
}
