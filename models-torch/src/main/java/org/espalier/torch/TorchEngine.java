package org.espalier.torch;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.util.cuda.CudaUtils;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;

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

  /** Networks below this number of weights wait for launches, not arithmetic, on a GPU. */
  private static final long SMALL = 20_000_000;

  private static final ThreadLocal<Boolean> PREPARED = ThreadLocal.withInitial(() -> false);

  private TorchEngine() {}

  private static final class Holder {
    static final Engine ENGINE = start();
    static final PtNDManager MANAGER =
        (PtNDManager) NDManager.newBaseManager(ai.djl.Device.cpu(), "PyTorch");

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
   * The device of a name, with all of its memory.
   *
   * @param name {@code cpu}, {@code gpu}, {@code gpu:N} or {@code auto}
   * @throws EspalierException CONFIG for any other name, RESOURCE where there is no such device
   */
  public static Device device(String name) {
    return device(LoadContext.builder().device(name).build());
  }

  /**
   * The device that a context names, with what may be taken of it.
   *
   * @param context of what is loaded
   * @throws EspalierException CONFIG for an unknown name, RESOURCE where there is no such device
   */
  public static Device device(LoadContext context) {
    return Device.of(named(context.device()), context);
  }

  private static ai.djl.Device named(String name) {
    if (name.equals("cpu")) {
      return ai.djl.Device.cpu();
    }
    if (!name.equals("auto") && !name.matches("gpu(:\\d{1,3})?")) {
      throw EspalierException.config(
          "The device (" + name + ") is unknown.", "Maybe use cpu, gpu, gpu:0 or auto.");
    }
    int gpus = Holder.ENGINE.getGpuCount();
    if (name.equals("auto")) {
      return gpus > 0 ? ai.djl.Device.gpu() : ai.djl.Device.cpu();
    }
    int index = name.equals("gpu") ? 0 : Integer.parseInt(name.substring(4));
    if (index >= gpus) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The device " + name + " does not exist; libtorch sees " + gpus + " GPUs.",
          "Maybe use device: cpu, or a CUDA build of libtorch (PYTORCH_LIBRARY_PATH).");
    }
    return ai.djl.Device.gpu(index);
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
    return Integer.parseInt(CudaUtils.getComputeCapability(device.index())) >= 90
        ? "cudnn"
        : "flash";
  }

  /**
   * Gives memory of the GPU that no tensor uses back to it where more is in use than its account
   * allows; nothing without a limit or a GPU.
   *
   * @param device from {@link #device}
   */
  public static void keepWithinLimit(Device device) {
    long most = device.memory().limit();
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
   * those of its account.
   *
   * @param device from {@link #device}
   */
  public static long usedBytes(Device device) {
    return device.isGpu()
        ? CudaUtils.getGpuMemory(device.djl()).getCommitted()
        : device.memory().used();
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
