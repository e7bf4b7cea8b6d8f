package org.espalier.records;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.plugins.Canonical;

/** Texts and JSON of a run's files. */
public final class RunFiles {
  static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
          .enable(StreamWriteFeature.USE_FAST_DOUBLE_WRITER)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .build();

  private RunFiles() {}

  /**
   * One line of JSON.
   *
   * @param value a record, collection or scalar
   */
  public static String jsonLine(Object value) {
    try {
      return JSON.writeValueAsString(Canonical.plain(value));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("plain values are JSON", e);
    }
  }

  /**
   * Writes a JSON file of the run, indented.
   *
   * @param file where
   * @param value a record, collection or scalar
   */
  public static void writeJson(Path file, Object value) {
    try {
      String json =
          JSON.writerWithDefaultPrettyPrinter().writeValueAsString(Canonical.plain(value));
      WholeFile.write(file, (json + "\n").getBytes(StandardCharsets.UTF_8));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("plain values are JSON", e);
    }
  }

  /**
   * Reads a JSON file of the run.
   *
   * @param file which
   */
  public static JsonNode json(Path file) {
    try {
      return JSON.readTree(text(file));
    } catch (JsonProcessingException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          file + ": This is not JSON: " + e.getOriginalMessage() + ".",
          "Maybe the run directory was edited.",
          e);
    }
  }

  /**
   * Reads a JSON Lines file of the run.
   *
   * @param file which
   */
  public static List<JsonNode> jsonLines(Path file) {
    List<JsonNode> result = new ArrayList<>();
    for (String line : text(file).split("\n", -1)) {
      if (!line.isBlank()) {
        try {
          result.add(JSON.readTree(line));
        } catch (JsonProcessingException e) {
          throw new EspalierException(
              EspalierException.Code.CONFIG,
              file + ":" + (result.size() + 1) + ":1: This is not JSON.",
              "Maybe the run directory was edited.",
              e);
        }
      }
    }
    return result;
  }

  /**
   * Reads a text.
   *
   * @param file which
   */
  public static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw WholeFile.problem(file, e);
    }
  }
}
