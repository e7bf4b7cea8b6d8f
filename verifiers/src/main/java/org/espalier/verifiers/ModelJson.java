package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.espalier.api.EspalierException;

/** Configuration files that lie beside weights. */
final class ModelJson {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private ModelJson() {}

  /**
   * Reads a file that must be there.
   *
   * @param file the file
   * @param what it is, for the message
   */
  static JsonNode require(Path file, String what) {
    if (!Files.isRegularFile(file)) {
      throw EspalierException.config(
          "The " + what + " (" + file + ") does not exist.",
          "Maybe the download is not complete, or the directory is another model's.");
    }
    return parse(file);
  }

  /**
   * Reads a file if it is there.
   *
   * @param file the file
   * @return its content, or a missing node
   */
  static JsonNode optional(Path file) {
    return Files.isRegularFile(file) ? parse(file) : MissingNode.getInstance();
  }

  /**
   * Reads a text.
   *
   * @param text JSON
   */
  static JsonNode parse(String text) {
    try {
      return MAPPER.readTree(text);
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG, "A configuration is not JSON: " + text, null, e);
    }
  }

  /**
   * A part of a configuration, which some files hold as a text of its own.
   *
   * @param node an object, a string that is JSON, or a missing node
   */
  static JsonNode section(JsonNode node) {
    return node.isTextual() ? parse(node.asText()) : node;
  }

  private static JsonNode parse(Path file) {
    try {
      return MAPPER.readTree(file.toFile());
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The file " + file + " is not JSON: " + e.getMessage() + ".",
          "Maybe download it again.",
          e);
    }
  }

  /**
   * A number that must be positive.
   *
   * @param node an object
   * @param name of the field
   * @param otherwise where it is not there
   */
  static int positive(JsonNode node, String name, int otherwise) {
    int value = node.hasNonNull(name) ? node.get(name).asInt(-1) : otherwise;
    if (value < 1) {
      throw EspalierException.config(
          "The configuration's " + name + " (" + node.path(name) + ") must be a positive number.",
          "Maybe config.json is damaged.");
    }
    return value;
  }
}
