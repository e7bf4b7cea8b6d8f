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
 * @param verifierTokens tokens read and written by verifiers that are paid by the token, such as
 *     served ones; 0 for networks that run here, whose work is in {@code verifierFlops}
 * @param microDollars money for services, in millionths of a US dollar
 */
public record Cost(
    long nfe,
    long rows,
    long tokens,
    long flops,
    long decodes,
    long verifierCalls,
    long verifierFlops,
    long wallNanos,
    long verifierTokens,
    long microDollars) {

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
        || wallNanos < 0
        || verifierTokens < 0
        || microDollars < 0) {
      throw new IllegalArgumentException(
          "a cost is negative: nfe=%d rows=%d tokens=%d flops=%d decodes=%d calls=%d verifierFlops=%d wall=%d verifierTokens=%d microDollars=%d"
              .formatted(
                  nfe,
                  rows,
                  tokens,
                  flops,
                  decodes,
                  verifierCalls,
                  verifierFlops,
                  wallNanos,
                  verifierTokens,
                  microDollars));
    }
  }

  /**
   * A cost without services; components as of the record.
   *
   * @param nfe network evaluations
   * @param rows rows through the network
   * @param tokens tokens through the network
   * @param flops floating-point operations of encoder, generator and decoder
   * @param decodes images decoded
   * @param verifierCalls images scored
   * @param verifierFlops floating-point operations of the verifiers
   * @param wallNanos wall time
   */
  public Cost(
      long nfe,
      long rows,
      long tokens,
      long flops,
      long decodes,
      long verifierCalls,
      long verifierFlops,
      long wallNanos) {
    this(nfe, rows, tokens, flops, decodes, verifierCalls, verifierFlops, wallNanos, 0, 0);
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
   * This cost, with what a service takes for it.
   *
   * @param serviceTokens tokens read and written
   * @param serviceMicroDollars money, in millionths of a US dollar
   */
  public Cost withService(long serviceTokens, long serviceMicroDollars) {
    return new Cost(
        nfe,
        rows,
        tokens,
        flops,
        decodes,
        verifierCalls,
        verifierFlops,
        wallNanos,
        serviceTokens,
        serviceMicroDollars);
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
        Math.addExact(wallNanos, other.wallNanos),
        Math.addExact(verifierTokens, other.verifierTokens),
        Math.addExact(microDollars, other.microDollars));
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
        wallNanos - other.wallNanos,
        verifierTokens - other.verifierTokens,
        microDollars - other.microDollars);
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
        Math.multiplyExact(wallNanos, count),
        Math.multiplyExact(verifierTokens, count),
        Math.multiplyExact(microDollars, count));
  }

  /**
   * The same cost with another wall time.
   *
   * @param nanos wall time in nanoseconds
   */
  public Cost withWallNanos(long nanos) {
    return new Cost(
        nfe,
        rows,
        tokens,
        flops,
        decodes,
        verifierCalls,
        verifierFlops,
        nanos,
        verifierTokens,
        microDollars);
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
        && verifierFlops <= bound.verifierFlops
        && verifierTokens <= bound.verifierTokens
        && microDollars <= bound.microDollars;
  }

  /**
   * The smaller of two amounts in each unit.
   *
   * @param bound another cost
   */
  public Cost atMost(Cost bound) {
    return new Cost(
        Math.min(nfe, bound.nfe),
        Math.min(rows, bound.rows),
        Math.min(tokens, bound.tokens),
        Math.min(flops, bound.flops),
        Math.min(decodes, bound.decodes),
        Math.min(verifierCalls, bound.verifierCalls),
        Math.min(verifierFlops, bound.verifierFlops),
        Math.min(wallNanos, bound.wallNanos),
        Math.min(verifierTokens, bound.verifierTokens),
        Math.min(microDollars, bound.microDollars));
  }

  /**
   * The larger of two amounts in each unit.
   *
   * @param bound another cost
   */
  public Cost atLeast(Cost bound) {
    return new Cost(
        Math.max(nfe, bound.nfe),
        Math.max(rows, bound.rows),
        Math.max(tokens, bound.tokens),
        Math.max(flops, bound.flops),
        Math.max(decodes, bound.decodes),
        Math.max(verifierCalls, bound.verifierCalls),
        Math.max(verifierFlops, bound.verifierFlops),
        Math.max(wallNanos, bound.wallNanos),
        Math.max(verifierTokens, bound.verifierTokens),
        Math.max(microDollars, bound.microDollars));
  }
}
