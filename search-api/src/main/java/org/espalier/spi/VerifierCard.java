package org.espalier.spi;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;

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
 * @param facts further facts for provenance
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
    Map<String, String> facts) {
  public VerifierCard {
    facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
  }
}
