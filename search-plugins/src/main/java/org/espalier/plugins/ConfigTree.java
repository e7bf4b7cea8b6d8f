package org.espalier.plugins;

import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.error.Mark;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;
import org.yaml.snakeyaml.reader.ReaderException;

/** A YAML document with the place of every node, and overrides laid over it. */
public final class ConfigTree {
  private static final Pattern STEP = Pattern.compile("([^.\\[\\]]+)|\\[(\\d{1,9})\\]");

  private final String name;
  private final Node root;
  private final Map<Node, String> overrides = new IdentityHashMap<>();

  private ConfigTree(String name, Node root) {
    this.name = name;
    this.root = root;
  }

  /**
   * Reads a file.
   *
   * @param file a YAML file of one document
   */
  public static ConfigTree read(Path file) {
    return parse(file.toString(), text(file));
  }

  /**
   * Reads a file that is parsed later.
   *
   * @param file a YAML file
   * @return its text
   */
  public static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (NoSuchFileException e) {
      throw EspalierException.config(
          "The study file (" + file + ") does not exist.", "Maybe check the path.");
    } catch (CharacterCodingException e) {
      throw EspalierException.config(
          "The study file (" + file + ") is not UTF-8 text.", "Maybe save it as UTF-8.");
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The study file (" + file + ") cannot be read: " + e.getMessage() + ".",
          "Maybe check its permissions.",
          e);
    }
  }

  /**
   * Parses text.
   *
   * @param name what to call it in errors
   * @param text YAML of one document
   */
  public static ConfigTree parse(String name, String text) {
    try {
      Node root = new Yaml(new LoaderOptions()).compose(new StringReader(text));
      if (root == null) {
        throw EspalierException.config(
            name + ":1:1: The file has no content.",
            "Maybe start from examples/studies/quickstart.yaml.");
      }
      return new ConfigTree(name, root);
    } catch (MarkedYAMLException e) {
      Mark mark = e.getProblemMark() == null ? e.getContextMark() : e.getProblemMark();
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          place(name, mark) + ": This is not YAML: " + sentence(e.getProblem()),
          "Maybe check indentation, quotes and brackets.",
          e);
    } catch (ReaderException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "%s: The character (U+%04X) is not allowed in YAML."
              .formatted(place(name, text, e.getPosition()), e.getCodePoint()),
          "Maybe remove it, or write it as an escape in double quotes.",
          e);
    } catch (YAMLException | StackOverflowError e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          name + ":1:1: This is not YAML: " + sentence(e.getMessage()),
          "Maybe check indentation, quotes and brackets.",
          e);
    }
  }

  /**
   * A tree of plain values, as a composed plugin hands them over.
   *
   * @param name what to call it in errors
   * @param values maps, lists and scalars
   */
  public static ConfigTree of(String name, Map<String, ?> values) {
    return new ConfigTree(name, new Yaml().represent(values));
  }

  private static String sentence(@Nullable String problem) {
    String text = problem == null ? "unreadable" : problem.strip().replaceAll("\\s+", " ");
    return text.endsWith(".") ? text : text + ".";
  }

  private static String place(String name, @Nullable Mark mark) {
    return mark == null ? name : name + ":" + (mark.getLine() + 1) + ":" + (mark.getColumn() + 1);
  }

  /** The place of a code point, for errors that come before lines are counted. */
  private static String place(String name, String text, int codePoints) {
    String before =
        text.substring(0, text.offsetByCodePoints(0, Math.min(codePoints, text.length())));
    int line = (int) before.chars().filter(c -> c == '\n').count() + 1;
    return name + ":" + line + ":" + (before.length() - before.lastIndexOf('\n'));
  }

  /** The document's root. */
  public Node root() {
    return root;
  }

  /**
   * Where a node stands: {@code file:line:column}, or the override that set it.
   *
   * @param node a node of this tree
   */
  public String at(Node node) {
    String override = overrides.get(node);
    return override != null ? override : place(name, node.getStartMark());
  }

  /**
   * A configuration error at a node.
   *
   * @param node where
   * @param what what is wrong, as a sentence
   * @param advice how to mend it
   */
  public EspalierException error(Node node, String what, @Nullable String advice) {
    return new EspalierException(EspalierException.Code.CONFIG, what, advice).at(at(node));
  }

  /**
   * Lays an override over the tree, in place.
   *
   * @param assignment {@code path=value}, for example {@code arms[0].strategy.width=4}; the value
   *     is YAML
   */
  public void set(String assignment) {
    int equals = assignment.indexOf('=');
    if (equals < 1) {
      throw EspalierException.config(
          "The override (" + assignment + ") is not of the form key=value.",
          "Maybe write --set prompts.limit=4.");
    }
    String path = assignment.substring(0, equals).strip();
    Node value = parse("--set " + path, assignment.substring(equals + 1)).root();
    mark(value, "--set " + path);
    List<Object> steps = steps(path);
    Node at = root;
    for (int i = 0; i < steps.size(); i++) {
      boolean last = i == steps.size() - 1;
      if (steps.get(i) instanceof Integer index) {
        at = setInSequence(at, index, last ? value : null, path);
      } else {
        at = setInMapping(at, (String) steps.get(i), last ? value : null, path);
      }
    }
  }

  private Node setInSequence(Node at, int index, @Nullable Node value, String path) {
    if (!(at instanceof SequenceNode list) || index >= list.getValue().size()) {
      String found =
          at instanceof SequenceNode shorter ? "a list of " + shorter.getValue().size() : "no list";
      throw EspalierException.config(
          "The override (--set %s) refers to element %d of %s.".formatted(path, index, found),
          "Maybe count from 0.");
    }
    if (value != null) {
      list.getValue().set(index, value);
      return value;
    }
    return list.getValue().get(index);
  }

  private Node setInMapping(Node at, String key, @Nullable Node value, String path) {
    if (!(at instanceof MappingNode map)) {
      throw EspalierException.config(
          "The override (--set " + path + ") goes through a value (" + key + ") without keys.",
          "Maybe check the path, for example arms[0].strategy.width.");
    }
    List<NodeTuple> tuples = map.getValue();
    for (int i = 0; i < tuples.size(); i++) {
      if (tuples.get(i).getKeyNode() instanceof ScalarNode scalar
          && canonical(scalar.getValue()).equals(canonical(key))) {
        if (value == null) {
          return tuples.get(i).getValueNode();
        }
        tuples.set(i, new NodeTuple(scalar, value));
        return value;
      }
    }
    Node added =
        value != null
            ? value
            : new MappingNode(Tag.MAP, new ArrayList<>(), DumperOptions.FlowStyle.BLOCK);
    ScalarNode name = new ScalarNode(Tag.STR, key, null, null, DumperOptions.ScalarStyle.PLAIN);
    mark(name, "--set " + path);
    mark(added, "--set " + path);
    tuples.add(new NodeTuple(name, added));
    return added;
  }

  private void mark(Node node, String place) {
    if (overrides.put(node, place) != null) {
      return; // an alias of what is marked already
    }
    if (node instanceof MappingNode map) {
      map.getValue()
          .forEach(
              tuple -> {
                mark(tuple.getKeyNode(), place);
                mark(tuple.getValueNode(), place);
              });
    } else if (node instanceof SequenceNode list) {
      list.getValue().forEach(element -> mark(element, place));
    }
  }

  private static List<Object> steps(String path) {
    List<Object> steps = new ArrayList<>();
    Matcher matcher = STEP.matcher(path);
    int end = 0;
    while (matcher.find()) {
      String between = path.substring(end, matcher.start());
      if (!between.isEmpty() && !between.equals(".")) {
        break;
      }
      steps.add(
          matcher.group(2) == null ? matcher.group(1) : (Object) Integer.valueOf(matcher.group(2)));
      end = matcher.end();
    }
    if (end != path.length() || steps.isEmpty()) {
      throw EspalierException.config(
          "The override's path (" + path + ") cannot be read.",
          "Maybe write it as arms[0].strategy.width.");
    }
    return steps;
  }

  /** The one spelling of a key: {@code partial-from} and {@code partial_from} are partialFrom. */
  static String canonical(String key) {
    StringBuilder result = new StringBuilder(key.length());
    boolean upper = false;
    for (int i = 0; i < key.length(); i++) {
      char c = key.charAt(i);
      if ((c == '_' || c == '-') && !result.isEmpty()) {
        upper = true;
      } else {
        result.append(upper ? Character.toUpperCase(c) : c);
        upper = false;
      }
    }
    return result.toString();
  }
}
