package org.espalier.study;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;
import org.espalier.api.EspalierException;
import org.espalier.api.NearestNames;
import org.espalier.api.Prompt;
import org.espalier.records.Turns;
import org.jspecify.annotations.Nullable;

/** Reads prompts in the forms in which the field keeps them. */
public final class PromptFiles {
  private static final long LARGEST = 256L << 20;
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /** PartiPrompts has bare quotes in its cells. */
  private static final CSVFormat TAB_SEPARATED =
      CSVFormat.RFC4180.builder().setDelimiter('\t').setQuote(null).get();

  /** T2I-CompBench's own names, such as {@code color_val.txt} and {@code color_val_seen.txt}. */
  private static final Pattern T2I_COMPBENCH_NAME =
      Pattern.compile("_(val|train)(_seen|_unseen)?\\.txt$");

  /**
   * Lines of text end at LF, CR LF or CR. U+2028, U+0085, VT and FF are characters of a prompt; of
   * JSON Lines only LF ends one.
   */
  private static final Pattern LINE_END = Pattern.compile("\r\n|\n|\r");

  /** The questions of a prompt of GenEval 2. */
  private static final String QUESTIONS = "vqa_list";

  private PromptFiles() {}

  /**
   * The prompts of a study.
   *
   * @param spec where they come from
   * @param base against which a relative file is resolved
   * @param loader where sets are found
   */
  public static List<Prompt> load(StudySpec.Prompts spec, Path base, ClassLoader loader) {
    List<Prompt> all;
    if (spec.inline() != null) {
      all = new ArrayList<>();
      for (int i = 0; i < spec.inline().size(); i++) {
        all.add(Prompt.of(id(i), requireText(spec.inline().get(i), "prompts.inline[" + i + "]")));
      }
    } else if (spec.set() != null) {
      all = bundled(spec.set(), loader);
    } else {
      all = new ArrayList<>();
      for (String name : spec.paths()) {
        Path file = resolve(base, name);
        all.addAll(parse(file.toString(), text(file), spec.format(), all.size()));
      }
      requireDistinct(all);
    }
    List<Prompt> chosen = select(all, spec.tags(), spec.limit());
    if (chosen.isEmpty()) {
      throw EspalierException.config("The study has no prompt.", "Maybe check prompts.tags.");
    }
    return chosen;
  }

  /**
   * The prompts that a run keeps: those of its study, chosen and in order.
   *
   * @param file {@code prompts.jsonl} of a run directory
   */
  static List<Prompt> ofRun(Path file) {
    List<Prompt> prompts = new ArrayList<>();
    String name = file.toString();
    String[] lines = text(file).split("\n", -1);
    for (int i = 0; i < lines.length; i++) {
      if (!lines[i].isBlank()) {
        Map<String, Object> fields = object(name, i, lines[i]);
        Prompt prompt = prompt(name, i, "", i, fields);
        Object metadata = fields.getOrDefault("metadata", Map.of());
        if (!(metadata instanceof Map<?, ?> given)) {
          throw bad(name, i, 1, "The field (metadata) is not an object", null);
        }
        Map<String, Object> named = new LinkedHashMap<>();
        given.forEach((key, value) -> named.put(String.valueOf(key), value));
        prompts.add(new Prompt(prompt.id(), prompt.text(), prompt.tag(), named));
      }
    }
    if (prompts.isEmpty()) {
      throw EspalierException.config(
          "The run's prompts (" + file + ") are missing.",
          "Maybe the run directory was edited: restore the file.");
    }
    return prompts;
  }

  private static Path resolve(Path base, String name) {
    try {
      return base.resolve(name);
    } catch (InvalidPathException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The prompt file (" + printable(name) + ") is not a valid path.",
          "Maybe check prompts.file.",
          e);
    }
  }

  private static String text(Path file) {
    try {
      if (Files.isDirectory(file)) {
        throw EspalierException.config(
            "The prompt file (" + file + ") is a directory.", "Maybe name a file in it.");
      }
      if (!Files.exists(file)) {
        throw EspalierException.config(
            "The prompt file (" + file + ") does not exist.",
            "Maybe check prompts.file: it is relative to the study's own file.");
      }
      if (!Files.isRegularFile(file)) {
        throw EspalierException.config(
            "The prompt file (" + file + ") is not a regular file.",
            "Maybe save the prompts in a file.");
      }
      if (Files.size(file) > LARGEST) {
        throw EspalierException.config(
            "The prompt file (" + file + ") has " + Files.size(file) + " bytes.",
            "Maybe keep prompt files below 256 MiB.");
      }
      return decode(file.toString(), Files.readAllBytes(file));
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The prompt file (" + file + ") cannot be read: " + e.getMessage() + ".",
          "Maybe check its permissions.",
          e);
    }
  }

  private static String decode(String name, byte[] bytes) {
    try {
      String text =
          StandardCharsets.UTF_8
              .newDecoder()
              .onMalformedInput(CodingErrorAction.REPORT)
              .onUnmappableCharacter(CodingErrorAction.REPORT)
              .decode(ByteBuffer.wrap(bytes))
              .toString();
      return text.startsWith("\uFEFF") ? text.substring(1) : text;
    } catch (CharacterCodingException e) {
      throw EspalierException.config(
          "The prompt file (" + name + ") is not UTF-8 text.", "Maybe save it as UTF-8.");
    }
  }

  private static List<Prompt> bundled(String set, ClassLoader loader) {
    if (!set.matches("[a-z][a-z0-9-]*/[A-Za-z0-9_-]+")) {
      throw EspalierException.config(
          "The prompt set (" + set + ") is not of the form world/name.",
          "Maybe write set: shapes/geneval.");
    }
    int slash = set.indexOf('/');
    String resource =
        "org/espalier/%s/prompts/%s.jsonl"
            .formatted(set.substring(0, slash), set.substring(slash + 1));
    try (InputStream in = loader.getResourceAsStream(resource)) {
      if (in == null) {
        throw EspalierException.config(
            "The prompt set (" + set + ") is not on the class path.",
            "Maybe write set: shapes/geneval, or use file.");
      }
      return parse(set, decode(set, in.readAllBytes()), PromptFormat.GENEVAL);
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The prompt set (" + set + ") cannot be read: " + e.getMessage() + ".",
          null,
          e);
    }
  }

  /**
   * Reads prompts from text.
   *
   * @param name of the file, for errors and to tell its form
   * @param text its content
   * @param format its form, or null to tell it from name and content
   */
  public static List<Prompt> parse(String name, String text, @Nullable PromptFormat format) {
    return parse(name, text, format, 0);
  }

  /** Prompts without ids are numbered from {@code first}. */
  private static List<Prompt> parse(
      String name, String text, @Nullable PromptFormat format, int first) {
    PromptFormat form = format == null ? guess(name, text) : format;
    List<Prompt> prompts =
        switch (form) {
          case GENEVAL -> geneval(name, text, first);
          case GENEVAL2 -> geneval2(name, text, first);
          case T2I_COMPBENCH -> lines(name, text, category(name), first);
          case TEXT -> lines(name, text, "", first);
          case DRAWBENCH -> table(name, text, CSVFormat.RFC4180, "Prompts", "Category", first);
          case PARTI -> table(name, text, TAB_SEPARATED, "Prompt", "Category", first);
          case IMAGE_REWARD -> imageReward(name, text, first);
        };
    Map<String, Integer> seen = new HashMap<>();
    for (int i = 0; i < prompts.size(); i++) {
      Integer earlier = seen.putIfAbsent(prompts.get(i).id(), i);
      if (earlier != null) {
        throw EspalierException.config(
            "%s: The prompts number %d and %d have the same id (%s)."
                .formatted(name, earlier + 1, i + 1, printable(prompts.get(i).id())),
            "Maybe leave ids out: prompts are then numbered.");
      }
    }
    return prompts;
  }

  /** Each file has distinct ids; this looks across files. */
  private static void requireDistinct(List<Prompt> prompts) {
    Set<String> ids = new HashSet<>();
    for (Prompt prompt : prompts) {
      if (!ids.add(prompt.id())) {
        throw EspalierException.config(
            "Two of the prompt files have a prompt with the id (%s)."
                .formatted(printable(prompt.id())),
            "Maybe leave ids out: prompts are then numbered through all files.");
      }
    }
  }

  private static PromptFormat guess(String name, String text) {
    String lower = name.toLowerCase(Locale.ROOT);
    if (lower.endsWith(".jsonl")) {
      return text.lines().findFirst().orElse("").contains("\"" + QUESTIONS + "\"")
          ? PromptFormat.GENEVAL2
          : PromptFormat.GENEVAL;
    }
    if (lower.endsWith(".json")) {
      return text.stripLeading().startsWith("[") ? PromptFormat.IMAGE_REWARD : PromptFormat.GENEVAL;
    }
    if (lower.endsWith(".csv")) {
      return PromptFormat.DRAWBENCH;
    }
    if (lower.endsWith(".tsv")) {
      return PromptFormat.PARTI;
    }
    return T2I_COMPBENCH_NAME.matcher(lower).find()
        ? PromptFormat.T2I_COMPBENCH
        : PromptFormat.TEXT;
  }

  private static String category(String name) {
    String file = name.substring(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
    return file.replaceFirst("(?i)(_val|_train)?(_seen|_unseen)?\\.txt$", "");
  }

  private static String id(int index) {
    String number = String.valueOf(index);
    return "0".repeat(Math.max(0, 5 - number.length())) + number;
  }

  private static List<Prompt> geneval(String name, String text, int first) {
    List<Prompt> prompts = new ArrayList<>();
    String[] lines = text.split("\n", -1);
    for (int i = 0; i < lines.length; i++) {
      if (lines[i].isBlank()) {
        continue;
      }
      prompts.add(prompt(name, i, "", first + prompts.size(), object(name, i, lines[i])));
    }
    return prompts;
  }

  /** As GenEval's, with a list of questions; what is in it, is for who asks them to check. */
  private static List<Prompt> geneval2(String name, String text, int first) {
    List<Prompt> prompts = new ArrayList<>();
    for (Prompt prompt : geneval(name, text, first)) {
      if (!(prompt.metadata().get(QUESTIONS) instanceof List<?>)) {
        throw bad(
            name,
            line(text, prompts.size()) - 1,
            1,
            "The field (" + QUESTIONS + ") is missing or is not a list",
            null);
      }
      Object atoms = prompt.metadata().get("atom_count");
      prompts.add(
          prompt.tag().isEmpty() && atoms instanceof Number
              ? new Prompt(prompt.id(), prompt.text(), "atoms-" + atoms, prompt.metadata())
              : prompt);
    }
    return prompts;
  }

  /**
   * Where a prompt stands, for errors about it.
   *
   * @param spec where the prompts come from
   * @param base against which a relative file is resolved
   * @param loader where sets are found
   * @param id of one of them
   * @return such as {@code prompts.jsonl:17}
   */
  static String place(StudySpec.Prompts spec, Path base, ClassLoader loader, String id) {
    if (spec.inline() != null) {
      return "prompts.inline[" + Integer.parseInt(id) + "]";
    }
    if (spec.set() != null) {
      return spec.set() + ":" + (index(bundled(spec.set(), loader), id) + 1);
    }
    int before = 0;
    for (String name : spec.paths()) {
      Path file = resolve(base, name);
      String text = text(file);
      List<Prompt> prompts = parse(file.toString(), text, spec.format(), before);
      int index = index(prompts, id);
      if (index >= 0) {
        PromptFormat form = spec.format() == null ? guess(name, text) : spec.format();
        return switch (form) {
          case GENEVAL, GENEVAL2, T2I_COMPBENCH, TEXT -> file + ":" + line(text, index);
          case DRAWBENCH, PARTI, IMAGE_REWARD -> file + " (prompt number " + (index + 1) + ")";
        };
      }
      before += prompts.size();
    }
    return "The prompt (" + printable(id) + ")";
  }

  private static int index(List<Prompt> prompts, String id) {
    for (int i = 0; i < prompts.size(); i++) {
      if (prompts.get(i).id().equals(id)) {
        return i;
      }
    }
    return -1;
  }

  /** The line, from 1, of a prompt of a file with one a line. */
  private static int line(String text, int index) {
    String[] lines = LINE_END.split(text, -1);
    int seen = -1;
    for (int i = 0; i < lines.length; i++) {
      seen += isBlank(lines[i]) ? 0 : 1;
      if (seen == index) {
        return i + 1;
      }
    }
    return lines.length;
  }

  private static Map<String, Object> object(String name, int line, String text) {
    Map<String, Object> fields;
    try {
      fields = JSON.readValue(text, new TypeReference<LinkedHashMap<String, Object>>() {});
    } catch (JsonProcessingException e) {
      throw bad(name, line, column(e), "This is not a JSON object: " + e.getOriginalMessage(), e);
    }
    if (fields == null) {
      throw bad(name, line, 1, "This is not a JSON object", null);
    }
    return fields;
  }

  private static int column(JsonProcessingException e) {
    return e.getLocation() == null ? 1 : Math.max(1, e.getLocation().getColumnNr());
  }

  /**
   * @param where the element of a JSON array, for errors; empty where the line says enough
   * @param index number of the prompt in the study, its id if it has none of its own
   */
  private static Prompt prompt(
      String name, int line, String where, int index, Map<String, Object> fields) {
    Object words = fields.containsKey("prompt") ? fields.get("prompt") : fields.get("text");
    if (!(words instanceof String prompt)) {
      throw bad(name, line, 1, where + "The field (prompt) is missing or is not a string", null);
    }
    Object tag = fields.getOrDefault("tag", "");
    Object id = fields.getOrDefault("id", id(index));
    if (!(tag instanceof String category)) {
      throw bad(name, line, 1, where + "The field (tag) is not a string", null);
    }
    if (!(id instanceof String || id instanceof Number)) {
      throw bad(name, line, 1, where + "The field (id) is not a string or a number", null);
    }
    if (String.valueOf(id).isEmpty()) {
      throw bad(name, line, 1, where + "The field (id) is empty", null);
    }
    requireText(prompt, name, line, where);
    Map<String, Object> metadata = new LinkedHashMap<>(fields);
    metadata.values().removeIf(Objects::isNull);
    return new Prompt(String.valueOf(id), prompt, category, metadata);
  }

  private static EspalierException bad(
      String name, int line, int column, String what, @Nullable Throwable cause) {
    String sentence = what.endsWith(".") ? what : what + ".";
    return new EspalierException(
        EspalierException.Code.CONFIG,
        name + ":" + (line + 1) + ":" + column + ": " + sentence.replaceAll("\\s+", " "),
        "Maybe fix or remove the line.",
        cause);
  }

  /** Refuses a prompt without anything to draw. */
  private static void requireText(String prompt, String name, int line, String where) {
    if (isBlank(prompt)) {
      throw bad(name, line, 1, where + "The prompt is empty or blank", null);
    }
  }

  /**
   * The same prompt, unless it says nothing.
   *
   * @param prompt any text
   * @param where it stands, for the error
   * @throws EspalierException CONFIG if it is empty or has white space, no-break spaces, zero-width
   *     or control characters alone
   */
  public static String requireText(String prompt, String where) {
    if (isBlank(prompt)) {
      throw EspalierException.config(
          "The prompt (" + where + ") is empty or blank.", "Maybe write what the image shows.");
    }
    return prompt;
  }

  private static boolean isBlank(String text) {
    return text.codePoints()
        .allMatch(
            c ->
                Character.isWhitespace(c)
                    || Character.isSpaceChar(c)
                    || Character.isISOControl(c)
                    || Character.getType(c) == Character.FORMAT);
  }

  private static String printable(String text) {
    return text.replaceAll("\\p{Cntrl}", "\uFFFD");
  }

  private static List<Prompt> lines(String name, String text, String tag, int first) {
    List<Prompt> prompts = new ArrayList<>();
    String[] lines = LINE_END.split(text, -1);
    for (int i = 0; i < lines.length; i++) {
      if (lines[i].indexOf('\0') >= 0) {
        throw bad(name, i, lines[i].indexOf('\0') + 1, "This is not text", null);
      }
      if (!lines[i].isBlank()) {
        requireText(lines[i], name, i, "");
        prompts.add(new Prompt(id(first + prompts.size()), lines[i].strip(), tag, Map.of()));
      }
    }
    return prompts;
  }

  private static List<Prompt> imageReward(String name, String text, int first) {
    List<Map<String, Object>> rows;
    try {
      rows = JSON.readValue(text, new TypeReference<List<Map<String, Object>>>() {});
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 0 : Math.max(1, e.getLocation().getLineNr()) - 1;
      throw bad(
          name,
          line,
          column(e),
          "This is not a JSON array of objects: " + e.getOriginalMessage(),
          e);
    }
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; rows != null && i < rows.size(); i++) {
      if (rows.get(i) == null) {
        throw bad(name, 0, 1, "The element (" + i + ") is null", null);
      }
      prompts.add(prompt(name, 0, "[" + i + "]: ", first + i, rows.get(i)));
    }
    return prompts;
  }

  private static List<Prompt> table(
      String name, String text, CSVFormat format, String column, String tagColumn, int first) {
    List<Prompt> prompts = new ArrayList<>();
    int line = 0;
    try (CSVParser parser = CSVParser.parse(text, format)) {
      List<String> header = null;
      for (CSVRecord row : parser) {
        int start = line;
        line = (int) parser.getCurrentLineNumber();
        if (header == null) {
          header = row.stream().map(String::strip).toList();
          Set<String> columns = new HashSet<>();
          for (String each : header) {
            if (!each.isEmpty() && !columns.add(each)) {
              throw bad(name, start, 1, "The header has two columns (" + each + ")", null);
            }
          }
          if (!header.contains(column)) {
            throw bad(name, start, 1, "The header has no column (" + column + "): " + header, null);
          }
          continue;
        }
        if (row.size() != header.size()) {
          throw bad(
              name,
              start,
              1,
              "The row has %d columns, the header %d".formatted(row.size(), header.size()),
              null);
        }
        Map<String, Object> metadata = new LinkedHashMap<>();
        for (int i = 0; i < header.size(); i++) {
          metadata.put(header.get(i), row.get(i));
        }
        int tag = header.indexOf(tagColumn);
        String prompt = row.get(header.indexOf(column)).strip();
        requireText(prompt, name, start, "");
        prompts.add(
            new Prompt(
                id(first + prompts.size()), prompt, tag < 0 ? "" : row.get(tag).strip(), metadata));
      }
    } catch (IOException | UncheckedIOException | IllegalStateException e) {
      throw bad(name, line, 1, "This is not a table: " + e.getMessage(), e);
    }
    return prompts;
  }

  /** Filters by tag, then takes prompts from all tags in turn up to the limit, in file order. */
  private static List<Prompt> select(
      List<Prompt> all, @Nullable List<String> tags, @Nullable Integer limit) {
    Set<String> known = new TreeSet<>();
    all.forEach(prompt -> known.add(prompt.tag()));
    if (tags != null) {
      for (String tag : tags) {
        if (!known.contains(tag)) {
          throw EspalierException.config(
              "No prompt has the tag (" + tag + ").",
              known.equals(Set.of(""))
                  ? "Maybe remove prompts.tags: these prompts have no tags."
                  : NearestNames.advice(tag, known));
        }
      }
    }
    List<Prompt> tagged =
        all.stream().filter(prompt -> tags == null || tags.contains(prompt.tag())).toList();
    if (limit == null || tagged.size() <= limit) {
      return tagged;
    }
    Set<Prompt> chosen = Collections.newSetFromMap(new IdentityHashMap<>());
    chosen.addAll(Turns.interleaved(tagged, Prompt::tag).subList(0, limit));
    return tagged.stream().filter(chosen::contains).toList();
  }
}
