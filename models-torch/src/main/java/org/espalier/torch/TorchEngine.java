package org.espalier.torch;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.util.cuda.CudaUtils;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * The process-wide native engine. Started on first use with the settings on which determinism
 * rests: on the CPU a native call runs on one thread (rows run in parallel instead, see {@link
 * RowExecutor}), and TorchScript's profiling executor is off, because it would specialise anew for
 * each shape.
 */
public final class TorchEngine {
  private static final Map<String, String> SETTINGS =
      Map.of(
          "ai.djl.pytorch.num_threads", "1",
          "ai.djl.pytorch.num_interop_threads", "1",
          "ai.djl.pytorch.graph_optimizer", "false",
          "OPT_OUT_TRACKING", "true");

  /**
   * System property for the native memory that tensors may take together, such as {@code 60GiB}:
   * models then evaluate fewer rows at once, and drop and repeat what does not fit. By default
   * there is no limit but the device's.
   */
  public static final String MEMORY_PROPERTY = "espalier.memory";

  private static final Pattern BYTES = Pattern.compile("(\\d{1,9})\\s*(KiB|MiB|GiB)?");

  /** Bytes that tensors may take; 0 for no limit, negative until it is read. */
  private static volatile long budget = -1;

  /** Networks below this number of weights wait for launches, not arithmetic, on a GPU. */
  private static final long SMALL = 20_000_000;

  private static final ThreadLocal<Boolean> PREPARED = ThreadLocal.withInitial(() -> false);

  private TorchEngine() {}

  private static final class Holder {
    static final Engine ENGINE = start();
    static final PtNDManager MANAGER =
        (PtNDManager) NDManager.newBaseManager(Device.cpu(), "PyTorch");

    private static Engine start() {
      SETTINGS.forEach(System::setProperty);
      NativeLibraries.place();
      try {
        return Engine.getEngine("PyTorch");
      } catch (RuntimeException | LinkageError e) {
        throw new EspalierException(
            EspalierException.Code.NATIVE,
            "The native PyTorch engine cannot be started: " + e.getMessage() + ".",
            "Maybe add ai.djl.pytorch:pytorch-native-cpu for this platform to the class path, or"
                + " set PYTORCH_LIBRARY_PATH to a libtorch 2.7.1.",
            e);
      }
    }
  }

  /**
   * The device of a name.
   *
   * @param name {@code cpu}, {@code gpu}, {@code gpu:N} or {@code auto}
   * @throws EspalierException CONFIG for any other name, RESOURCE where there is no such device
   */
  public static Device device(String name) {
    if (name.equals("cpu")) {
      return Device.cpu();
    }
    if (!name.equals("auto") && !name.matches("gpu(:\\d{1,3})?")) {
      throw EspalierException.config(
          "The device (" + name + ") is unknown.", "Maybe use cpu, gpu, gpu:0 or auto.");
    }
    int gpus = Holder.ENGINE.getGpuCount();
    if (name.equals("auto")) {
      return gpus > 0 ? Device.gpu() : Device.cpu();
    }
    int index = name.equals("gpu") ? 0 : Integer.parseInt(name.substring(4));
    if (index >= gpus) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The device " + name + " is not there: libtorch sees " + gpus + " GPUs.",
          "Maybe use device: cpu, or a CUDA build of libtorch (PYTORCH_LIBRARY_PATH).");
    }
    return Device.gpu(index);
  }

  /**
   * The bytes that tensors may take together: those of {@link #limitMemory}, else of {@link
   * #MEMORY_PROPERTY}, which is read once; 0 for no limit.
   *
   * @throws EspalierException CONFIG where it is not a size
   */
  public static long memoryBudget() {
    if (budget < 0) {
      limitMemory(System.getProperty(MEMORY_PROPERTY));
    }
    return budget;
  }

  /**
   * Bounds the native memory of all tensors of this process from now on.
   *
   * @param text a size such as {@code 60GiB}, or null for no limit
   * @throws EspalierException CONFIG where it is not a size
   */
  public static void limitMemory(@Nullable String text) {
    budget = text == null ? 0 : bytes(text);
  }

  /**
   * The bytes of a size.
   *
   * @param text such as {@code 60GiB}, {@code 800MiB} or plain bytes
   * @throws EspalierException CONFIG where it is not a size
   */
  public static long bytes(String text) {
    Matcher matcher = BYTES.matcher(text.strip());
    if (!matcher.matches()) {
      throw EspalierException.config(
          "The memory (" + text + ") is not a size.", "Maybe set memory to 60GiB or 800MiB.");
    }
    long unit =
        switch (String.valueOf(matcher.group(2))) {
          case "KiB" -> 1L << 10;
          case "MiB" -> 1L << 20;
          case "GiB" -> 1L << 30;
          default -> 1;
        };
    return Math.max(1, Long.parseLong(matcher.group(1)) * unit);
  }

  /**
   * The floating-point type in which a network computes unless one is asked for: float32 on the
   * CPU; bfloat16 on a GPU, but for networks below 20 million weights, where it would save nothing
   * and a sampler's draws would differ from the CPU's.
   *
   * @param device from {@link #device}
   * @param parameters how many weights it has
   */
  public static DType dtype(Device device, long parameters) {
    return device.isGpu() && parameters >= SMALL ? DType.BF16 : DType.F32;
  }

  /**
   * Which of libtorch's attention kernels a program asks for by name where it needs the softmax's
   * sums: {@code cudnn} on GPUs of compute capability 9.0 and above, where it is nearly twice as
   * fast, {@code flash} on others, {@code plain} on the CPU and in float32.
   *
   * @param device from {@link #device}
   * @param dtype of the program's weights
   */
  public static String attentionKernel(Device device, DType dtype) {
    if (dtype != DType.BF16) {
      return "plain";
    }
    return Integer.parseInt(CudaUtils.getComputeCapability(device.getDeviceId())) >= 90
        ? "cudnn"
        : "flash";
  }

  /**
   * Gives memory of the GPU that no tensor uses back to it where more is in use than {@link
   * #memoryBudget} allows; nothing without a budget or a GPU.
   *
   * @param device from {@link #device}
   */
  public static void keepWithinBudget(Device device) {
    long most = memoryBudget();
    if (most > 0 && device.isGpu() && usedBytes(device) > most) {
      releaseUnused();
    }
  }

  /** Gives memory of the GPU that no tensor uses back to it; nothing without a GPU. */
  public static void releaseUnused() {
    if (Holder.ENGINE.getGpuCount() > 0) {
      JniUtils.emptyCudaCache();
    }
  }

  /**
   * Bytes of a GPU's memory in use by all processes, the allocator's reserve included; on the CPU
   * those of all tensors.
   *
   * @param device from {@link #device}
   */
  public static long usedBytes(Device device) {
    return device.isGpu() ? CudaUtils.getGpuMemory(device).getCommitted() : TorchTensor.liveBytes();
  }

  /** The version of libtorch, for provenance. */
  public static String version() {
    return Holder.ENGINE.getVersion();
  }

  /** The manager to which host-made arrays and results belong; never closed. */
  static PtNDManager manager() {
    PtNDManager manager = Holder.MANAGER;
    prepareThread();
    return manager;
  }

  /** Both settings live in thread-local variables of the native libraries. */
  private static void prepareThread() {
    if (!PREPARED.get()) {
      JniUtils.setNumThreads(1);
      JniUtils.setGraphExecutorOptimize(false);
      JniUtils.setGradMode(false);
      PREPARED.set(true);
    }
  }
}
