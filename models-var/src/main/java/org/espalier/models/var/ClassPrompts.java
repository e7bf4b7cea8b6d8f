package org.espalier.models.var;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Prompts of a model that knows classes: a class's number, or one of its names in any case, with
 * blanks or underscores, alone or in the words {@code a photo of a ...}. Where two classes bear one
 * name, it stands for the first.
 */
final class ClassPrompts {
  private static final Pattern WRAPPING =
      Pattern.compile("^(an? (photo|image|picture) of )?(an? |the )?");
  private static final String IMAGENET = "imagenet-classes.txt";

  private final int classes;
  private final Map<String, Integer> labels;

  private final boolean any;

  private ClassPrompts(int classes, Map<String, Integer> labels, boolean any) {
    this.classes = classes;
    this.labels = labels;
    this.any = any;
  }

  /** The same, but a prompt that names no class stands for one all the same: for random weights. */
  ClassPrompts ofAnyPrompt() {
    return new ClassPrompts(classes, labels, true);
  }

  /**
   * The names of a model's classes.
   *
   * @param file one class a line, several names with commas between them; null for ImageNet's where
   *     there are 1000
   * @param classes how many there are
   * @throws EspalierException CONFIG where the file is missing or has another number of lines
   */
  static ClassPrompts of(@Nullable Path file, int classes) {
    List<String> lines;
    if (file != null) {
      try {
        lines = Files.readAllLines(file, StandardCharsets.UTF_8);
      } catch (IOException e) {
        throw new EspalierException(
            EspalierException.Code.CONFIG,
            "The names of classes (" + file + ") cannot be read: " + e.getMessage() + ".",
            "Maybe leave classes away: numbers and ImageNet's names are known.",
            e);
      }
      if (lines.size() != classes) {
        throw EspalierException.config(
            "The file %s names %d classes; the model knows %d."
                .formatted(file, lines.size(), classes),
            "Maybe give one class a line.");
      }
    } else {
      lines = classes == 1000 ? imagenet() : List.of();
    }
    Map<String, Integer> labels = new LinkedHashMap<>();
    for (int i = 0; i < lines.size(); i++) {
      for (String name : lines.get(i).split(",", -1)) {
        labels.putIfAbsent(plain(name), i);
      }
    }
    labels.remove("");
    return new ClassPrompts(classes, labels, false);
  }

  private static List<String> imagenet() {
    try (InputStream in = ClassPrompts.class.getResourceAsStream(IMAGENET)) {
      if (in == null) {
        throw new IllegalStateException("no resource " + IMAGENET);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String plain(String name) {
    return name.toLowerCase(Locale.ROOT).replace('_', ' ').strip().replaceAll("\\s+", " ");
  }

  /**
   * The label that a prompt names.
   *
   * @param prompt its text
   * @throws EspalierException CONFIG where it names none
   */
  int label(String prompt) {
    String text = plain(prompt);
    if (text.matches("[0-9]{1,9}")) {
      int label = Integer.parseInt(text);
      if (label < classes) {
        return label;
      }
      throw EspalierException.config(
          "The prompt (\"%s\") is no class: there are %d, from 0.".formatted(prompt, classes),
          "Maybe use a number up to " + (classes - 1) + ".");
    }
    String bare = WRAPPING.matcher(text).replaceFirst("").replaceFirst("\\.$", "");
    Integer label = labels.getOrDefault(text, labels.get(bare));
    if (label != null) {
      return label;
    }
    if (any) {
      return Math.floorMod(text.hashCode(), classes);
    }
    throw EspalierException.config(
        "The prompt (\"" + prompt + "\") names no class of this model.",
        labels.isEmpty()
            ? "Maybe use a number from 0 to " + (classes - 1) + ", or give classes a file of names."
            : "Maybe use "
                + nearest(bare).stream()
                    .map(name -> "\"" + name + "\"")
                    .collect(Collectors.joining(" or "))
                + ", or a number from 0 to "
                + (classes - 1)
                + ".");
  }

  /** The three names that share most pairs of letters with a text. */
  private List<String> nearest(String text) {
    Map<String, Integer> wanted = pairs(text);
    Map<String, Double> scores = new TreeMap<>();
    for (String name : labels.keySet()) {
      Map<String, Integer> own = pairs(name);
      int common = 0;
      for (Map.Entry<String, Integer> pair : own.entrySet()) {
        common += Math.min(pair.getValue(), wanted.getOrDefault(pair.getKey(), 0));
      }
      scores.put(name, 2.0 * common / Math.max(1, name.length() + text.length() - 2));
    }
    return new ArrayList<>(scores.keySet())
        .stream()
            .sorted(
                Comparator.comparingDouble((String name) -> -scores.getOrDefault(name, 0.0))
                    .thenComparing(Comparator.naturalOrder()))
            .limit(3)
            .toList();
  }

  private static Map<String, Integer> pairs(String text) {
    Map<String, Integer> pairs = new TreeMap<>();
    for (int i = 0; i + 1 < text.length(); i++) {
      pairs.merge(text.substring(i, i + 2), 1, Integer::sum);
    }
    return pairs;
  }
}
