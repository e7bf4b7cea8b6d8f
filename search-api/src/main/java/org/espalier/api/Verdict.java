package org.espalier.api;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a verifier says of one image. A failure is never a score of zero. */
public sealed interface Verdict {

  /**
   * A score.
   *
   * @param value higher is better; finite
   * @param parts named components of the value, for records; finite; unmodifiable
   */
  record Scored(double value, Map<String, Double> parts) implements Verdict {
    public Scored {
      if (!Double.isFinite(value)) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT,
            "A verifier returned a score (" + value + ") that is not finite.",
            "Maybe return Verdict.Failed with the reason.");
      }
      parts = Collections.unmodifiableMap(new LinkedHashMap<>(parts));
      parts.forEach(
          (name, part) -> {
            if (!Double.isFinite(part)) {
              throw new EspalierException(
                  EspalierException.Code.PLUGIN_CONTRACT,
                  "A verifier returned a part (" + name + " = " + part + ") that is not finite.",
                  "Maybe leave it out.");
            }
          });
    }
  }

  /**
   * The verifier could not judge this image.
   *
   * @param reason why
   */
  record Failed(String reason) implements Verdict {}

  /**
   * A score without parts.
   *
   * @param value higher is better; finite
   */
  static Verdict scored(double value) {
    return new Scored(value, Map.of());
  }
}
