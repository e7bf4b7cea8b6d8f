package org.espalier.torch;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.espalier.api.EspalierException;
import org.espalier.spi.NativeMemory;

/**
 * A tensor in native memory: argument or result of a {@link TorchProgram}. Whoever gets it closes
 * it; closing twice is harmless. Results of bfloat16 can be handed back to programs but not read.
 */
public final class TorchTensor implements AutoCloseable {
  private static final AtomicLong LIVE_BYTES = new AtomicLong();

  private final PtNDArray array;
  private final long[] shape;
  private final long bytes;
  private final NativeMemory memory;
  private final AtomicBoolean closed = new AtomicBoolean();

  TorchTensor(PtNDArray array, int elementBytes, NativeMemory memory) {
    this.array = array;
    this.memory = memory;
    this.shape = array.getShape().getShape();
    this.bytes = elements() * elementBytes;
    count(memory, bytes);
  }

  /**
   * 32-bit floats on a device.
   *
   * @param device where
   * @param values row-major
   * @param shape sizes, outermost first
   */
  public static TorchTensor of(Device device, float[] values, long... shape) {
    return create(
        device, 4, values.length, DataType.FLOAT32, shape, b -> b.asFloatBuffer().put(values));
  }

  /**
   * 64-bit integers on a device.
   *
   * @param device where
   * @param values row-major
   * @param shape sizes, outermost first
   */
  public static TorchTensor of(Device device, long[] values, long... shape) {
    return create(
        device, 8, values.length, DataType.INT64, shape, b -> b.asLongBuffer().put(values));
  }

  /**
   * Unsigned 8-bit integers on a device.
   *
   * @param device where
   * @param values row-major
   * @param shape sizes, outermost first
   */
  public static TorchTensor of(Device device, byte[] values, long... shape) {
    return create(device, 1, values.length, DataType.UINT8, shape, b -> b.put(values));
  }

  private static TorchTensor create(
      Device device,
      int elementBytes,
      int count,
      DataType type,
      long[] shape,
      Consumer<ByteBuffer> fill) {
    if (new Shape(shape).size() != count) {
      throw new IllegalArgumentException(count + " values for the shape " + Arrays.toString(shape));
    }
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(Math.multiplyExact(count, elementBytes))
            .order(ByteOrder.nativeOrder());
    fill.accept(bytes);
    bytes.rewind();
    return wrap(device, bytes, new Shape(shape), type, elementBytes);
  }

  /** A tensor over a direct buffer, which is not copied on the CPU and is kept alive with it. */
  static TorchTensor wrap(
      Device device, ByteBuffer bytes, Shape shape, DataType type, int elementBytes) {
    PtNDManager manager = TorchEngine.manager();
    PtNDArray host = manager.create(bytes, shape, type);
    if (device.isGpu()) {
      try (host) {
        return new TorchTensor(host.toDevice(device.djl(), true), elementBytes, device.memory());
      }
    }
    return new TorchTensor(host, elementBytes, device.memory());
  }

  /** Sizes, outermost first. */
  public long[] shape() {
    return shape.clone();
  }

  /**
   * One size.
   *
   * @param axis from 0; negative ones count from the end
   */
  public int size(int axis) {
    return Math.toIntExact(shape[axis < 0 ? axis + shape.length : axis]);
  }

  /** Number of elements. */
  public long elements() {
    return Arrays.stream(shape).reduce(1, Math::multiplyExact);
  }

  /** Bytes of its elements. */
  public long nativeBytes() {
    return bytes;
  }

  /**
   * Bytes of all tensors of this process that are open now, weights of programs included: for tests
   * that nothing is left open. What may be taken is for a device's {@link Device#memory} to say.
   */
  public static long liveBytes() {
    return LIVE_BYTES.get();
  }

  static void count(NativeMemory memory, long bytes) {
    memory.add(bytes);
    LIVE_BYTES.addAndGet(bytes);
  }

  /** Its elements, copied to the host; for float32 only. */
  public float[] toFloats() {
    return read(DataType.FLOAT32).toFloatArray();
  }

  /** Its elements, copied to the host; for float64 only. */
  public double[] toDoubles() {
    return read(DataType.FLOAT64).toDoubleArray();
  }

  /** Its elements, copied to the host; for int64 only. */
  public long[] toLongs() {
    return read(DataType.INT64).toLongArray();
  }

  /** Its elements, copied to the host; for uint8 only. */
  public byte[] toBytes() {
    return read(DataType.UINT8).toByteArray();
  }

  /** Its elements, copied to the host; for bool only. */
  public boolean[] toBooleans() {
    return read(DataType.BOOLEAN).toBooleanArray();
  }

  private PtNDArray read(DataType expected) {
    DataType actual = open().getDataType();
    if (actual != expected) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "A tensor of %s was read as %s.".formatted(actual, expected),
          "Maybe the program should convert its result with torch.to.");
    }
    return array;
  }

  PtNDArray open() {
    if (closed.get()) {
      throw new IllegalStateException("the tensor is closed");
    }
    return array;
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      count(memory, -bytes);
      array.close();
    }
  }

  @Override
  public String toString() {
    return "TorchTensor" + Arrays.toString(shape);
  }
}
