package org.espalier.spi;

/**
 * What really went through a network since it was loaded, counted at the native call. Monotone. The
 * engine audits its charges against the difference of two readings.
 *
 * @param rows sequences
 * @param tokens tokens over all rows
 * @param flops floating-point operations, encoder and decoder included
 * @param images images decoded (models) or scored (verifiers)
 * @param microDollars money paid to a service, in millionths of a US dollar
 */
public record WorkCounters(long rows, long tokens, long flops, long images, long microDollars) {
  /** Nothing yet. */
  public static final WorkCounters ZERO = new WorkCounters(0, 0, 0, 0);

  /**
   * Work that costs no money.
   *
   * @param rows sequences
   * @param tokens tokens over all rows
   * @param flops floating-point operations
   * @param images images decoded or scored
   */
  public WorkCounters(long rows, long tokens, long flops, long images) {
    this(rows, tokens, flops, images, 0);
  }

  /**
   * The difference of two readings.
   *
   * @param earlier the earlier reading
   */
  public WorkCounters since(WorkCounters earlier) {
    return new WorkCounters(
        rows - earlier.rows,
        tokens - earlier.tokens,
        flops - earlier.flops,
        images - earlier.images,
        microDollars - earlier.microDollars);
  }

  /**
   * The sum.
   *
   * @param other more work
   */
  public WorkCounters plus(WorkCounters other) {
    return new WorkCounters(
        rows + other.rows,
        tokens + other.tokens,
        flops + other.flops,
        images + other.images,
        microDollars + other.microDollars);
  }
}
