package org.espalier.plugins;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.api.NearestNames;
import org.espalier.spi.PluginRef;
import org.jspecify.annotations.NullMarked;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;

/**
 * Binds YAML to records by their canonical constructors. Strict: unknown and duplicate keys, wrong
 * types, missing values and whatever a compact constructor refuses are errors with a place. Keys
 * may be written in camelCase, snake_case or kebab-case.
 */
public final class RecordBinder {
  private static final int DEEPEST = 40;

  /** The component beside which others of a record belong to the same mapping. */
  private static final String PLUGIN = "plugin";

  private final ConfigTree tree;
  private final PluginRefs plugins;

  private RecordBinder(ConfigTree tree, PluginRefs plugins) {
    this.tree = tree;
    this.plugins = plugins;
  }

  /**
   * Binds a mapping to a record.
   *
   * @param <T> the record
   * @param tree the document
   * @param node the mapping, or a scalar where every key is left out
   * @param path where it stands, for errors; empty at the root
   * @param type the record
   * @param apart keys that are bound elsewhere
   */
  public static <T> T bind(
      ConfigTree tree, Node node, String path, Class<T> type, Set<String> apart) {
    return bind(tree, node, path, type, apart, PluginRefs.NONE);
  }

  /** The same for a record that may name plugins. */
  static <T> T bind(
      ConfigTree tree,
      Node node,
      String path,
      Class<T> type,
      Set<String> apart,
      PluginRefs plugins) {
    return type.cast(new RecordBinder(tree, plugins).bindRecord(type, node, path, apart, 0));
  }

  /**
   * Whether a record is written as one mapping with the plugin that it names.
   *
   * @param type any class
   */
  public static boolean isPluginWithMore(Class<?> type) {
    return type.isRecord()
        && Arrays.stream(type.getRecordComponents())
            .anyMatch(
                component ->
                    component.getName().equals(PLUGIN) && component.getType() == PluginRef.class);
  }

  private Object bindRecord(Class<?> type, Node node, String path, Set<String> apart, int depth) {
    RecordComponent[] components = type.getRecordComponents();
    if (components == null) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The configuration type (" + type.getName() + ") is not a record.",
          "Maybe declare it as a record.");
    }
    Map<String, NodeTuple> given = new LinkedHashMap<>();
    if (node instanceof MappingNode map) {
      given.putAll(entries(map, path));
    } else if (apart.isEmpty() && !isPluginWithMore(type)) {
      throw tree.error(
          node,
          named(path) + " must be a mapping, but is " + describe(node) + ".",
          "Maybe write key: value lines below it.");
    }
    List<String> names = Arrays.stream(components).map(RecordComponent::getName).toList();
    boolean shared = isPluginWithMore(type);
    for (Map.Entry<String, NodeTuple> entry : given.entrySet()) {
      if (!shared && !names.contains(entry.getKey()) && !apart.contains(entry.getKey())) {
        ScalarNode key = (ScalarNode) entry.getValue().getKeyNode();
        throw tree.error(
            key,
            "The key (" + key.getValue() + ")" + in(path) + " is unknown.",
            key.getValue().equals("<<")
                ? "Maybe write the keys out: merging (<<) is not supported."
                : NearestNames.advice(key.getValue(), names));
      }
    }
    @Nullable Object[] arguments = new Object[components.length];
    Class<?>[] types = new Class<?>[components.length];
    for (int i = 0; i < components.length; i++) {
      RecordComponent component = components[i];
      types[i] = component.getType();
      NodeTuple tuple = given.get(component.getName());
      Node value = tuple == null || isNull(tuple.getValueNode()) ? null : tuple.getValueNode();
      if (shared && component.getName().equals(PLUGIN)) {
        Set<String> others = new HashSet<>(names);
        others.remove(PLUGIN);
        arguments[i] =
            pluginRef((ParameterizedType) component.getGenericType(), node, path, others);
        continue;
      }
      arguments[i] =
          value == null
              ? absent(component, node, path)
              : bindValue(component.getGenericType(), value, child(path, component), depth + 1);
    }
    Object record = construct(type, types, arguments, given, node, path);
    requirePresent(type, components, record, node, path);
    return record;
  }

  private @Nullable Object absent(RecordComponent component, Node node, String path) {
    Class<?> type = component.getType();
    if (type.isPrimitive()) {
      throw missing(component, node, path);
    }
    if (type == Optional.class) {
      return Optional.empty();
    }
    if (type == OptionalInt.class) {
      return OptionalInt.empty();
    }
    if (type == OptionalDouble.class) {
      return OptionalDouble.empty();
    }
    return null;
  }

  private EspalierException missing(RecordComponent component, Node node, String path) {
    return tree.error(
        node,
        "The key (" + component.getName() + ")" + in(path) + " is missing.",
        "Maybe add " + component.getName() + ": ....");
  }

  /** What is left out must be a component that can be null, or one that the constructor filled. */
  private void requirePresent(
      Class<?> type, RecordComponent[] components, Object record, Node node, String path) {
    if (!type.isAnnotationPresent(NullMarked.class)
        && !type.getPackage().isAnnotationPresent(NullMarked.class)) {
      return;
    }
    for (RecordComponent component : components) {
      if (!component.getType().isPrimitive()
          && !component.getAnnotatedType().isAnnotationPresent(Nullable.class)
          && read(component, record) == null) {
        throw missing(component, node, path);
      }
    }
  }

  static @Nullable Object read(RecordComponent component, Object record) {
    try {
      Method accessor = component.getAccessor();
      accessor.setAccessible(true);
      return accessor.invoke(record);
    } catch (ReflectiveOperationException e) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The accessor (" + component.getName() + ") of a configuration record failed: " + e + ".",
          null,
          e);
    }
  }

  private Object construct(
      Class<?> type,
      Class<?>[] types,
      @Nullable Object[] arguments,
      Map<String, NodeTuple> given,
      Node node,
      String path) {
    try {
      Constructor<?> constructor = type.getDeclaredConstructor(types);
      constructor.setAccessible(true);
      return constructor.newInstance(arguments);
    } catch (InvocationTargetException e) {
      Throwable cause = e.getCause();
      if (cause instanceof NullPointerException) {
        for (RecordComponent component : type.getRecordComponents()) {
          if (!given.containsKey(component.getName())
              && !component.getAnnotatedType().isAnnotationPresent(Nullable.class)) {
            throw missing(component, node, path);
          }
        }
      }
      throw relocated(cause == null ? e : cause, given, node, path);
    } catch (ReflectiveOperationException e) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The configuration record (" + type.getName() + ") cannot be constructed: " + e + ".",
          null,
          e);
    }
  }

  /** A constructor's complaint, with the place of the key that it is about. */
  private EspalierException relocated(
      Throwable cause, Map<String, NodeTuple> given, Node node, String path) {
    if (cause instanceof EspalierException own) {
      NodeTuple culprit = given.get(own.subject().map(RecordBinder::component).orElse(""));
      return own.at(tree.at(culprit == null ? node : culprit.getValueNode()));
    }
    String message = String.valueOf(cause.getMessage());
    String what = message.endsWith(".") ? message : message + ".";
    if (!(cause instanceof IllegalArgumentException)) {
      what = named(path) + " is refused: " + cause.getClass().getSimpleName() + ": " + what;
    }
    return new EspalierException(EspalierException.Code.CONFIG, what, null, cause)
        .at(tree.at(node));
  }

  /** The component that a key names: {@code strategy.partial-from} is partialFrom. */
  private static String component(String subject) {
    return ConfigTree.canonical(subject.substring(subject.lastIndexOf('.') + 1));
  }

  private Map<String, NodeTuple> entries(MappingNode map, String path) {
    Map<String, NodeTuple> result = new LinkedHashMap<>();
    for (NodeTuple tuple : map.getValue()) {
      if (!(tuple.getKeyNode() instanceof ScalarNode key)) {
        throw tree.error(tuple.getKeyNode(), "A key" + in(path) + " must be a word.", null);
      }
      NodeTuple earlier = result.put(ConfigTree.canonical(key.getValue()), tuple);
      if (earlier != null) {
        throw tree.error(
            key,
            "The key ("
                + key.getValue()
                + ")"
                + in(path)
                + " is given twice, first at "
                + tree.at(earlier.getKeyNode())
                + ".",
            "Maybe remove one of them.");
      }
    }
    return result;
  }

  private @Nullable Object bindValue(Type type, Node node, String path, int depth) {
    if (depth > DEEPEST) {
      throw tree.error(node, named(path) + " is nested too deeply.", "Maybe remove an alias.");
    }
    if (type instanceof WildcardType wildcard) {
      return bindValue(wildcard.getUpperBounds()[0], node, path, depth);
    }
    if (type instanceof ParameterizedType generic) {
      return bindGeneric(generic, node, path, depth);
    }
    Class<?> raw = (Class<?>) type;
    if (raw == PluginSpec.class) {
      return plugin(node, path);
    }
    if (raw == Object.class) {
      return free(node, path, depth);
    }
    if (raw == Map.class) {
      return bindMap(Object.class, node, path, depth);
    }
    if (raw == List.class) {
      return elements(Object.class, node, path, depth);
    }
    Method factory = node instanceof ScalarNode ? null : factory(raw, List.class);
    if (factory != null) {
      return make(factory, elements(Object.class, node, path, depth), node, path);
    }
    // A record that is written as a scalar, such as an amount, has no keys.
    if (raw.isRecord() && node instanceof MappingNode && factory(raw, String.class) == null) {
      return bindRecord(raw, node, path, Set.of(), depth);
    }
    return bindScalar(raw, node, path);
  }

  private @Nullable Object bindGeneric(ParameterizedType type, Node node, String path, int depth) {
    Class<?> raw = (Class<?>) type.getRawType();
    Type[] of = type.getActualTypeArguments();
    if (raw == PluginRef.class) {
      return pluginRef(type, node, path, Set.of());
    }
    if (raw == Optional.class) {
      return Optional.ofNullable(bindValue(of[0], node, path, depth + 1));
    }
    if (raw == List.class) {
      return elements(of[0], node, path, depth);
    }
    if (raw == Set.class) {
      List<?> elements = elements(of[0], node, path, depth);
      Set<Object> set = new LinkedHashSet<>(elements);
      if (set.size() != elements.size()) {
        throw tree.error(node, named(path) + " names an element twice.", "Maybe remove one.");
      }
      return set;
    }
    if (raw == Map.class) {
      Map<String, @Nullable Object> map = bindMap(of[1], node, path, depth);
      if (of[0] == String.class || of[0] == Object.class) {
        return map;
      }
      Map<Object, @Nullable Object> keyed = new LinkedHashMap<>();
      for (NodeTuple tuple : ((MappingNode) node).getValue()) {
        Node key = tuple.getKeyNode();
        keyed.put(bindScalar((Class<?>) of[0], key, path), map.get(((ScalarNode) key).getValue()));
      }
      return keyed;
    }
    throw new EspalierException(
        EspalierException.Code.PLUGIN_CONTRACT,
        "The configuration component (" + path + ") has a type (" + type + ") that is not bound.",
        "Maybe use a record, List, Set, Map or Optional.");
  }

  private List<@Nullable Object> elements(Type of, Node node, String path, int depth) {
    List<@Nullable Object> result = new ArrayList<>();
    if (node instanceof SequenceNode list) {
      for (int i = 0; i < list.getValue().size(); i++) {
        result.add(bindValue(of, list.getValue().get(i), path + "[" + i + "]", depth + 1));
      }
    } else {
      result.add(bindValue(of, node, path, depth + 1));
    }
    return Collections.unmodifiableList(result);
  }

  private Map<String, @Nullable Object> bindMap(Type of, Node node, String path, int depth) {
    if (!(node instanceof MappingNode map)) {
      throw tree.error(
          node,
          named(path) + " must be a mapping, but is " + describe(node) + ".",
          "Maybe write name: value lines below it.");
    }
    Map<String, @Nullable Object> result = new LinkedHashMap<>();
    for (NodeTuple tuple : entries(map, path).values()) {
      String key = ((ScalarNode) tuple.getKeyNode()).getValue();
      result.put(key, bindValue(of, tuple.getValueNode(), dotted(path, key), depth + 1));
    }
    return Collections.unmodifiableMap(result);
  }

  private PluginRef<?> pluginRef(
      ParameterizedType type, Node node, String path, Set<String> others) {
    PluginSpec spec = plugin(node, path);
    Set<String> apart = new HashSet<>(others);
    apart.addAll(spec.apart());
    return plugins.bind(
        (Class<?>) type.getActualTypeArguments()[0],
        new PluginSpec(spec.id(), tree, spec.idNode(), node, path, apart));
  }

  private PluginSpec plugin(Node node, String path) {
    Set<String> apart = Set.of("id");
    if (node instanceof ScalarNode scalar && !isNull(node)) {
      return new PluginSpec(scalar.getValue(), tree, node, node, path, apart);
    }
    if (!(node instanceof MappingNode map)) {
      throw tree.error(
          node,
          named(path) + " must name a plugin, but is " + describe(node) + ".",
          "Maybe write {id: ...}.");
    }
    NodeTuple id = entries(map, path).get("id");
    if (id == null || !(id.getValueNode() instanceof ScalarNode scalar) || isNull(scalar)) {
      throw tree.error(node, "The key (id)" + in(path) + " is missing.", "Maybe add id: ....");
    }
    return new PluginSpec(scalar.getValue(), tree, scalar, node, path, apart);
  }

  private @Nullable Object free(Node node, String path, int depth) {
    if (node instanceof MappingNode) {
      return bindMap(Object.class, node, path, depth);
    }
    if (node instanceof SequenceNode) {
      return elements(Object.class, node, path, depth);
    }
    ScalarNode scalar = (ScalarNode) node;
    if (isNull(scalar)) {
      return null;
    }
    if (!scalar.isPlain()) {
      return scalar.getValue();
    }
    if (Tag.BOOL.equals(scalar.getTag())) {
      return bindScalar(boolean.class, scalar, path);
    }
    try {
      BigDecimal number = new BigDecimal(scalar.getValue());
      return number.scale() <= 0 && number.abs().compareTo(BigDecimal.valueOf(1L << 53)) < 0
          ? (Object) number.longValueExact()
          : (Object) number.doubleValue();
    } catch (NumberFormatException | ArithmeticException e) {
      return scalar.getValue();
    }
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private Object bindScalar(Class<?> type, Node node, String path) {
    if (!(node instanceof ScalarNode scalar)) {
      throw tree.error(
          node,
          named(path) + " must be " + describe(type) + ", but is " + describe(node) + ".",
          null);
    }
    String text = scalar.getValue();
    if (type == String.class) {
      return text;
    }
    if (type == Path.class) {
      try {
        return Path.of(text);
      } catch (InvalidPathException e) {
        throw tree.error(node, named(path) + " is not a valid path.", "Maybe check the path.");
      }
    }
    if (type == boolean.class || type == Boolean.class) {
      String lower = text.toLowerCase(Locale.ROOT);
      if (lower.equals("true") || lower.equals("false")) {
        return Boolean.valueOf(lower);
      }
      throw wrong(type, scalar, path, "Maybe write true or false.");
    }
    if (type.isEnum()) {
      List<String> names = new ArrayList<>();
      for (Object constant : type.getEnumConstants()) {
        String name = ((Enum) constant).name().toLowerCase(Locale.ROOT).replace('_', '-');
        names.add(name);
        if (name.equals(text.toLowerCase(Locale.ROOT).replace('_', '-'))) {
          return constant;
        }
      }
      throw tree.error(
          node,
          named(path) + " (" + text + ") is not one of " + String.join(", ", names) + ".",
          NearestNames.advice(text, names));
    }
    Object number = number(type, scalar, path);
    if (number != null) {
      return number;
    }
    if (type == Duration.class) {
      return make(method(Duration.class, "parse", CharSequence.class), text, node, path);
    }
    if (type == OptionalInt.class) {
      return OptionalInt.of((int) bindScalar(int.class, node, path));
    }
    if (type == OptionalDouble.class) {
      return OptionalDouble.of((double) bindScalar(double.class, node, path));
    }
    return make(scalarFactory(type, scalar, path), scalarArgument(type, scalar, path), node, path);
  }

  private Method scalarFactory(Class<?> type, ScalarNode node, String path) {
    for (Class<?> argument : numberFactories(node)) {
      Method method = factory(type, argument);
      if (method != null) {
        return method;
      }
    }
    Method method = factory(type, String.class);
    if (method == null) {
      throw wrong(type, node, path, "Maybe write key: value lines below it.");
    }
    return method;
  }

  private Object scalarArgument(Class<?> type, ScalarNode node, String path) {
    Class<?> argument = scalarFactory(type, node, path).getParameterTypes()[0];
    return argument == String.class ? node.getValue() : bindScalar(argument, node, path);
  }

  private static List<Class<?>> numberFactories(ScalarNode node) {
    if (!node.isPlain()) {
      return List.of();
    }
    try {
      new BigInteger(node.getValue());
      return List.of(int.class, long.class, double.class);
    } catch (NumberFormatException e) {
      try {
        new BigDecimal(node.getValue());
        return List.of(double.class);
      } catch (NumberFormatException notANumber) {
        return List.of();
      }
    }
  }

  private @Nullable Object number(Class<?> type, ScalarNode scalar, String path) {
    String text = scalar.getValue();
    try {
      if (type == int.class || type == Integer.class) {
        return new BigDecimal(text).intValueExact();
      }
      if (type == long.class || type == Long.class) {
        return new BigDecimal(text).longValueExact();
      }
      if (type == double.class || type == Double.class) {
        return finite(new BigDecimal(text).doubleValue());
      }
      if (type == float.class || type == Float.class) {
        return (float) finite(new BigDecimal(text).floatValue());
      }
      return null;
    } catch (NumberFormatException | ArithmeticException e) {
      throw wrong(type, scalar, path, null);
    }
  }

  private static double finite(double value) {
    if (Double.isInfinite(value)) {
      throw new ArithmeticException("too large");
    }
    return value;
  }

  private EspalierException wrong(
      Class<?> type, ScalarNode node, String path, @Nullable String advice) {
    return tree.error(
        node, named(path) + " (" + node.getValue() + ") must be " + describe(type) + ".", advice);
  }

  private static @Nullable Method factory(Class<?> type, Class<?> argument) {
    try {
      Method method = type.getMethod("of", argument);
      return Modifier.isStatic(method.getModifiers())
              && type.isAssignableFrom(method.getReturnType())
          ? method
          : null;
    } catch (NoSuchMethodException e) {
      return null;
    }
  }

  private static Method method(Class<?> type, String name, Class<?> argument) {
    try {
      return type.getMethod(name, argument);
    } catch (NoSuchMethodException e) {
      throw new AssertionError(e);
    }
  }

  private Object make(Method factory, Object argument, Node node, String path) {
    try {
      factory.setAccessible(true);
      return factory.invoke(null, argument);
    } catch (InvocationTargetException e) {
      throw relocated(e.getCause() == null ? e : e.getCause(), Map.of(), node, path);
    } catch (IllegalAccessException e) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The factory (" + factory + ") of a configuration value cannot be called.",
          "Maybe make it public.",
          e);
    }
  }

  private static boolean isNull(Node node) {
    return node instanceof ScalarNode scalar && Tag.NULL.equals(scalar.getTag());
  }

  private static String child(String path, RecordComponent component) {
    return dotted(path, component.getName());
  }

  private static String dotted(String path, String name) {
    return path.isEmpty() ? name : path + "." + name;
  }

  private static String named(String path) {
    return path.isEmpty() ? "The study" : "The value of " + path;
  }

  private static String in(String path) {
    return path.isEmpty() ? "" : " in " + path;
  }

  private static String describe(Node node) {
    if (node instanceof MappingNode) {
      return "a mapping";
    }
    if (node instanceof SequenceNode) {
      return "a list";
    }
    return isNull(node) ? "empty" : "a single value (" + ((ScalarNode) node).getValue() + ")";
  }

  private static String describe(Class<?> type) {
    if (type == int.class || type == Integer.class || type == long.class || type == Long.class) {
      return "a whole number";
    }
    if (type == double.class || type == Double.class || type == float.class) {
      return "a number";
    }
    if (type == boolean.class || type == Boolean.class) {
      return "true or false";
    }
    return type.isRecord() && factory(type, String.class) == null ? "a mapping" : "a single value";
  }
}
