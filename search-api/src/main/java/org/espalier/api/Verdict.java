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
      Map<String, Double> copy = new LinkedHashMap<>();
      for (Map.Entry<String, Double> part : parts.entrySet()) {
        if (part.getKey() == null || part.getValue() == null || !Double.isFinite(part.getValue())) {
          throw new EspalierException(
              EspalierException.Code.PLUGIN_CONTRACT,
              "A verifier returned a part (%s = %s) that is not finite."
                  .formatted(part.getKey(), part.getValue()),
              "Maybe leave it out.");
        }
        copy.put(part.getKey(), part.getValue());
      }
      parts = Collections.unmodifiableMap(copy);
    }
  }

  /**
   * The verifier could not judge this image.
   *
   * @param reason why
   */
  record Failed(String reason) implements Verdict {
    public Failed {
      reason = reason == null || reason.isBlank() ? "no reason given" : reason;
    }
  }

  /**
   * A score without parts.
   *
   * @param value higher is better; finite
   */
  static Verdict scored(double value) {
    return new Scored(value, Map.of());
  }
}
