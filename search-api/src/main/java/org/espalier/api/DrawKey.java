package org.espalier.api;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * A 128-bit key from which noise is generated. Noise is a pure function of its key, so the same
 * draw is the same noise for every strategy, batch size, thread and machine. Keys form a tree:
 * {@link #child} derives independent keys. There is nothing to seed and nothing to advance.
 *
 * @param high the upper 64 bits
 * @param low the lower 64 bits
 */
public record DrawKey(long high, long low) {

  /**
   * The root key of a study.
   *
   * @param seed the study's seed
   */
  public static DrawKey root(long seed) {
    return new DrawKey(0x6573_7061_6c69_6572L, seed).child("root");
  }

  /**
   * The key of a named branch.
   *
   * @param purpose what the noise is for
   */
  public DrawKey child(String purpose) {
    byte[] name = purpose.getBytes(StandardCharsets.UTF_8);
    return derive(
        ByteBuffer.allocate(17 + name.length).put((byte) 's').putLong(high).putLong(low).put(name));
  }

  /**
   * The key of a numbered branch.
   *
   * @param index any number
   */
  public DrawKey child(long index) {
    return derive(
        ByteBuffer.allocate(25).put((byte) 'i').putLong(high).putLong(low).putLong(index));
  }

  /** A uniform number in [0, 1), a function of this key alone: for decisions of a strategy. */
  public double uniform() {
    return (high >>> 11) * 0x1p-53;
  }

  private static DrawKey derive(ByteBuffer input) {
    try {
      ByteBuffer digest =
          ByteBuffer.wrap(MessageDigest.getInstance("SHA-256").digest(input.array()));
      return new DrawKey(digest.getLong(), digest.getLong());
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  @Override
  public String toString() {
    return String.format("%016x%016x", high, low);
  }
}
