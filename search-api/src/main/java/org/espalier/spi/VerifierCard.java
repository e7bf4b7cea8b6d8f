package org.espalier.spi;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.EspalierException;
import org.espalier.compute.Accuracy;

/**
 * What a loaded verifier is.
 *
 * @param id kebab-case identifier of the provider, for example {@code clip}
 * @param weightsSha256 hash over all weights files, hex; empty where there are none
 * @param programSha256 hash over the network programs, hex; empty where there are none
 * @param licence SPDX identifier or name of the weights' licence
 * @param preprocessing how an image is prepared, in words
 * @param textLimit prompt length in tokens beyond which it is truncated, or empty
 * @param range the range of its values, in words, for example {@code [-1, 1] x 100}
 * @param metric what it measures; the same metric in search and evaluation is labelled so
 * @param facts further facts for provenance: what it was made from (see {@link Lineage}), what part
 *     of an image it sees (see {@link #SEES})
 * @param concurrency how many calls of {@link Verifier#verify} may run at once, positive; 1 for
 *     what computes here, more for what waits for a server
 * @param accuracy how far its costs can be believed
 */
public record VerifierCard(
    String id,
    String weightsSha256,
    String programSha256,
    String licence,
    String preprocessing,
    OptionalInt textLimit,
    String range,
    String metric,
    Map<String, String> facts,
    int concurrency,
    Accuracy accuracy) {
  /** The fact that says in words what part of an image that is not square is seen. */
  public static final String SEES = "sees";

  /** What {@link #SEES} says where the rest of an image that is not square is cut off. */
  public static final String MIDDLE_SQUARE = "the middle square of the image";

  public VerifierCard {
    facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
    if (concurrency < 1) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The verifier (%s) says that %d of its calls may run at once.".formatted(id, concurrency),
          "Maybe leave it at 1.");
    }
  }

  /**
   * A verifier that computes here: one call at a time, at a cost that is counted. Components as of
   * the record.
   *
   * @param id kebab-case identifier of the provider
   * @param weightsSha256 hash over all weights files
   * @param programSha256 hash over the network programs
   * @param licence of the weights
   * @param preprocessing how an image is prepared
   * @param textLimit prompt length in tokens beyond which it is truncated
   * @param range the range of its values
   * @param metric what it measures
   * @param facts further facts
   */
  public VerifierCard(
      String id,
      String weightsSha256,
      String programSha256,
      String licence,
      String preprocessing,
      OptionalInt textLimit,
      String range,
      String metric,
      Map<String, String> facts) {
    this(
        id,
        weightsSha256,
        programSha256,
        licence,
        preprocessing,
        textLimit,
        range,
        metric,
        facts,
        1,
        Accuracy.EXACT);
  }

  /**
   * A card without weights, truncation and further facts.
   *
   * @param id kebab-case identifier of the provider
   * @param metric what it measures
   * @param range the range of its values, in words
   */
  public static VerifierCard of(String id, String metric, String range) {
    return new VerifierCard(
        id, "", "", "none", "none", OptionalInt.empty(), range, metric, Map.of());
  }

  /**
   * The same for a verifier several of whose calls may run at once.
   *
   * @param calls how many, positive
   */
  public VerifierCard withConcurrency(int calls) {
    return new VerifierCard(
        id,
        weightsSha256,
        programSha256,
        licence,
        preprocessing,
        textLimit,
        range,
        metric,
        facts,
        calls,
        accuracy);
  }

  /**
   * The same for a verifier whose costs are not counted.
   *
   * @param of its costs
   */
  public VerifierCard withAccuracy(Accuracy of) {
    return new VerifierCard(
        id,
        weightsSha256,
        programSha256,
        licence,
        preprocessing,
        textLimit,
        range,
        metric,
        facts,
        concurrency,
        of);
  }
}
