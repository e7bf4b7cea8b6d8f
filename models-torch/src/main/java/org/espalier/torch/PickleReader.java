package org.espalier.torch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Reads the pickles that PyTorch writes, as data: dictionaries, lists, tuples, scalars and tensors
 * without their values. No class is looked up and nothing named in a pickle runs; all but a short
 * list of names is refused, as by PyTorch's own reader of {@code weights_only} files. Work and
 * memory are bounded by the limits below, whatever the pickle says of its lengths. The opcodes are
 * those of protocols 2 to 5 that PyTorch uses (<a
 * href="https://github.com/python/cpython/blob/main/Lib/pickletools.py">pickletools.py</a>).
 */
final class PickleReader {
  /** Opcodes of one pickle; a checkpoint of 10,000 tensors has 300,000. */
  private static final int MOST_OPCODES = 4_000_000;

  private static final int LONGEST_NAME = 256;

  private static final Map<String, DType> STORAGES =
      Map.of(
          "DoubleStorage", DType.F64,
          "FloatStorage", DType.F32,
          "HalfStorage", DType.F16,
          "BFloat16Storage", DType.BF16,
          "LongStorage", DType.I64,
          "IntStorage", DType.I32,
          "ShortStorage", DType.I16,
          "CharStorage", DType.I8,
          "ByteStorage", DType.U8,
          "BoolStorage", DType.BOOL);

  /** A tensor: a view of a storage, in elements. */
  record Tensor(Storage storage, long offset, List<Long> shape, List<Long> strides) {}

  /** Where values lie: an entry of the archive. */
  record Storage(DType dtype, String key) {}

  /** Unlike a list, with the identity of an object, as a key of a dictionary needs it. */
  private static final class Tuple {
    final List<@Nullable Object> values;

    Tuple(List<@Nullable Object> values) {
      this.values = values;
    }
  }

  /** What a pickle may name. */
  private sealed interface Named {
    record OfStorage(DType dtype) implements Named {}

    /** Kinds of which there is one each. */
    enum Known implements Named {
      TENSOR,
      PARAMETER,
      DICTIONARY,
      SIZE,
      /** A class of settings and the like, of which nothing is read. */
      DATA
    }
  }

  /** An object of a class of settings. */
  private static final Object UNREAD = new Object();

  private final ByteBuffer in;
  private final Function<String, EspalierException> malformed;
  private final Consumer<Storage> storages;
  private final List<@Nullable Object> stack = new ArrayList<>();
  private final Deque<Integer> marks = new ArrayDeque<>();
  private final Map<Integer, @Nullable Object> memo = new HashMap<>();

  private PickleReader(
      ByteBuffer in, Function<String, EspalierException> malformed, Consumer<Storage> storages) {
    this.in = in.order(ByteOrder.LITTLE_ENDIAN);
    this.malformed = malformed;
    this.storages = storages;
  }

  /**
   * Reads a pickle.
   *
   * @param in its bytes; stands behind it afterwards
   * @param malformed the error of a file that "..." (for example "is truncated")
   * @return Map, List, Tensor, String, Long, Double, Boolean, null, or something opaque
   */
  static @Nullable Object read(ByteBuffer in, Function<String, EspalierException> malformed) {
    return read(in, malformed, storage -> {});
  }

  /**
   * Reads a pickle.
   *
   * @param in its bytes; stands behind it afterwards
   * @param malformed the error of a file that "..."
   * @param storages told of each storage as often as it is referred to
   */
  static @Nullable Object read(
      ByteBuffer in, Function<String, EspalierException> malformed, Consumer<Storage> storages) {
    return new PickleReader(in, malformed, storages).run();
  }

  private @Nullable Object run() {
    for (int count = 0; count < MOST_OPCODES; count++) {
      int opcode = byteValue();
      if (opcode == '.') {
        return pop();
      }
      step(opcode);
    }
    throw malformed.apply("has a pickle of more than " + MOST_OPCODES + " operations");
  }

  private void step(int opcode) {
    switch (opcode) {
      case 0x80 -> { // PROTO
        int protocol = byteValue();
        if (protocol > 5) {
          throw malformed.apply("has a pickle of the unknown protocol " + protocol);
        }
      }
      case 0x95 -> skip(8); // FRAME: a hint for readers
      case '(' -> marks.push(stack.size());
      case '0' -> pop();
      case '1' -> popMark();
      case '2' -> stack.add(top());
      case 'N' -> stack.add(null);
      case 0x88 -> stack.add(true);
      case 0x89 -> stack.add(false);
      case 'K' -> stack.add((long) byteValue());
      case 'M' -> stack.add((long) (need(2).getShort() & 0xffff));
      case 'J' -> stack.add((long) need(4).getInt());
      case 0x8a -> stack.add(longValue(byteValue()));
      case 'G' -> stack.add(Double.longBitsToDouble(Long.reverseBytes(need(8).getLong())));
      case 'X' -> stack.add(text(length4()));
      case 0x8c -> stack.add(text(byteValue()));
      case 0x8d -> stack.add(text(length8()));
      case 'T' -> stack.add(text(length4()));
      case 'U' -> stack.add(text(byteValue()));
      case 'B' -> bytes(length4());
      case 'C' -> bytes(byteValue());
      case 0x8e, 0x96 -> bytes(length8());
      case '}' -> stack.add(new LinkedHashMap<>());
      case ']', 0x8f -> stack.add(new ArrayList<>());
      case ')' -> stack.add(new Tuple(List.of()));
      case 't' -> stack.add(new Tuple(popMark()));
      case 0x85 -> stack.add(new Tuple(popLast(1)));
      case 0x86 -> stack.add(new Tuple(popLast(2)));
      case 0x87 -> stack.add(new Tuple(popLast(3)));
      case 'l', 0x91 -> stack.add(popMark());
      case 'd' -> {
        List<@Nullable Object> pairs = popMark();
        Map<@Nullable Object, @Nullable Object> map = new LinkedHashMap<>();
        putAll(map, pairs);
        stack.add(map);
      }
      case 's' -> {
        List<@Nullable Object> pair = popLast(2);
        putAll(top(), pair);
      }
      case 'u' -> {
        List<@Nullable Object> pairs = popMark();
        putAll(top(), pairs);
      }
      case 'a' -> {
        List<@Nullable Object> one = popLast(1);
        addAll(one);
      }
      case 'e', 0x90 -> {
        List<@Nullable Object> several = popMark();
        addAll(several);
      }
      case 'q' -> memo.put(byteValue(), top());
      case 'r' -> memo.put(need(4).getInt(), top());
      case 0x94 -> memo.put(memo.size(), top());
      case 'h' -> stack.add(memo(byteValue()));
      case 'j' -> stack.add(memo(need(4).getInt()));
      case 'c' -> {
        String module = line();
        stack.add(named(module, line()));
      }
      case 0x93 -> {
        Object name = pop();
        Object module = pop();
        stack.add(named(string(module), string(name)));
      }
      case 'R', 0x81 -> {
        Object arguments = pop();
        Object callable = pop();
        stack.add(made(callable, arguments));
      }
      case 0x92 -> { // NEWOBJ_EX: class, arguments, named arguments
        pop();
        Object arguments = pop();
        Object callable = pop();
        stack.add(made(callable, arguments));
      }
      case 'b' -> pop(); // attributes, such as _metadata
      case 'Q' -> stack.add(storage(pop()));
      case 'i', 'o', 0x82, 0x83, 0x84 ->
          throw malformed.apply("has a pickle with old-style objects (opcode " + opcode + ")");
      default -> throw malformed.apply("has a pickle with an unknown opcode (" + opcode + ")");
    }
  }

  // ---- bytes

  private ByteBuffer need(long count) {
    if (count < 0 || count > in.remaining()) {
      throw malformed.apply("has a pickle that ends early or claims more bytes than there are");
    }
    return in;
  }

  private int byteValue() {
    return need(1).get() & 0xff;
  }

  private long length4() {
    return need(4).getInt() & 0xffffffffL;
  }

  private long length8() {
    return need(8).getLong();
  }

  private void skip(long count) {
    ByteBuffer bytes = need(count);
    bytes.position(bytes.position() + (int) count);
  }

  private String text(long count) {
    need(count);
    byte[] bytes = new byte[(int) count];
    in.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private void bytes(long count) {
    skip(count);
    stack.add(UNREAD);
  }

  /** Whole numbers of more than 64 bits occur in states of random generators only. */
  private Object longValue(int count) {
    need(count);
    if (count > 8) {
      skip(count);
      return UNREAD;
    }
    long value = 0;
    for (int i = 0; i < count; i++) {
      value |= (long) byteValue() << 8 * i;
    }
    return count == 0 || count == 8 ? value : value << 64 - 8 * count >> 64 - 8 * count;
  }

  private String line() {
    StringBuilder line = new StringBuilder();
    for (int c = byteValue(); c != '\n'; c = byteValue()) {
      if (line.length() == LONGEST_NAME) {
        throw malformed.apply("has a pickle with a name of more than " + LONGEST_NAME + " bytes");
      }
      line.append((char) c);
    }
    return line.toString();
  }

  // ---- stack

  private @Nullable Object top() {
    if (stack.isEmpty()) {
      throw malformed.apply("has a damaged pickle");
    }
    return stack.get(stack.size() - 1);
  }

  private @Nullable Object pop() {
    Object value = top();
    stack.remove(stack.size() - 1);
    return value;
  }

  private List<@Nullable Object> popLast(int count) {
    if (stack.size() < count) {
      throw malformed.apply("has a damaged pickle");
    }
    List<@Nullable Object> tail = stack.subList(stack.size() - count, stack.size());
    List<@Nullable Object> values = new ArrayList<>(tail);
    tail.clear();
    return values;
  }

  private List<@Nullable Object> popMark() {
    Integer mark = marks.poll();
    if (mark == null || mark > stack.size()) {
      throw malformed.apply("has a damaged pickle");
    }
    return popLast(stack.size() - mark);
  }

  private @Nullable Object memo(int index) {
    if (!memo.containsKey(index)) {
      throw malformed.apply("has a damaged pickle");
    }
    return memo.get(index);
  }

  // ---- objects

  private void putAll(@Nullable Object target, List<@Nullable Object> pairs) {
    if (target == UNREAD) {
      return;
    }
    if (!(target instanceof Map<?, ?>) || pairs.size() % 2 != 0) {
      throw malformed.apply("has a damaged pickle");
    }
    @SuppressWarnings("unchecked") // all maps are made here
    Map<@Nullable Object, @Nullable Object> map = (Map<@Nullable Object, @Nullable Object>) target;
    for (int i = 0; i < pairs.size(); i += 2) {
      Object key = pairs.get(i);
      if (key instanceof Map || key instanceof List) {
        throw malformed.apply("has a dictionary with a key that cannot be one");
      }
      map.put(key, pairs.get(i + 1));
    }
  }

  private void addAll(List<@Nullable Object> values) {
    Object target = top();
    if (!(target instanceof List<?>)) {
      throw malformed.apply("has a damaged pickle");
    }
    @SuppressWarnings("unchecked") // all lists are made here
    List<@Nullable Object> list = (List<@Nullable Object>) target;
    list.addAll(values);
  }

  private String string(@Nullable Object value) {
    if (!(value instanceof String text) || text.length() > LONGEST_NAME) {
      throw malformed.apply("has a pickle whose names are no texts");
    }
    return text;
  }

  private Named named(String module, String name) {
    DType dtype = STORAGES.get(name);
    if (module.equals("torch") && dtype != null) {
      return new Named.OfStorage(dtype);
    }
    return switch (module + "." + name) {
      case "torch._utils._rebuild_tensor_v2" -> Named.Known.TENSOR;
      case "torch._utils._rebuild_parameter" -> Named.Known.PARAMETER;
      case "collections.OrderedDict" -> Named.Known.DICTIONARY;
      case "torch.Size" -> Named.Known.SIZE;
      // What training scripts save beside the weights.
      case "argparse.Namespace",
          "collections.defaultdict",
          "torch.device",
          "torch.float16",
          "torch.bfloat16",
          "torch.float32",
          "numpy.dtype",
          "numpy.core.multiarray.scalar",
          "numpy._core.multiarray.scalar",
          "_codecs.encode",
          "pathlib.PosixPath",
          "pathlib.Path" ->
          Named.Known.DATA;
      default -> throw foreign(module, name);
    };
  }

  private EspalierException foreign(String module, String name) {
    return malformed.apply(
        "holds an object of the class "
            + module
            + "."
            + name
            + ", which is not loaded because unpickling it could run code");
  }

  private @Nullable Object made(@Nullable Object callable, @Nullable Object arguments) {
    if (!(callable instanceof Named named) || !(arguments instanceof Tuple tuple)) {
      throw malformed.apply("has a pickle that calls something that is no class");
    }
    if (named == Named.Known.DATA) {
      return UNREAD;
    }
    if (named == Named.Known.DICTIONARY) {
      return dictionary(tuple);
    }
    if (named == Named.Known.TENSOR && tuple.values.size() >= 4) {
      if (tuple.values.get(0) instanceof Storage storage
          && tuple.values.get(1) instanceof Long offset) {
        return new Tensor(storage, offset, sizes(tuple.values.get(2)), sizes(tuple.values.get(3)));
      }
    } else if ((named == Named.Known.PARAMETER || named == Named.Known.SIZE)
        && !tuple.values.isEmpty()) {
      return tuple.values.get(0);
    }
    throw malformed.apply("has a pickle with a tensor that is described wrongly");
  }

  private Map<@Nullable Object, @Nullable Object> dictionary(Tuple arguments) {
    Map<@Nullable Object, @Nullable Object> map = new LinkedHashMap<>();
    if (!arguments.values.isEmpty() && arguments.values.get(0) instanceof List<?> pairs) {
      for (Object pair : pairs) {
        List<?> two =
            pair instanceof Tuple t ? t.values : pair instanceof List<?> l ? l : List.of();
        List<@Nullable Object> both = new ArrayList<>(two);
        if (both.size() != 2) {
          throw malformed.apply("has a damaged pickle");
        }
        putAll(map, both);
      }
    }
    return map;
  }

  private List<Long> sizes(@Nullable Object value) {
    List<?> values = value instanceof Tuple t ? t.values : value instanceof List<?> l ? l : null;
    List<Long> sizes = new ArrayList<>();
    if (values == null || values.size() > 16) {
      throw malformed.apply("has a tensor whose shape is no list of sizes");
    }
    for (Object size : values) {
      if (!(size instanceof Long number)) {
        throw malformed.apply("has a tensor whose shape is no list of sizes");
      }
      sizes.add(number);
    }
    return sizes;
  }

  private Storage storage(@Nullable Object id) {
    if (!(id instanceof Tuple tuple)
        || tuple.values.size() < 3
        || !"storage".equals(tuple.values.get(0))
        || !(tuple.values.get(1) instanceof Named.OfStorage of)
        || !(tuple.values.get(2) instanceof String key)) {
      throw malformed.apply("refers to something that is no storage");
    }
    Storage storage = new Storage(of.dtype, key);
    storages.accept(storage);
    return storage;
  }
}
