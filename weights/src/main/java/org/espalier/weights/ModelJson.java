package org.espalier.weights;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.InputCoercionException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.type.LogicalType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * The one reader of JSON files that come with checkpoints: {@code config.json}, {@code
 * preprocessor_config.json}, indices of shards, headers of safetensors, answers of a hub. Types
 * must be what they must be: a number as text, {@code 3.5} for a whole number, a key that is there
 * twice, text behind the end are errors that name the file and the field.
 *
 * <p>{@link #read} binds to a record: {@code hiddenSize} is {@code hidden_size} in the file;
 * components of primitive type must be there, boxed ones may be missing; unknown fields are
 * ignored, since published configurations have dozens that no network reads.
 */
public final class ModelJson {
  /** Bytes; published configurations have a few thousand, tokenizers and indices some millions. */
  private static final long LARGEST = 64L << 20;

  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          // Python writes NaN and Infinity where a schedule has no bound.
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
          .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
          .withCoercionConfig(
              LogicalType.Textual,
              config ->
                  config
                      .setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
                      .setCoercion(CoercionInputShape.Float, CoercionAction.Fail)
                      .setCoercion(CoercionInputShape.Boolean, CoercionAction.Fail))
          .build();

  private ModelJson() {}

  /**
   * Reads a file that must be there.
   *
   * @param file the file
   * @param type a record
   * @throws EspalierException CONFIG where it is missing, not valid JSON, or of other types
   */
  public static <T> T read(Path file, Class<T> type) {
    return parse(bytes(file, "file"), type, file.toString());
  }

  /**
   * Reads a file that must be there, as a tree whose values refuse to be taken for another type.
   *
   * @param file the file
   */
  public static JsonNode require(Path file) {
    return require(file, "file");
  }

  /**
   * Reads a file that must be there, as a tree whose values refuse to be taken for another type.
   *
   * @param file the file
   * @param what it is, for the message where it is not there
   */
  public static JsonNode require(Path file, String what) {
    return tree(bytes(file, what), file.toString());
  }

  /**
   * Reads a file if it is there, as a tree.
   *
   * @param file the file
   * @return its content, or a missing node
   */
  public static JsonNode optional(Path file) {
    return Files.isRegularFile(file) ? require(file) : MissingNode.getInstance();
  }

  /**
   * Parses a text, as a tree.
   *
   * @param text JSON
   */
  public static JsonNode parse(String text) {
    return tree(text.getBytes(StandardCharsets.UTF_8), "a configuration within a text");
  }

  private static JsonNode tree(byte[] json, String where) {
    try {
      JsonNode tree = MAPPER.reader().with(new StrictNodes(where)).readTree(json);
      if (tree.isMissingNode()) {
        throw EspalierException.config(where + " is empty.", "Maybe download it again.");
      }
      return tree;
    } catch (JsonProcessingException e) {
      throw refused(e, where);
    } catch (IOException e) {
      throw new AssertionError("bytes are always read", e);
    }
  }

  /**
   * Binds bytes.
   *
   * @param json UTF-8
   * @param type a record
   * @param where they come from, for messages
   */
  public static <T> T parse(byte[] json, Class<T> type, String where) {
    try {
      T value = MAPPER.readValue(json, type);
      if (value == null) {
        throw wrongType("", where, type);
      }
      return value;
    } catch (JsonProcessingException e) {
      throw refused(e, where);
    } catch (IOException e) {
      throw new AssertionError("bytes are always read", e);
    }
  }

  /**
   * Binds a part of a file that has been parsed.
   *
   * @param json the part; a missing one counts as empty
   * @param type a record
   * @param where it comes from, for messages
   */
  public static <T> T bind(JsonNode json, Class<T> type, String where) {
    try {
      return MAPPER.treeToValue(
          json.isMissingNode() || json.isNull() ? MAPPER.createObjectNode() : json, type);
    } catch (JsonProcessingException e) {
      throw refused(e, where);
    }
  }

  /**
   * A part of a configuration, which some files hold as a text of its own.
   *
   * @param node an object, a string that is JSON, or a missing node
   */
  public static JsonNode section(JsonNode node) {
    return node.isTextual() ? parse(node.asText()) : node;
  }

  /**
   * A whole number that must be positive.
   *
   * @param node an object, or a missing node
   * @param name of the field
   * @param otherwise where it is not there
   */
  public static int positive(JsonNode node, String name, int otherwise) {
    JsonNode value = node.path(name);
    if (value.isMissingNode() || value.isNull()) {
      if (otherwise < 1) {
        throw EspalierException.config(
            "The field " + name + " of " + StrictNodes.where(node) + " is missing.",
            "Maybe the file belongs to another model.");
      }
      return otherwise;
    }
    if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < 1) {
      throw EspalierException.config(
          "The field %s (%s) of %s must be a positive whole number."
              .formatted(name, brief(value), StrictNodes.where(node)),
          "Maybe the file is damaged, or belongs to another model.");
    }
    return value.intValue();
  }

  private static String brief(JsonNode value) {
    String text = value.toString();
    return text.length() > 80 ? text.substring(0, 80) + "..." : text;
  }

  private static byte[] bytes(Path file, String what) {
    if (!Files.isRegularFile(file)) {
      throw EspalierException.config(
          "The " + what + " (" + file + ") does not exist.",
          "Maybe the download is not complete, or the directory is another model's.");
    }
    ReadLog.file(file, "configuration");
    try {
      long size = Files.size(file);
      if (size > LARGEST) {
        throw EspalierException.config(
            "The file %s has %d bytes, which is too large for a configuration."
                .formatted(file, size),
            "Maybe another file was meant.");
      }
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The file " + file + " cannot be read: " + e.getMessage() + ".",
          "Maybe check its permissions.",
          e);
    }
  }

  private static EspalierException refused(JsonProcessingException e, String where) {
    Class<?> wanted = null;
    for (Throwable cause = e; cause != null && wanted == null; cause = cause.getCause()) {
      if (cause instanceof MismatchedInputException mismatch) {
        wanted = mismatch.getTargetType();
      } else if (cause instanceof InputCoercionException coercion) {
        wanted = coercion.getTargetType();
      }
    }
    if (e instanceof JsonMappingException mapping && wanted != null) {
      StringBuilder path = new StringBuilder();
      for (JsonMappingException.Reference step : mapping.getPath()) {
        if (step.getFieldName() == null) {
          path.append('[').append(step.getIndex()).append(']');
        } else {
          path.append(path.isEmpty() ? "" : ".").append(step.getFieldName());
        }
      }
      return wrongType(path.toString(), where, wanted);
    }
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof EspalierException own) {
        return own; // a record refused its values
      }
    }
    return new EspalierException(
        EspalierException.Code.CONFIG,
        where + " is not valid JSON" + place(e.getLocation()) + ": " + firstLine(e) + ".",
        "Maybe download it again.",
        e);
  }

  private static EspalierException wrongType(String path, String where, Class<?> wanted) {
    return EspalierException.config(
        path.isEmpty()
            ? "The content of " + where + " must be " + named(wanted) + "."
            : "The field " + path + " of " + where + " must be " + named(wanted) + ".",
        "Maybe the file is damaged, or belongs to another model.");
  }

  private static String named(Class<?> wanted) {
    if (wanted == int.class
        || wanted == Integer.class
        || wanted == long.class
        || wanted == Long.class) {
      return "a whole number";
    }
    if (wanted == double.class || wanted == Double.class) {
      return "a number";
    }
    if (wanted == boolean.class || wanted == Boolean.class) {
      return "true or false";
    }
    if (wanted == String.class) {
      return "a text";
    }
    return Iterable.class.isAssignableFrom(wanted) || wanted.isArray() ? "a list" : "an object";
  }

  private static String place(@Nullable JsonLocation location) {
    return location == null || location.getLineNr() < 1
        ? ""
        : " at line " + location.getLineNr() + ", column " + location.getColumnNr();
  }

  private static String firstLine(JacksonException e) {
    String message = String.valueOf(e.getOriginalMessage());
    return message
        .lines()
        .findFirst()
        .orElse("")
        .replaceFirst(" \\(start marker at \\[Source.*", "")
        .strip();
  }
}
