package org.espalier.api;

import org.jspecify.annotations.Nullable;

/**
 * An error with a category and, where there is one, advice. Its message reads {@code [CONFIG] The
 * beam width (0) must be positive.} and, on the next line, {@code Maybe set strategy.width >= 1.}
 */
public class EspalierException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Who has to act: the first three are the user's, the others the machine's or a plugin's. */
  public enum Code {
    /** The configuration or an input file is wrong. */
    CONFIG,
    /** A strategy, model and verifier that cannot work together. */
    CAPABILITY,
    /** The compute budget does not suffice. */
    BUDGET,
    /** Memory, disk or device is missing or exhausted. */
    RESOURCE,
    /** A plugin broke a rule of the SPI. */
    PLUGIN_CONTRACT,
    /** The native engine failed. */
    NATIVE
  }

  private final Code code;

  /**
   * @param code the category
   * @param what one sentence: where and what is wrong, with the offending value in parentheses
   * @param advice how to mend it, as a sentence that starts with "Maybe", or null
   * @param cause the cause, or null
   */
  public EspalierException(
      Code code, String what, @Nullable String advice, @Nullable Throwable cause) {
    super("[" + code + "] " + what + (advice == null ? "" : "\n" + advice), cause);
    this.code = code;
  }

  /**
   * An error without a cause.
   *
   * @param code the category
   * @param what one sentence: where and what is wrong
   * @param advice how to mend it, or null
   */
  public EspalierException(Code code, String what, @Nullable String advice) {
    this(code, what, advice, null);
  }

  /** The category. */
  public Code code() {
    return code;
  }

  /**
   * A configuration error.
   *
   * @param what one sentence: where and what is wrong
   * @param advice how to mend it
   */
  public static EspalierException config(String what, String advice) {
    return new EspalierException(Code.CONFIG, what, advice);
  }
}
