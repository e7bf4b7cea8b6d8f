package org.espalier.study;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.espalier.plugins.PluginRegistry;
import org.espalier.plugins.PluginSpec;
import org.espalier.plugins.RecordBinder;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelProvider;
import org.espalier.spi.PluginRef;
import org.espalier.spi.StrategyProvider;
import org.espalier.spi.VerifierProvider;
import org.jspecify.annotations.Nullable;

/** The JSON Schema of study files, made from the records that they are bound to. */
public final class StudySchema {
  private StudySchema() {}

  /**
   * The schema.
   *
   * @param registry the plugins whose keys it knows
   */
  public static Map<String, Object> of(PluginRegistry registry) {
    Map<String, Object> schema = new LinkedHashMap<>();
    schema.put("$schema", "https://json-schema.org/draft/2020-12/schema");
    schema.put("title", "Espalier study");
    StudySchema made = new StudySchema();
    schema.putAll(made.record(StudySpec.class, null));
    Map<String, Object> definitions = new LinkedHashMap<>();
    definitions.put("strategy", plugins(made, registry.strategies(), StrategyProvider::configType));
    definitions.put("model", plugins(made, registry.models(), ModelProvider::configType));
    definitions.put("verifier", plugins(made, registry.verifiers(), VerifierProvider::configType));
    schema.put("$defs", definitions);
    return schema;
  }

  private static <P> Map<String, Object> plugins(
      StudySchema schema, Map<String, P> providers, Function<P, Class<?>> config) {
    List<Object> choices = new ArrayList<>();
    choices.add(Map.of("type", "string", "enum", List.copyOf(providers.keySet())));
    providers.forEach((id, provider) -> choices.add(schema.record(config.apply(provider), id)));
    return Map.of("anyOf", choices);
  }

  private Map<String, Object> record(Class<?> type, @Nullable String id) {
    Map<String, Object> properties = new LinkedHashMap<>();
    List<String> required = new ArrayList<>();
    if (id != null) {
      properties.put("id", Map.of("const", id));
      required.add("id");
    }
    for (RecordComponent component : type.getRecordComponents()) {
      properties.put(component.getName(), type(component.getGenericType(), component.getName()));
      boolean optional =
          component.getAnnotatedType().isAnnotationPresent(Nullable.class)
              || component.getType() == Optional.class;
      // Plugins may fill in what is left out, annotated or not; the study's own keys are exact.
      if (component.getType().isPrimitive() || (!optional && id == null)) {
        required.add(component.getName());
      }
    }
    Map<String, Object> schema = new LinkedHashMap<>();
    schema.put("type", "object");
    schema.put("properties", properties);
    schema.put("required", required);
    schema.put("additionalProperties", false);
    return schema;
  }

  private Object type(Type type, String name) {
    if (type instanceof ParameterizedType generic) {
      Type[] of = generic.getActualTypeArguments();
      Class<?> raw = (Class<?>) generic.getRawType();
      if (raw == PluginRef.class) {
        return Map.of("$ref", "#/$defs/" + (of[0] == GenerativeModel.class ? "model" : "verifier"));
      }
      if (raw == Map.class) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", "object");
        if (of[0] instanceof Class<?> key && key.isEnum()) {
          map.put("propertyNames", Map.of("enum", names(key)));
        }
        map.put("additionalProperties", type(of[1], name));
        return map;
      }
      if (raw == List.class || raw == Set.class) {
        Object element = type(of[0], name);
        return Map.of("anyOf", List.of(Map.of("type", "array", "items", element), element));
      }
      return type(of[0], name);
    }
    if (!(type instanceof Class<?> raw)) {
      return Map.of();
    }
    if (raw == PluginSpec.class) {
      String kind =
          switch (name) {
            case "strategy" -> "strategy";
            case "models" -> "model";
            default -> "verifier";
          };
      return Map.of("$ref", "#/$defs/" + kind);
    }
    if (raw.isEnum()) {
      return Map.of("enum", names(raw));
    }
    if (raw == boolean.class || raw == Boolean.class) {
      return Map.of("type", "boolean");
    }
    if (raw == int.class || raw == Integer.class || raw == long.class || raw == Long.class) {
      return Map.of("type", "integer");
    }
    if (raw == double.class || raw == Double.class || raw == float.class || raw == Float.class) {
      return Map.of("type", "number");
    }
    if (raw == String.class || raw == java.nio.file.Path.class) {
      return Map.of("type", List.of("string", "number"));
    }
    if (raw.isRecord() && hasScalarForm(raw)) {
      return Map.of("type", List.of("string", "number"));
    }
    if (RecordBinder.isPluginWithMore(raw)) {
      // One mapping with the plugin's own keys, which its id decides about.
      Map<String, Object> properties = new LinkedHashMap<>();
      properties.put("id", Map.of("type", "string"));
      for (RecordComponent component : raw.getRecordComponents()) {
        if (component.getType() != PluginRef.class) {
          properties.put(
              component.getName(), type(component.getGenericType(), component.getName()));
        }
      }
      return Map.of("type", "object", "properties", properties, "required", List.of("id"));
    }
    return raw.isRecord() ? record(raw, null) : Map.of();
  }

  private static boolean hasScalarForm(Class<?> type) {
    try {
      return type.getMethod("of", String.class) != null;
    } catch (NoSuchMethodException e) {
      return false;
    }
  }

  private static List<String> names(Class<?> type) {
    List<String> names = new ArrayList<>();
    for (Object constant : type.getEnumConstants()) {
      String lower = ((Enum<?>) constant).name().toLowerCase(Locale.ROOT);
      names.add(lower.replace('_', '-'));
      if (lower.indexOf('_') >= 0) {
        names.add(lower);
      }
    }
    return names;
  }
}
