package org.espalier.api;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * An error with a category and, where there is one, advice. Its message reads {@code [CONFIG] The
 * beam width (0) must be positive.} and, on the next line, {@code Maybe set strategy.width >= 1.}
 * With a {@link #place} that stands before the sentence: {@code [CONFIG] study.yaml:3:10: The ...}
 *
 * <p>The parts can be asked for, so nobody needs to take a message apart.
 */
public class EspalierException extends RuntimeException {
  private static final long serialVersionUID = 2L;

  /** What went wrong, and so who has to act. */
  public enum Code {
    /** The configuration, the class path or an input file is wrong: the user's. */
    CONFIG,
    /** A strategy, model and verifier that cannot work together: the user's. */
    CAPABILITY,
    /** The compute budget does not suffice: the user's. */
    BUDGET,
    /** Memory, disk, device or a service is missing or exhausted: the user's environment. */
    RESOURCE,
    /** A plugin broke a rule of the SPI: its author's. */
    PLUGIN_CONTRACT,
    /** The native engine or a plugin failed: a defect. */
    NATIVE
  }

  private final Code code;
  private final String what;
  private final @Nullable String advice;
  private final @Nullable String subject;
  private final @Nullable String place;

  /**
   * @param code the category
   * @param what one sentence: what is wrong, with the offending value in parentheses
   * @param advice how to mend it, as a sentence that starts with "Maybe", or null
   * @param cause the cause, or null
   */
  public EspalierException(
      Code code, String what, @Nullable String advice, @Nullable Throwable cause) {
    this(code, what, advice, null, null, cause);
  }

  /**
   * An error without a cause.
   *
   * @param code the category
   * @param what one sentence: what is wrong
   * @param advice how to mend it, or null
   */
  public EspalierException(Code code, String what, @Nullable String advice) {
    this(code, what, advice, null);
  }

  private EspalierException(
      Code code,
      String what,
      @Nullable String advice,
      @Nullable String subject,
      @Nullable String place,
      @Nullable Throwable cause) {
    super(
        "["
            + code
            + "] "
            + (place == null ? "" : place + ": ")
            + what
            + (advice == null ? "" : "\n" + advice),
        cause);
    this.code = code;
    this.what = what;
    this.advice = advice;
    this.subject = subject;
    this.place = place;
  }

  /** The category. */
  public final Code code() {
    return code;
  }

  /** What is wrong: one sentence, without category, place and advice. */
  public final String what() {
    return what;
  }

  /** How to mend it. */
  public final Optional<String> advice() {
    return Optional.ofNullable(advice);
  }

  /**
   * The configuration key that it is about, for example {@code strategy.width}, of which the last
   * part is the record's component.
   */
  public final Optional<String> subject() {
    return Optional.ofNullable(subject);
  }

  /** Where the mistake stands, for example {@code study.yaml:3:10}. */
  public final Optional<String> place() {
    return Optional.ofNullable(place);
  }

  /**
   * The same error, about a configuration key: whoever knows the file then finds its place.
   *
   * @param key for example {@code strategy.width}; the last part is the record's component
   */
  public final EspalierException about(String key) {
    EspalierException about = new EspalierException(code, what, advice, key, place, getCause());
    about.setStackTrace(getStackTrace());
    return about;
  }

  /**
   * The same error with its place. An error that has one keeps it: the first to know is the
   * nearest.
   *
   * @param where for example {@code study.yaml:3:10}
   */
  public final EspalierException at(String where) {
    return place != null ? this : new EspalierException(code, what, advice, subject, where, this);
  }

  /**
   * A configuration error.
   *
   * @param what one sentence: what is wrong
   * @param advice how to mend it
   */
  public static EspalierException config(String what, String advice) {
    return new EspalierException(Code.CONFIG, what, advice);
  }
}
