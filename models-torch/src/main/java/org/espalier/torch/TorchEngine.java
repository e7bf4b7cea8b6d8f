package org.espalier.torch;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.JniUtils;
import java.util.Map;
import org.espalier.api.EspalierException;

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

  private static final ThreadLocal<Boolean> PREPARED = ThreadLocal.withInitial(() -> false);

  private TorchEngine() {}

  private static final class Holder {
    static final Engine ENGINE = start();
    static final PtNDManager MANAGER =
        (PtNDManager) NDManager.newBaseManager(Device.cpu(), "PyTorch");

    private static Engine start() {
      SETTINGS.forEach(System::setProperty);
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
