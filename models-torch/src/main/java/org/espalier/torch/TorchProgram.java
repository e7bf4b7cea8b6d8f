package org.espalier.torch;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.espalier.api.EspalierException;
import org.espalier.weights.Sha256;
import org.jspecify.annotations.Nullable;

/**
 * A network: one readable TorchScript text over the weights of a published checkpoint.
 *
 * <p>The text is a class-path resource with free functions and, last, one class:
 *
 * <pre>{@code
 * class Net(Module):
 *   def step(self, x: Tensor) -> Tensor:
 *     return linear(self.w, "head", x) * self.gain
 * }</pre>
 *
 * {@code self.w} holds the weights by the checkpoint's own keys; {@code self.NAME} are the
 * attributes given to the builder. The functions of {@code common.py} ({@code linear}, {@code
 * layer_norm}, ...) are always there. Compile errors name the line of {@link #code()}.
 *
 * <p>Thread-safe: several threads may run a program at once.
 */
public final class TorchProgram implements AutoCloseable {
  private static final int CHUNK_BYTES = 32 << 20;

  /** Where 16-bit weights are widened; dropped once a program is loaded. */
  private static final ThreadLocal<ByteBuffer> WIDENING =
      ThreadLocal.withInitial(() -> ByteBuffer.allocateDirect(0));

  private final String name;
  private final Device device;
  private final DType dtype;
  private final ProgramText text;
  private final PtSymbolBlock module;
  private final long weightBytes;
  private final AtomicBoolean closed = new AtomicBoolean();

  private TorchProgram(Builder builder, WeightSource source, WeightSpec spec) {
    spec.check(source);
    this.name = builder.className;
    this.device = builder.device;
    this.dtype = builder.dtype;
    List<String> weightNames = List.copyOf(spec.keys());
    Map<String, Object> attributes = new LinkedHashMap<>(builder.attributes);
    attributes.put("device_name", device.isGpu() ? "cuda:" + device.index() : "cpu");
    List<String> texts = new ArrayList<>();
    texts.add(ProgramText.resource(TorchProgram.class, "common.py"));
    texts.addAll(builder.texts);
    texts.add(ProgramText.resource(TorchProgram.class, "loading.py"));
    if (builder.traced) {
      texts.replaceAll(ProgramText::traced);
    }
    text = new ProgramText(name, texts, attributes, weightNames);
    PtNDManager manager = TorchEngine.manager();
    try {
      module = JniUtils.loadModule(manager, new ByteArrayInputStream(text.archive()), false, false);
    } catch (IOException | EngineException e) {
      throw new EspalierException(
          EspalierException.Code.NATIVE,
          "The program " + name + " does not compile: " + e.getMessage(),
          null,
          e);
    }
    long bytes = 0;
    try {
      JniUtils.enableInferenceMode(module);
      for (int i = 0; i < weightNames.size(); i++) {
        String key = weightNames.get(i);
        boolean full = spec.fullPrecision(key);
        bytes += upload(source, i, key, full ? DType.F32 : builder.dtype);
      }
    } catch (RuntimeException e) {
      module.close();
      throw e;
    } finally {
      WIDENING.remove();
    }
    weightBytes = bytes;
    TorchTensor.count(device.memory(), weightBytes);
  }

  /** Streams one weight in, in chunks: host memory stays small whatever its size. */
  private long upload(WeightSource source, int index, String key, DType dtype) {
    TensorInfo info = source.info(key);
    DType target = info.dtype().isFloating() ? dtype : info.dtype();
    long[] shape = info.shape().stream().mapToLong(Long::longValue).toArray();
    run("allocate_weight", index, shape, target.torchCode());
    if (source.isRandom()) {
      run("randomize_weight", index);
      return info.elements() * target.bytes();
    }
    int elementBytes = info.dtype().bytes();
    long total = info.elements();
    int step = CHUNK_BYTES / elementBytes;
    boolean widened = info.dtype() == DType.BF16 || info.dtype() == DType.I16;
    // One buffer for all chunks: memory outside the heap is given back only when the heap is
    // cleaned.
    ByteBuffer wide =
        widened ? widening(Math.toIntExact(Math.min(step, total))) : ByteBuffer.allocate(0);
    for (long offset = 0; offset < total; offset += step) {
      int count = (int) Math.min(step, total - offset);
      ByteBuffer bytes = source.slice(key, offset * elementBytes, count * elementBytes);
      try (TorchTensor chunk = chunk(bytes, info.dtype(), count, wide)) {
        run("fill_weight", index, offset, chunk);
      }
    }
    return info.elements() * target.bytes();
  }

  /**
   * A part of a weight on the host; over the mapped bytes themselves where DJL knows their type.
   */
  private static TorchTensor chunk(ByteBuffer bytes, DType dtype, int count, ByteBuffer wide) {
    Shape shape = new Shape(count);
    return switch (dtype) {
      case F64 -> TorchTensor.wrap(Device.cpu(), bytes, shape, DataType.FLOAT64, 8);
      case F32 -> TorchTensor.wrap(Device.cpu(), bytes, shape, DataType.FLOAT32, 4);
      case F16 -> TorchTensor.wrap(Device.cpu(), bytes, shape, DataType.FLOAT16, 2);
      case I64 -> TorchTensor.wrap(Device.cpu(), bytes, shape, DataType.INT64, 8);
      case I32 -> TorchTensor.wrap(Device.cpu(), bytes, shape, DataType.INT32, 4);
      case I8 -> TorchTensor.wrap(Device.cpu(), bytes, shape, DataType.INT8, 1);
      case U8 -> TorchTensor.wrap(Device.cpu(), bytes, shape, DataType.UINT8, 1);
      case BOOL -> TorchTensor.wrap(Device.cpu(), bytes, shape, DataType.BOOLEAN, 1);
      case BF16 -> { // a bfloat16 NDArray made in Java would abort the JVM
        ShortBuffer from = bytes.asShortBuffer();
        IntBuffer to = wide.asIntBuffer();
        for (int i = 0; i < count; i++) {
          to.put(i, from.get(i) << 16);
        }
        yield TorchTensor.wrap(Device.cpu(), part(wide, count), shape, DataType.FLOAT32, 4);
      }
      case I16 -> {
        ShortBuffer from = bytes.asShortBuffer();
        IntBuffer to = wide.asIntBuffer();
        for (int i = 0; i < count; i++) {
          to.put(i, from.get(i));
        }
        yield TorchTensor.wrap(Device.cpu(), part(wide, count), shape, DataType.INT32, 4);
      }
    };
  }

  /** The thread's buffer of at least so many 32-bit numbers. */
  private static ByteBuffer widening(int count) {
    ByteBuffer wide = WIDENING.get();
    if (wide.capacity() < count * 4) {
      wide = ByteBuffer.allocateDirect(count * 4).order(ByteOrder.nativeOrder());
      WIDENING.set(wide);
    }
    return wide;
  }

  private static ByteBuffer part(ByteBuffer wide, int count) {
    return wide.slice(0, count * 4).order(ByteOrder.nativeOrder());
  }

  /**
   * A builder.
   *
   * @param className the class at the end of the program's text
   */
  public static Builder builder(String className) {
    return new Builder(className);
  }

  /**
   * Calls a method of the program.
   *
   * @param method its name
   * @param arguments TorchTensor, list of TorchTensor, Integer, Long, Double, Boolean, String or
   *     long[]
   * @return all tensors of its result, lists and tuples flattened; to be closed by the caller
   * @throws EspalierException NATIVE where it fails, RESOURCE where memory does not suffice
   */
  public List<TorchTensor> run(String method, Object... arguments) {
    if (closed.get()) {
      throw new IllegalStateException("the program " + name + " is closed");
    }
    PtNDManager manager = TorchEngine.manager();
    IValue[] values = new IValue[arguments.length];
    List<TorchTensor> results = new ArrayList<>();
    try {
      for (int i = 0; i < arguments.length; i++) {
        values[i] = value(arguments[i]);
      }
      try (IValue result = IValueUtils.runMethod(module, method, values)) {
        collect(result, manager, results);
      }
      return results;
    } catch (EngineException e) {
      results.forEach(TorchTensor::close);
      throw failure(method, e);
    } finally {
      for (IValue value : values) {
        if (value != null) {
          value.close();
        }
      }
    }
  }

  /**
   * Calls a method that returns one tensor.
   *
   * @param method its name
   * @param arguments as for {@link #run}
   */
  public TorchTensor call(String method, Object... arguments) {
    List<TorchTensor> results = run(method, arguments);
    if (results.size() != 1) {
      results.forEach(TorchTensor::close);
      throw new IllegalStateException(name + "." + method + " gave " + results.size() + " tensors");
    }
    return results.get(0);
  }

  /**
   * What a {@link Builder#traced traced} program remembered of its last call.
   *
   * @param name as in the mark of its text
   * @return float32; to be closed by the caller
   */
  public TorchTensor traced(String name) {
    return call("traced", name);
  }

  private EspalierException failure(String method, EngineException e) {
    String message = String.valueOf(e.getMessage());
    boolean memory = message.contains("out of memory") || message.contains("can't allocate memory");
    return new EspalierException(
        memory ? EspalierException.Code.RESOURCE : EspalierException.Code.NATIVE,
        "The native call " + name + "." + method + " failed: " + message,
        memory
            ? "Maybe lower engine.batch or engine.memory, free memory of the device, or use a smaller"
                + " image or model."
            : null,
        e);
  }

  private static IValue value(Object argument) {
    if (argument instanceof TorchTensor tensor) {
      return IValue.from(tensor.open());
    }
    if (argument instanceof List<?> list) {
      return IValue.listFrom(
          list.stream().map(t -> ((TorchTensor) t).open()).toArray(PtNDArray[]::new));
    }
    if (argument instanceof Integer || argument instanceof Long) {
      return IValue.from(((Number) argument).longValue());
    }
    if (argument instanceof Double number) {
      return IValue.from(number);
    }
    if (argument instanceof Boolean flag) {
      return IValue.from(flag);
    }
    if (argument instanceof String string) {
      return IValue.from(string);
    }
    if (argument instanceof long[] numbers) {
      return IValue.listFrom(numbers);
    }
    throw new IllegalArgumentException("an argument of " + argument.getClass());
  }

  private void collect(IValue value, PtNDManager manager, List<TorchTensor> into) {
    if (value.isTensor()) {
      into.add(tensor(value.toTensor(manager)));
    } else if (value.isTensorList()) {
      for (PtNDArray array : value.toTensorArray(manager)) {
        into.add(tensor(array));
      }
    } else if (value.isTuple()) {
      for (IValue element : value.toIValueTuple()) {
        try (element) {
          collect(element, manager, into);
        }
      }
    } else if (value.isList()) {
      for (IValue element : value.toIValueArray()) {
        try (element) {
          collect(element, manager, into);
        }
      }
    }
  }

  private TorchTensor tensor(PtNDArray array) {
    // DJL knows no bfloat16: it calls it unknown, of no bytes.
    int bytes = array.getDataType().getNumOfBytes();
    return new TorchTensor(array, bytes == 0 ? DType.BF16.bytes() : bytes, device.memory());
  }

  /** Where it computes. */
  public Device device() {
    return device;
  }

  /** The floating-point type in which it computes. */
  public DType dtype() {
    return dtype;
  }

  /** Bytes of its weights in native memory. */
  public long weightBytes() {
    return weightBytes;
  }

  /** The text as libtorch reads it. */
  public String code() {
    return text.code();
  }

  /** SHA-256 of {@link #code}, as lower-case hex. */
  public String sha256() {
    return Sha256.of(text.code());
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      TorchTensor.count(device.memory(), -weightBytes);
      module.close();
    }
  }

  @Override
  public String toString() {
    return "TorchProgram " + name + " on " + device;
  }

  /** Collects a program's parts. */
  public static final class Builder {
    private final String className;
    private final List<String> texts = new ArrayList<>();
    private final Map<String, Object> attributes = new LinkedHashMap<>();
    private Device device = Device.cpu();
    private @Nullable DType requested;
    private DType dtype = DType.F32;
    private boolean traced;

    private Builder(String className) {
      this.className = className;
    }

    /**
     * Adds a text. The last ones are the class.
     *
     * @param anchor a class beside which the resource lies
     * @param resource its file name, such as {@code t5.py}
     */
    public Builder text(Class<?> anchor, String resource) {
      return text(ProgramText.resource(anchor, resource));
    }

    /**
     * Adds a text. The last ones are the class.
     *
     * @param program free functions, or the class or a part of it
     */
    public Builder text(String program) {
      texts.add(program);
      return this;
    }

    /**
     * An attribute that the program reads as {@code self.NAME}.
     *
     * @param name its name
     * @param value Integer, Long, Double, Boolean, String, or a non-empty list of one of them
     */
    public Builder attribute(String name, Object value) {
      attributes.put(name, value);
      return this;
    }

    /**
     * Where it computes; the CPU by default.
     *
     * @param device from {@link TorchEngine#device}
     */
    public Builder device(Device device) {
      this.device = device;
      return this;
    }

    /**
     * The floating-point type of its weights; by default that of {@link TorchEngine#dtype}.
     *
     * @param dtype F32 or BF16
     */
    public Builder dtype(DType dtype) {
      this.requested = dtype;
      return this;
    }

    /**
     * Remembers intermediate tensors, for tests of parity: each line {@code #= NAME := VALUE} of
     * the texts, a comment otherwise, keeps the value of an expression under the name that another
     * one gives; {@link TorchProgram#traced} reads it after a call. {@code w} must be in scope.
     */
    public Builder traced() {
      traced = true;
      return this;
    }

    /**
     * Checks the weights, compiles the program and streams the weights in.
     *
     * @param source the weights; may be closed afterwards
     * @param spec what the program expects of them
     * @throws EspalierException CONFIG where the weights do not fit, NATIVE where the text does not
     *     compile
     */
    public TorchProgram load(WeightSource source, WeightSpec spec) {
      dtype = requested != null ? requested : TorchEngine.dtype(device, spec.parameters());
      return new TorchProgram(this, source, spec);
    }
  }
}
