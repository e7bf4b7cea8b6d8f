package org.espalier.compute;

/**
 * An amount of compute, in all units at once.
 *
 * @param nfe network evaluations by the published convention: one for one candidate at one scale or
 *     denoising step; a cached prefix is free, a guidance pair counts once, siblings count each
 * @param rows sequences that really went through the network: guidance doubles them, siblings share
 *     one
 * @param tokens tokens that really went through the network, over all rows
 * @param flops floating-point operations of encoder, generator and decoder: exact counts of matrix
 *     products, attention and convolutions, a multiply-add being two
 * @param decodes images decoded, previews included
 * @param verifierCalls images scored
 * @param verifierFlops floating-point operations of the verifiers
 * @param wallNanos wall time of the native calls in nanoseconds; 0 in quotes
 */
public record Cost(
    long nfe,
    long rows,
    long tokens,
    long flops,
    long decodes,
    long verifierCalls,
    long verifierFlops,
    long wallNanos) {

  /** Nothing. */
  public static final Cost ZERO = new Cost(0, 0, 0, 0, 0, 0, 0, 0);

  public Cost {
    if (nfe < 0
        || rows < 0
        || tokens < 0
        || flops < 0
        || decodes < 0
        || verifierCalls < 0
        || verifierFlops < 0
        || wallNanos < 0) {
      throw new IllegalArgumentException(
          "a cost is negative: nfe=%d rows=%d tokens=%d flops=%d decodes=%d calls=%d verifierFlops=%d wall=%d"
              .formatted(
                  nfe, rows, tokens, flops, decodes, verifierCalls, verifierFlops, wallNanos));
    }
  }

  /**
   * A generator's work.
   *
   * @param nfe evaluations by the published convention
   * @param rows rows through the network
   * @param tokens tokens through the network
   * @param flops floating-point operations
   */
  public static Cost generate(long nfe, long rows, long tokens, long flops) {
    return new Cost(nfe, rows, tokens, flops, 0, 0, 0, 0);
  }

  /**
   * Decoding of images.
   *
   * @param images how many
   * @param flops floating-point operations together
   */
  public static Cost decode(long images, long flops) {
    return new Cost(0, 0, 0, flops, images, 0, 0, 0);
  }

  /**
   * A verifier's work.
   *
   * @param images how many
   * @param flops floating-point operations together
   */
  public static Cost verify(long images, long flops) {
    return new Cost(0, 0, 0, 0, 0, images, flops, 0);
  }

  /**
   * The sum.
   *
   * @param other another cost
   */
  public Cost plus(Cost other) {
    return new Cost(
        Math.addExact(nfe, other.nfe),
        Math.addExact(rows, other.rows),
        Math.addExact(tokens, other.tokens),
        Math.addExact(flops, other.flops),
        Math.addExact(decodes, other.decodes),
        Math.addExact(verifierCalls, other.verifierCalls),
        Math.addExact(verifierFlops, other.verifierFlops),
        Math.addExact(wallNanos, other.wallNanos));
  }

  /**
   * The difference.
   *
   * @param other a cost that is not larger in any unit
   */
  public Cost minus(Cost other) {
    return new Cost(
        nfe - other.nfe,
        rows - other.rows,
        tokens - other.tokens,
        flops - other.flops,
        decodes - other.decodes,
        verifierCalls - other.verifierCalls,
        verifierFlops - other.verifierFlops,
        wallNanos - other.wallNanos);
  }

  /**
   * This cost, several times.
   *
   * @param count how often, not negative
   */
  public Cost times(long count) {
    return new Cost(
        Math.multiplyExact(nfe, count),
        Math.multiplyExact(rows, count),
        Math.multiplyExact(tokens, count),
        Math.multiplyExact(flops, count),
        Math.multiplyExact(decodes, count),
        Math.multiplyExact(verifierCalls, count),
        Math.multiplyExact(verifierFlops, count),
        Math.multiplyExact(wallNanos, count));
  }

  /**
   * The same cost with another wall time.
   *
   * @param nanos wall time in nanoseconds
   */
  public Cost withWallNanos(long nanos) {
    return new Cost(nfe, rows, tokens, flops, decodes, verifierCalls, verifierFlops, nanos);
  }

  /**
   * Whether this cost is within another in every unit but wall time.
   *
   * @param bound an upper bound
   */
  public boolean within(Cost bound) {
    return nfe <= bound.nfe
        && rows <= bound.rows
        && tokens <= bound.tokens
        && flops <= bound.flops
        && decodes <= bound.decodes
        && verifierCalls <= bound.verifierCalls
        && verifierFlops <= bound.verifierFlops;
  }
}
