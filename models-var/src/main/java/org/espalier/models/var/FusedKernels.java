package org.espalier.models.var;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.espalier.api.EspalierException;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.weights.Sha256;
import org.jspecify.annotations.Nullable;

/**
 * The optional operators of {@code src/main/cuda/espalier_kernels.cu}, which do in one pass over a
 * GPU's memory what libtorch's do in several. They are a native library, built against the libtorch
 * in use (docs/performance.md) and named by {@link org.espalier.spi.LoadContext#kernels}, which the
 * command line takes from the environment's {@value #VARIABLE}. Without it the programs use
 * libtorch's own operators.
 */
final class FusedKernels {
  static final String VARIABLE = "ESPALIER_KERNELS";

  /** SHA-256 of each library that is loaded, which the JVM does once and for good. */
  private static final Map<Path, String> LOADED = new ConcurrentHashMap<>();

  private FusedKernels() {}

  /**
   * The operators that a program may use: only in bfloat16 on a GPU.
   *
   * @param device on which the program computes; the native engine has been started
   * @param dtype of its weights
   * @return the SHA-256 of their library; null where there is none to be used
   * @throws EspalierException CONFIG where the library is not there, NATIVE where it does not fit
   */
  static @Nullable String sha256(Device device, DType dtype) {
    if (device.kernels().isEmpty() || dtype != DType.BF16 || !device.isGpu()) {
      return null;
    }
    return LOADED.computeIfAbsent(device.kernels().get().toAbsolutePath(), FusedKernels::load);
  }

  /** A line for the text of a program that uses the operators: its hash then covers them. */
  static String mark(@Nullable String sha256) {
    return "# espalier_kernels " + (sha256 == null ? "none" : sha256);
  }

  static String load(Path library) {
    if (!Files.isRegularFile(library)) {
      throw EspalierException.config(
          "The library of kernels (" + library + ") is not there.",
          "Maybe build it with build.sh beside espalier_kernels.cu, or unset " + VARIABLE + ".");
    }
    try {
      String sha256 = Sha256.of(List.of(library));
      System.load(library.toString());
      return sha256;
    } catch (UnsatisfiedLinkError e) {
      throw new EspalierException(
          EspalierException.Code.NATIVE,
          "The library of kernels (" + library + ") cannot be loaded: " + e.getMessage() + ".",
          "Maybe build it against the libtorch in use, or unset " + VARIABLE + ".",
          e);
    }
  }
}
