package org.espalier.shapes;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.shapes.ObjectRequirement.Position;
import org.jspecify.annotations.Nullable;

/**
 * What a picture must show, as GenEval's metadata say it (<a
 * href="https://arxiv.org/abs/2310.11513">Ghosh et al. 2023</a>), extended by {@code texture},
 * {@code size} and, where an object has more than one relation, {@code positions}:
 *
 * <pre>{@code
 * {"tag": "position", "include": [{"class": "star", "count": 1},
 *   {"class": "ring", "count": 1, "color": "red", "position": ["above", 0]}], "prompt": "..."}
 * }</pre>
 *
 * @param include objects that must be there; never empty; unmodifiable
 * @param exclude what must not be there; unmodifiable
 */
public record SceneRequirement(List<ObjectRequirement> include, List<Exclusion> exclude) {

  /**
   * A number of objects of one shape that is too many.
   *
   * @param shape their shape, whatever their other attributes
   * @param count how many are too many, from 1 on
   */
  public record Exclusion(Shape shape, int count) {}

  private static final Set<String> KNOWN =
      Set.of("id", "tag", "prompt", "text", "include", "exclude");

  public SceneRequirement {
    include = List.copyOf(include);
    exclude = List.copyOf(exclude);
    if (include.isEmpty()) {
      throw EspalierException.config(
          "The list include is empty: any picture would do.", "Maybe name at least one object.");
    }
    for (int i = 0; i < include.size(); i++) {
      for (Position position : include.get(i).positions()) {
        if (position.of() < 0 || position.of() >= i) {
          throw EspalierException.config(
              "The position of include[%d] refers to entry %d, which is not an earlier one."
                  .formatted(i, position.of()),
              "Maybe move the entry that has a position behind the one it refers to.");
        }
      }
    }
  }

  /**
   * Reads the metadata of a prompt.
   *
   * @param prompt a prompt whose metadata hold {@code include} and perhaps {@code exclude}
   * @throws EspalierException CONFIG naming the prompt and the field
   */
  public static SceneRequirement of(Prompt prompt) {
    return parse(prompt.metadata(), "prompt " + prompt.id());
  }

  /**
   * Reads a GenEval record. Strict: what is not known is refused, for it would not be checked.
   *
   * @param record the parsed JSON object; {@code id}, {@code tag} and {@code prompt} may be there
   * @param where where it stands, for messages, for example {@code prompts.jsonl:3}
   * @throws EspalierException CONFIG naming the place and the field
   */
  public static SceneRequirement parse(Map<String, ?> record, String where) {
    Field root = new Field(where, "", record);
    Map<String, ?> fields = root.object(KNOWN);
    List<ObjectRequirement> include = new ArrayList<>();
    for (Field entry : root.required(fields, "include").list()) {
      include.add(parseObject(entry));
    }
    List<Exclusion> exclude = new ArrayList<>();
    Field exclusions = root.optional(fields, "exclude");
    if (exclusions != null) {
      for (Field entry : exclusions.list()) {
        Map<String, ?> object = entry.object(Set.of("class", "count"));
        exclude.add(
            new Exclusion(
                entry.required(object, "class").term(Shape.values()),
                entry.required(object, "count").integer(1)));
      }
    }
    return at(where, () -> new SceneRequirement(include, exclude));
  }

  private static ObjectRequirement parseObject(Field entry) {
    Map<String, ?> object =
        entry.object(Set.of("class", "count", "color", "texture", "size", "position", "positions"));
    Shape shape = entry.required(object, "class").term(Shape.values());
    int count = entry.required(object, "count").integer(1);
    Color color = parseTerm(entry.optional(object, "color"), Color.values());
    Texture texture = parseTerm(entry.optional(object, "texture"), Texture.values());
    Size size = parseTerm(entry.optional(object, "size"), Size.values());
    List<Position> positions = parsePositions(entry, object);
    return at(
        entry.where + ": " + entry.path,
        () -> new ObjectRequirement(shape, count, color, texture, size, positions));
  }

  private static <T extends Term> @Nullable T parseTerm(@Nullable Field field, T[] terms) {
    return field == null ? null : field.term(terms);
  }

  private static List<Position> parsePositions(Field entry, Map<String, ?> object) {
    List<Position> positions = new ArrayList<>();
    Field several = entry.optional(object, "positions");
    if (several != null) {
      several.list().forEach(field -> positions.add(parsePosition(field)));
    }
    Field first = entry.optional(object, "position");
    if (first != null) {
      Position position = parsePosition(first);
      if (several == null) {
        positions.add(position);
      } else if (!positions.contains(position)) {
        throw first.error("is not one of positions", "Maybe leave position out.");
      }
    }
    return positions;
  }

  private static Position parsePosition(Field field) {
    List<Field> pair = field.list();
    if (pair.size() != 2) {
      throw field.error(
          "must have two elements", "Maybe write [\"above\", 0]: a relation and an index.");
    }
    return new Position(pair.get(0).term(Relation.values()), pair.get(1).integer(0));
  }

  /** A value of a JSON record, with the path that leads to it. */
  private record Field(String where, String path, @Nullable Object value) {

    Map<String, ?> object(Set<String> known) {
      if (!(value instanceof Map<?, ?> map)) {
        throw error("must be an object", "Maybe write {\"class\": \"star\", \"count\": 1}.");
      }
      Map<String, Object> fields = new LinkedHashMap<>();
      map.forEach((key, member) -> fields.put(String.valueOf(key), member));
      for (Map.Entry<String, Object> field : fields.entrySet()) {
        if (!known.contains(field.getKey())) {
          throw member(field.getKey(), field.getValue())
              .error(
                  "is not a known field",
                  "Maybe use one of "
                      + known.stream().sorted().collect(Collectors.joining(", "))
                      + ".");
        }
      }
      return fields;
    }

    List<Field> list() {
      if (!(value instanceof List<?> list)) {
        throw error("must be a list", "Maybe put it in [ and ].");
      }
      List<Field> elements = new ArrayList<>();
      for (int i = 0; i < list.size(); i++) {
        elements.add(new Field(where, path + "[" + i + "]", list.get(i)));
      }
      return elements;
    }

    int integer(int least) {
      if (!(value instanceof Number number)
          || number.doubleValue() != number.intValue()
          || number.intValue() < least) {
        throw error("must be a whole number from " + least + " on", "Maybe write " + least + ".");
      }
      return number.intValue();
    }

    <T extends Term> T term(T[] terms) {
      for (T term : terms) {
        if (term.word().equals(value)) {
          return term;
        }
      }
      throw error(
          "is not known",
          "Maybe use one of "
              + Stream.of(terms).map(Term::word).collect(Collectors.joining(", "))
              + ".");
    }

    Field required(Map<String, ?> fields, String name) {
      if (!fields.containsKey(name)) {
        throw EspalierException.config(
            "%s: the field %s is missing.".formatted(where, member(name, null).path),
            "Maybe the record is not of GenEval's form.");
      }
      return member(name, fields.get(name));
    }

    @Nullable Field optional(Map<String, ?> fields, String name) {
      return fields.containsKey(name) ? member(name, fields.get(name)) : null;
    }

    private Field member(String name, @Nullable Object member) {
      return new Field(where, path.isEmpty() ? name : path + "." + name, member);
    }

    EspalierException error(String problem, String advice) {
      return EspalierException.config(
          "%s: the field %s (%s) %s.".formatted(where, path, value, problem), advice);
    }
  }

  /** Puts the place in front of what a record's own check says. */
  private static <T> T at(String where, Supplier<T> maker) {
    try {
      return maker.get();
    } catch (EspalierException e) {
      throw e.at(where);
    }
  }

  /** The record's {@code include} and {@code exclude}, as GenEval writes them. */
  public Map<String, Object> metadata() {
    Map<String, Object> metadata = new LinkedHashMap<>();
    metadata.put("include", include.stream().map(SceneRequirement::metadata).toList());
    if (!exclude.isEmpty()) {
      metadata.put(
          "exclude",
          exclude.stream()
              .map(e -> Map.<String, Object>of("class", e.shape().word(), "count", e.count()))
              .toList());
    }
    return metadata;
  }

  private static Map<String, Object> metadata(ObjectRequirement object) {
    Map<String, Object> entry = new LinkedHashMap<>();
    entry.put("class", object.shape().word());
    entry.put("count", object.count());
    put(entry, "color", object.color());
    put(entry, "texture", object.texture());
    put(entry, "size", object.size());
    List<List<Object>> positions =
        object.positions().stream().map(p -> List.<Object>of(p.relation().word(), p.of())).toList();
    if (!positions.isEmpty()) {
      entry.put("position", positions.get(0));
    }
    if (positions.size() > 1) {
      entry.put("positions", positions);
    }
    return entry;
  }

  private static void put(Map<String, Object> entry, String name, @Nullable Term term) {
    if (term != null) {
      entry.put(name, term.word());
    }
  }

  /**
   * The caption without "a photo of": objects as a list, or their relations from the subject on.
   */
  String phrase() {
    for (ObjectRequirement subject : include) {
      if (!subject.positions().isEmpty()) {
        return subject.phrase()
            + subject.positions().stream()
                .map(p -> " " + p.relation().word() + " " + include.get(p.of()).phrase())
                .collect(Collectors.joining(" and"));
      }
    }
    List<String> phrases = include.stream().map(ObjectRequirement::phrase).toList();
    int last = phrases.size() - 1;
    return last == 0
        ? phrases.get(0)
        : String.join(", ", phrases.subList(0, last)) + " and " + phrases.get(last);
  }

  /** The prompt in the words of the world: {@code a photo of a red star left of a ring}. */
  public String caption() {
    return "a photo of " + phrase();
  }

  /** Objects that a picture shows when it shows nothing else. */
  public int objects() {
    return include.stream().mapToInt(ObjectRequirement::count).sum();
  }
}
