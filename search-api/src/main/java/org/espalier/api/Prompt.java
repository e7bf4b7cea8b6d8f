package org.espalier.api;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A text prompt.
 *
 * @param id stable identifier within its prompt set; part of the key of every draw
 * @param text the prompt as the model and the verifiers read it; may be empty
 * @param tag category, for example GenEval's {@code two_object}; empty where there is none
 * @param metadata further fields of the prompt file, as parsed from JSON; unmodifiable, the maps
 *     and lists in it too
 */
public record Prompt(String id, String text, String tag, Map<String, Object> metadata) {
  public Prompt {
    Objects.requireNonNull(text, "text");
    if (id.isEmpty()) {
      throw EspalierException.config(
          "A prompt has an empty id (text: \"" + text + "\").", "Maybe number the prompts.");
    }
    metadata = Collections.unmodifiableMap(frozen(metadata));
  }

  private static Map<String, Object> frozen(Map<String, Object> map) {
    Map<String, Object> copy = new LinkedHashMap<>();
    map.forEach((key, value) -> copy.put(key, frozen(value)));
    return copy;
  }

  /** A copy that nobody can change, all the way down. */
  private static Object frozen(Object value) {
    if (value instanceof Map<?, ?> map) {
      Map<Object, Object> copy = new LinkedHashMap<>();
      map.forEach((key, element) -> copy.put(key, frozen(element)));
      return Collections.unmodifiableMap(copy);
    }
    if (value instanceof Collection<?> elements) {
      List<Object> copy = new ArrayList<>(elements.size());
      elements.forEach(element -> copy.add(frozen(element)));
      return Collections.unmodifiableList(copy);
    }
    return value;
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
