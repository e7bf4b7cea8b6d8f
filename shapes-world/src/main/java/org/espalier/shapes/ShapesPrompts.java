package org.espalier.shapes;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.jspecify.annotations.Nullable;

/** The bundled prompts, and a strict reader of their form: GenEval's JSON lines. */
public final class ShapesPrompts {
  /** The test prompts, as studies name them: 32 of each category. */
  public static final String TEST = "shapes/geneval";

  /** The validation prompts, on which guidance and the like were chosen. */
  public static final String VALIDATION = "shapes/validation";

  /** The second world's test prompts: 112 of each of seven levels, two to eight objects. */
  public static final String WORLD2_TEST = "shapes/world2-test";

  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private ShapesPrompts() {}

  /** The test prompts, held out from training where the world has enough prompts for it. */
  public static List<Prompt> test() {
    return resource(TEST);
  }

  /** The validation prompts; none of them is a test prompt. */
  public static List<Prompt> validation() {
    return resource(VALIDATION);
  }

  private static List<Prompt> resource(String set) {
    String name = set.replace("shapes/", "prompts/") + ".jsonl";
    try (InputStream in = ShapesPrompts.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new EspalierException(
            EspalierException.Code.RESOURCE,
            "The prompts (" + set + ") are not on the class path.",
            "Maybe build the module shapes-world again.");
      }
      return parse(new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8)), name);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Reads prompts. Each gets its line number, counted from 0 in five digits, as its id, which is
   * also the name of its folder in GenEval's layout.
   *
   * @param lines one JSON object a line; empty lines are skipped
   * @param name of the file, for messages
   * @throws EspalierException CONFIG naming the line and the field
   * @throws IOException where reading fails
   */
  public static List<Prompt> parse(BufferedReader lines, String name) throws IOException {
    List<Prompt> prompts = new ArrayList<>();
    int number = 0;
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      number++;
      if (!line.isBlank()) {
        prompts.add(parse(line, name + ":" + number, "%05d".formatted(number - 1)));
      }
    }
    return prompts;
  }

  private static Prompt parse(String line, String where, String id) {
    Map<String, Object> record;
    try {
      record = JSON.readValue(line, new TypeReference<>() {});
    } catch (JsonProcessingException e) {
      int column = e.getLocation() == null ? 1 : e.getLocation().getColumnNr();
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "%s:%d: the line is not a JSON object: %s."
              .formatted(where, column, e.getOriginalMessage()),
          "Maybe a quotation mark, a comma or a bracket is missing, or a field is there twice.",
          e);
    }
    if (record == null) {
      throw EspalierException.config(
          where + ": the line is null.", "Maybe delete it, or write a JSON object.");
    }
    SceneRequirement.parse(record, where);
    Map<String, Object> metadata = new LinkedHashMap<>(record);
    String text = string(metadata.remove("prompt"), where, "prompt");
    String tag = string(metadata.remove("tag"), where, "tag");
    return new Prompt(id, text, tag, metadata);
  }

  private static String string(@Nullable Object value, String where, String name) {
    if (value instanceof String string && !string.isBlank()) {
      return string;
    }
    throw EspalierException.config(
        "%s: the field %s (%s) must be a text.".formatted(where, name, value),
        "Maybe write \"%s\": \"...\".".formatted(name));
  }
}
