package org.espalier.plugins;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.lang.reflect.RecordComponent;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.TreeMap;
import org.espalier.spi.NoEffectOnResults;
import org.espalier.spi.PluginRef;
import org.jspecify.annotations.Nullable;

/** The one textual form of a configuration: JSON with sorted keys, defaults filled in. */
public final class Canonical {
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
          .enable(StreamWriteFeature.USE_FAST_DOUBLE_WRITER)
          .build();

  private Canonical() {}

  /**
   * Plain maps, lists and scalars for a value; records become maps of their components.
   *
   * @param value a record, enum, collection or scalar
   */
  public static @Nullable Object plain(@Nullable Object value) {
    return plain(value, false);
  }

  /**
   * The same without components that cannot change a result, which are marked {@link
   * NoEffectOnResults}: what a configuration is known by.
   *
   * @param value as for {@link #plain}
   */
  public static @Nullable Object key(@Nullable Object value) {
    return plain(value, true);
  }

  private static @Nullable Object plain(@Nullable Object value, boolean key) {
    if (value == null || value instanceof String || value instanceof Boolean) {
      return value;
    }
    if (value instanceof Number number) {
      return number;
    }
    if (value instanceof Enum<?> constant) {
      return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
    if (value instanceof Optional<?> optional) {
      return plain(optional.orElse(null), key);
    }
    if (value instanceof OptionalInt optional) {
      return optional.isPresent() ? optional.getAsInt() : null;
    }
    if (value instanceof OptionalDouble optional) {
      return optional.isPresent() ? optional.getAsDouble() : null;
    }
    if (value instanceof Map<?, ?> map) {
      Map<String, @Nullable Object> sorted = new TreeMap<>();
      map.forEach((k, v) -> sorted.put(String.valueOf(plain(k, key)), plain(v, key)));
      return sorted;
    }
    if (value instanceof PluginRef<?> ref) {
      return plain(ref.config(), key);
    }
    if (value instanceof Collection<?> collection) {
      List<@Nullable Object> list = new ArrayList<>();
      collection.forEach(element -> list.add(plain(element, key)));
      return list;
    }
    if (value instanceof Record record && hasPlainForm(record)) {
      return record.toString();
    }
    if (value instanceof Record record) {
      Map<String, @Nullable Object> map = new TreeMap<>();
      for (RecordComponent component : record.getClass().getRecordComponents()) {
        if (key && component.isAnnotationPresent(NoEffectOnResults.class)) {
          continue;
        }
        Object part = RecordBinder.read(component, record);
        if (part instanceof PluginRef<?> ref
            && RecordBinder.isPluginWithMore(record.getClass())
            && plain(ref.config(), key) instanceof Map<?, ?> plugin) {
          plugin.forEach((name, own) -> map.put(String.valueOf(name), own));
        } else if (part != null && !(part instanceof Optional<?> o && o.isEmpty())) {
          map.put(component.getName(), plain(part, key));
        }
      }
      return map;
    }
    return value.toString();
  }

  /** A value type bound from a scalar is written as that scalar: by its own toString. */
  private static boolean hasPlainForm(Record record) {
    try {
      return record.getClass().getMethod("toString").getDeclaringClass() == record.getClass()
          && record.getClass().getMethod("of", String.class) != null
          && !record.toString().startsWith(record.getClass().getSimpleName() + "[");
    } catch (NoSuchMethodException e) {
      return false;
    }
  }

  /**
   * Canonical JSON.
   *
   * @param value anything that {@link #plain} takes
   */
  public static String json(@Nullable Object value) {
    try {
      return JSON.writeValueAsString(plain(value));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("plain values are JSON", e);
    }
  }

  /**
   * Objects that differ in few members: the canonical JSON of the others is written once and, as
   * far as it stands before all that differs, hashed once.
   */
  public static final class Template {
    private final byte[] start;
    private final MessageDigest started = newSha256();
    private final List<String> between = new ArrayList<>();

    /**
     * @param shared canonical JSON by name
     * @param varied names of the members that differ, sorted; names are of letters
     */
    public Template(SortedMap<String, String> shared, List<String> varied) {
      SortedMap<String, String> all = new TreeMap<>(shared);
      varied.forEach(name -> all.put(name, ""));
      StringBuilder json = new StringBuilder("{");
      all.forEach(
          (name, value) -> {
            json.append(name.equals(all.firstKey()) ? "\"" : ",\"").append(name).append("\":");
            json.append(value);
            if (varied.contains(name)) {
              between.add(json.toString());
              json.setLength(0);
            }
          });
      between.add(json.append('}').toString());
      start = between.remove(0).getBytes(StandardCharsets.UTF_8);
      started.update(start);
    }

    /**
     * SHA-256 of one object's canonical JSON, in hex.
     *
     * @param values canonical JSON of the members that differ, in their order
     */
    public String sha256(String... values) {
      StringBuilder rest = new StringBuilder();
      for (int i = 0; i < values.length; i++) {
        rest.append(values[i]).append(between.get(i));
      }
      byte[] bytes = rest.toString().getBytes(StandardCharsets.UTF_8);
      return HexFormat.of().formatHex(copy().digest(bytes));
    }

    private MessageDigest copy() {
      try {
        return (MessageDigest) started.clone();
      } catch (CloneNotSupportedException e) {
        // Not every provider of digests can copy one.
        MessageDigest again = newSha256();
        again.update(start);
        return again;
      }
    }
  }

  /**
   * SHA-256 of the canonical JSON, in hex.
   *
   * @param value anything that {@link #plain} takes
   */
  public static String sha256(@Nullable Object value) {
    return sha256(json(value).getBytes(StandardCharsets.UTF_8));
  }

  /**
   * SHA-256 of bytes, in hex.
   *
   * @param bytes any bytes
   */
  public static String sha256(byte[] bytes) {
    return HexFormat.of().formatHex(newSha256().digest(bytes));
  }

  private static MessageDigest newSha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
