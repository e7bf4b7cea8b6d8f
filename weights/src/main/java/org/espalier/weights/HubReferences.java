package org.espalier.weights;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;

/** The checkpoints of the hub that the configuration of a model or verifier refers to. */
public final class HubReferences {
  private HubReferences() {}

  /**
   * Implemented by providers whose published checkpoints lie in several places of the hub, of which
   * a configuration names one.
   */
  public interface Companions {
    /**
     * References, as {@code hf:ORG/NAME[@REVISION][/FILE]}, to what is read besides.
     *
     * @param config the configuration, by its keys; null where a key has no value
     */
    Set<String> companions(Map<String, ?> config);
  }

  /**
   * All references of a configuration: its texts that begin with {@code hf:}, its {@code weights}
   * where they are {@code ORG/NAME} and no path, and what its provider adds.
   *
   * @param config the configuration, by its keys
   * @param provider of the model or verifier
   * @param exists whether a path of a text exists
   */
  public static List<HubId> of(Map<String, ?> config, Object provider, Predicate<String> exists) {
    Map<String, HubId> found = new TreeMap<>();
    collect(config, exists, found);
    if (provider instanceof Companions companions) {
      for (String text : new TreeSet<>(companions.companions(config))) {
        found.put(text, HubId.of(text));
      }
    }
    return List.copyOf(found.values());
  }

  private static void collect(Object value, Predicate<String> exists, Map<String, HubId> found) {
    if (value instanceof Map<?, ?> map) {
      map.forEach(
          (key, entry) -> {
            if (entry instanceof String text) {
              if (text.startsWith(HubId.PREFIX) || (key.equals("weights") && !exists.test(text))) {
                HubId.maybe(text).ifPresent(id -> found.put(id.toString(), id));
              }
            } else if (entry != null) {
              collect(entry, exists, found);
            }
          });
    } else if (value instanceof Iterable<?> list) {
      list.forEach(
          entry -> {
            if (entry != null) {
              collect(entry, exists, found);
            }
          });
    }
  }
}
