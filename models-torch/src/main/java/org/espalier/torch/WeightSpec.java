package org.espalier.torch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.espalier.api.EspalierException;
import org.espalier.api.NearestNames;
import org.espalier.weights.ReadLog;

/**
 * The weights a program expects, derived from a configuration: every key with its shape, and
 * patterns of keys that may be left unread. A checkpoint that lacks a key, has another shape, or
 * has a key that is neither expected nor ignorable is refused.
 */
public final class WeightSpec {
  /**
   * An expected weight.
   *
   * @param shape its sizes
   * @param fullPrecision whether it stays float32 where the program computes in a shorter type
   */
  private record Expected(List<Long> shape, boolean fullPrecision) {}

  /** A bound on what a damaged configuration can ask for; the largest networks have a tenth. */
  private static final int MOST_KEYS = 100_000;

  private final Map<String, Expected> expected;
  private final List<Pattern> ignorable;

  private WeightSpec(Map<String, Expected> expected, List<Pattern> ignorable) {
    this.expected = Collections.unmodifiableMap(new LinkedHashMap<>(expected));
    this.ignorable = List.copyOf(ignorable);
  }

  /** A builder. */
  public static Builder builder() {
    return new Builder();
  }

  boolean fullPrecision(String key) {
    Expected entry = expected.get(key);
    return entry != null && entry.fullPrecision;
  }

  /** The expected keys, in the order in which they were named. */
  public Set<String> keys() {
    return expected.keySet();
  }

  /** The expected shapes by key, in the order in which they were named. */
  public Map<String, List<Long>> shapes() {
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    expected.forEach((name, entry) -> shapes.put(name, entry.shape));
    return shapes;
  }

  /** Number of parameters: elements over all expected keys. */
  public long parameters() {
    return expected.values().stream()
        .mapToLong(e -> new TensorInfo(DType.F32, e.shape).elements())
        .sum();
  }

  /**
   * Checks a source against this specification, before anything is allocated.
   *
   * @param source the weights
   * @throws EspalierException CONFIG naming file, key, both shapes and the nearest names
   */
  public void check(WeightSource source) {
    Set<String> unread = new TreeSet<>(source.names());
    unread.removeAll(expected.keySet());
    List<String> unused = new ArrayList<>(unread);
    unread.removeIf(name -> ignorable.stream().anyMatch(p -> p.matcher(name).matches()));
    unused.removeAll(unread);
    requireKeys(source, unread);
    for (Map.Entry<String, Expected> entry : expected.entrySet()) {
      require(source, entry.getKey(), entry.getValue());
    }
    if (!unread.isEmpty()) {
      String first = unread.iterator().next();
      throw EspalierException.config(
          "The weights "
              + source.location()
              + " have "
              + unread.size()
              + " keys that the program does not know: "
              + some(unread)
              + " (shape "
              + source.info(first).shape()
              + ").",
          "Maybe the configuration says fewer layers than the checkpoint has; the nearest expected"
              + " keys are "
              + String.join(", ", NearestNames.ranked(first, expected.keySet()))
              + ".");
    }
    ReadLog.use(
        new ReadLog.Use(
            source.location(), expected.size(), unused, parameters(), fullPrecisionParameters()));
  }

  private long fullPrecisionParameters() {
    return expected.values().stream()
        .filter(Expected::fullPrecision)
        .mapToLong(e -> new TensorInfo(DType.F32, e.shape).elements())
        .sum();
  }

  /** All keys that are missing, in one error. */
  private void requireKeys(WeightSource source, Set<String> unread) {
    Set<String> missing = new LinkedHashSet<>(expected.keySet());
    missing.removeAll(source.names());
    if (missing.isEmpty()) {
      return;
    }
    String name = missing.iterator().next();
    throw EspalierException.config(
        "The weights "
            + source.location()
            + " lack "
            + (missing.size() == 1
                ? "the key " + name
                : missing.size() + " keys, among them the key " + name)
            + " (shape "
            + expectedShape(name)
            + ").",
        unread.isEmpty()
            ? Names.suggestion(name, source.names())
            : "Maybe it is misnamed; unread keys: "
                + String.join(", ", NearestNames.ranked(name, unread))
                + ".");
  }

  private List<Long> expectedShape(String name) {
    Expected entry = expected.get(name);
    return entry == null ? List.of() : entry.shape;
  }

  private static void require(WeightSource source, String name, Expected wanted) {
    TensorInfo actual = source.info(name);
    if (!actual.shape().equals(wanted.shape)) {
      throw EspalierException.config(
          "The weights "
              + source.location()
              + " have the key "
              + name
              + " with the shape "
              + actual.shape()
              + " instead of "
              + wanted.shape
              + ".",
          "Maybe the configuration belongs to another checkpoint.");
    }
    if (!actual.dtype().isFloating()) {
      throw EspalierException.config(
          "The weights "
              + source.location()
              + " have the key "
              + name
              + " of the type "
              + actual.dtype()
              + ", which is not a floating-point one.",
          "Maybe the checkpoint is quantised; use the one in bfloat16 or float32.");
    }
  }

  private static String some(Set<String> names) {
    return names.stream().limit(3).collect(Collectors.joining(", "))
        + (names.size() > 3 ? ", ..." : "");
  }

  /** Collects expected keys. */
  public static final class Builder {
    private final Map<String, Expected> expected = new LinkedHashMap<>();
    private final List<Pattern> ignorable = new ArrayList<>();

    private Builder() {}

    /**
     * A weight in the program's type.
     *
     * @param name its key
     * @param shape its sizes
     */
    public Builder key(String name, long... shape) {
      return add(name, false, shape);
    }

    /**
     * A weight that stays float32 where the program computes in a shorter type.
     *
     * @param name its key
     * @param shape its sizes
     */
    public Builder fullPrecision(String name, long... shape) {
      return add(name, true, shape);
    }

    private Builder add(String name, boolean fullPrecision, long... shape) {
      if (expected.size() == MOST_KEYS) {
        throw EspalierException.config(
            "A configuration asks for more than " + MOST_KEYS + " weights (" + name + ").",
            "Maybe its number of layers is damaged.");
      }
      Expected entry = new Expected(Arrays.stream(shape).boxed().toList(), fullPrecision);
      if (expected.put(name, entry) != null) {
        throw new IllegalArgumentException("the key " + name + " is specified twice");
      }
      return this;
    }

    /**
     * {@code PREFIX.weight} of shape (out, in) and {@code PREFIX.bias} of shape (out).
     *
     * @param prefix of both keys
     * @param out output width
     * @param in input width
     */
    public Builder linear(String prefix, long out, long in) {
      return key(prefix + ".weight", out, in).key(prefix + ".bias", out);
    }

    /**
     * {@code PREFIX.weight} and {@code PREFIX.bias}, both of shape (width): a norm.
     *
     * @param prefix of both keys
     * @param width channels
     */
    public Builder norm(String prefix, long width) {
      return key(prefix + ".weight", width).key(prefix + ".bias", width);
    }

    /**
     * {@code PREFIX.weight} of shape (out, in, kernel, kernel) and {@code PREFIX.bias} of shape
     * (out).
     *
     * @param prefix of both keys
     * @param out output channels
     * @param in input channels
     * @param kernel side of the kernel
     */
    public Builder conv2d(String prefix, long out, long in, long kernel) {
      return key(prefix + ".weight", out, in, kernel, kernel).key(prefix + ".bias", out);
    }

    /**
     * Keys that may be there and are not read.
     *
     * @param patterns regular expressions for whole keys
     */
    public Builder ignore(String... patterns) {
      for (String pattern : patterns) {
        ignorable.add(Pattern.compile(pattern));
      }
      return this;
    }

    /** The specification. */
    public WeightSpec build() {
      return new WeightSpec(expected, ignorable);
    }
  }
}
