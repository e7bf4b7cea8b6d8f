package org.espalier.torch;

import ai.djl.Device;
import ai.djl.util.Utils;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * The optional operators of {@code espalier_kernels.cu}, which do in one pass over a GPU's memory
 * what libtorch does in several. They are a native library built against the libtorch in use
 * (docs/performance.md), found beside it as {@code libespalier_kernels.so}; without it programs
 * take texts of libtorch's own operators.
 */
public final class FusedKernels {
  /**
   * System property: the library's path, or {@code off}. By default the library is looked for in
   * the directory of {@code PYTORCH_LIBRARY_PATH}.
   */
  public static final String PROPERTY = "espalier.kernels";

  private static final String FILE = "libespalier_kernels.so";

  private FusedKernels() {}

  private static final class Holder {
    static final @Nullable String SHA256 = open();

    private static @Nullable String open() {
      Path library = library();
      if (library == null) {
        return null;
      }
      try {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(library));
        System.load(library.toAbsolutePath().toString());
        return HexFormat.of().formatHex(digest);
      } catch (IOException | UnsatisfiedLinkError e) {
        throw new EspalierException(
            EspalierException.Code.NATIVE,
            "The kernels (" + library + ") cannot be loaded: " + e.getMessage() + ".",
            "Maybe build them against the libtorch in use, or set -D" + PROPERTY + "=off.",
            e);
      } catch (NoSuchAlgorithmException e) {
        throw new AssertionError("every Java platform has SHA-256", e);
      }
    }

    private static @Nullable Path library() {
      String named = System.getProperty(PROPERTY);
      if (named != null) {
        return named.equals("off") ? null : Path.of(named);
      }
      String directory = Utils.getEnvOrSystemProperty("PYTORCH_LIBRARY_PATH");
      if (directory == null) {
        return null;
      }
      Path beside = Path.of(directory, FILE);
      return Files.isRegularFile(beside) ? beside : null;
    }
  }

  /**
   * Whether programs may use the operators: only in bfloat16 on a GPU, and where the library is.
   *
   * @param device from {@link TorchEngine#device}
   * @param dtype of the program's weights
   * @throws EspalierException NATIVE where the library is there but does not fit
   */
  public static boolean usable(Device device, DType dtype) {
    return dtype == DType.BF16 && device.isGpu() && Holder.SHA256 != null;
  }

  /** A line for the text of a program that uses the operators: its hash then covers them. */
  public static String mark() {
    return "# " + FILE + " " + Holder.SHA256;
  }
}
