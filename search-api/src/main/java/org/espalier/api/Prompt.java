package org.espalier.api;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * A text prompt.
 *
 * @param id stable identifier within its prompt set; part of the key of every draw
 * @param text the prompt as the model and the verifiers read it; may be empty
 * @param tag category, for example GenEval's {@code two_object}; empty where there is none
 * @param metadata further fields of the prompt file, as parsed from JSON; unmodifiable
 */
public record Prompt(String id, String text, String tag, Map<String, Object> metadata) {
  public Prompt {
    Objects.requireNonNull(text, "text");
    if (id.isEmpty()) {
      throw EspalierException.config(
          "A prompt has an empty id (text: \"" + text + "\").", "Maybe number the prompts.");
    }
    metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
  }

  /**
   * A prompt without tag or metadata.
   *
   * @param id stable identifier
   * @param text the prompt
   */
  public static Prompt of(String id, String text) {
    return new Prompt(id, text, "", Map.of());
  }
}
