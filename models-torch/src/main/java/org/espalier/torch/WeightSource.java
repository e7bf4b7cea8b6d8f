package org.espalier.torch;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Named tensors in files. Bytes are little-endian, row-major, and mapped on demand: never is a
 * whole file in the heap. Immutable; {@link #close} frees nothing that open slices need.
 */
public interface WeightSource extends AutoCloseable {

  /** Where the tensors lie, for messages: a file, or an index of shards. */
  Path location();

  /** The files that hold the tensors, in a stable order. */
  List<Path> files();

  /** Names of all tensors, in a stable order. */
  Set<String> names();

  /**
   * Type and shape of a tensor.
   *
   * @param name one of {@link #names}
   * @throws EspalierException CONFIG where there is none of that name
   */
  TensorInfo info(String name);

  /**
   * A part of a tensor's bytes: direct, read-only, little-endian.
   *
   * @param name one of {@link #names}
   * @param byteOffset from the tensor's first byte
   * @param byteCount how many
   */
  ByteBuffer slice(String name, long byteOffset, int byteCount);

  /** Whether the tensors have no files: a program then makes noise of their shapes itself. */
  default boolean isRandom() {
    return false;
  }

  /**
   * Weights of some shapes and of no file, for measuring speed and memory without a checkpoint.
   *
   * @param spec whose keys and shapes they have
   */
  static WeightSource random(WeightSpec spec) {
    return new RandomWeights(spec);
  }

  /**
   * A whole tensor as 32-bit floats; any floating-point type is converted.
   *
   * @param name one of {@link #names}
   */
  default float[] floats(String name) {
    TensorInfo info = info(name);
    ByteBuffer bytes = slice(name, 0, Math.toIntExact(info.bytes()));
    float[] values = new float[Math.toIntExact(info.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          switch (info.dtype()) {
            case F64 -> (float) bytes.getDouble();
            case F32 -> bytes.getFloat();
            case BF16 -> Float.intBitsToFloat(bytes.getShort() << 16);
            case F16 -> Halves.toFloat(bytes.getShort());
            case I64, I32, I16, I8, U8, BOOL ->
                throw EspalierException.config(
                    "The tensor "
                        + name
                        + " ("
                        + info.dtype()
                        + ") of "
                        + location()
                        + " is not of a floating-point type.",
                    "Maybe another file was meant.");
          };
    }
    return values;
  }

  /**
   * A whole tensor as 64-bit integers; any integer type is converted.
   *
   * @param name one of {@link #names}
   */
  default long[] longs(String name) {
    TensorInfo info = info(name);
    ByteBuffer bytes = slice(name, 0, Math.toIntExact(info.bytes()));
    long[] values = new long[Math.toIntExact(info.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          switch (info.dtype()) {
            case I64 -> bytes.getLong();
            case I32 -> bytes.getInt();
            case I16 -> bytes.getShort();
            case I8 -> bytes.get();
            case U8, BOOL -> bytes.get() & 0xff;
            case F64, F32, F16, BF16 ->
                throw EspalierException.config(
                    "The tensor "
                        + name
                        + " ("
                        + info.dtype()
                        + ") of "
                        + location()
                        + " is not of an integer type.",
                    "Maybe another file was meant.");
          };
    }
    return values;
  }

  /**
   * The same tensors under other names.
   *
   * @param rename from the file's name to the new one, or to null to leave a tensor out; must stay
   *     one-to-one
   */
  default WeightSource renamed(Function<String, @Nullable String> rename) {
    return new RenamedWeights(
        this,
        original -> {
          String name = rename.apply(original);
          return name == null ? List.of() : List.of(name);
        });
  }

  /**
   * The same tensors under other names, stacked ones in parts.
   *
   * @param rename from the file's name to the new ones; of several names each stands for an equal
   *     part along the first axis, none leaves a tensor out; must stay one-to-one
   */
  default WeightSource split(Function<String, List<String>> rename) {
    return new RenamedWeights(this, rename);
  }

  /**
   * The tensors whose names start with a prefix, without it: the inside of a wrapped checkpoint.
   *
   * @param prefix such as {@code vae.}
   */
  default WeightSource under(String prefix) {
    return renamed(name -> name.startsWith(prefix) ? name.substring(prefix.length()) : null);
  }

  /** SHA-256 over the files' bytes, in the order of {@link #files}, as lower-case hex. */
  default String sha256() {
    return sha256(files());
  }

  @Override
  void close();

  /**
   * SHA-256 over files, one after the other, streamed.
   *
   * @param files the files
   */
  static String sha256(List<Path> files) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      byte[] buffer = new byte[1 << 20];
      for (Path file : files) {
        try (InputStream in = Files.newInputStream(file)) {
          for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
            digest.update(buffer, 0, n);
          }
        }
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The weights " + files + " cannot be read: " + e.getMessage() + ".",
          "Maybe check the path and its permissions.",
          e);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /**
   * Opens weights: a {@code .safetensors} file, a {@code .safetensors.index.json} of shards, or a
   * {@code .pth}, {@code .pt} or {@code .bin} archive of PyTorch.
   *
   * @param file the file
   * @throws EspalierException CONFIG where it is missing, truncated or malformed
   */
  static WeightSource open(Path file) {
    if (Files.isDirectory(file)) {
      return open(
          file,
          "model.safetensors",
          "model.safetensors.index.json",
          "diffusion_pytorch_model.safetensors",
          "diffusion_pytorch_model.safetensors.index.json",
          "pytorch_model.bin");
    }
    if (!Files.isRegularFile(file)) {
      throw EspalierException.config(
          "The weights file (" + file + ") does not exist.",
          "Maybe the model has not been downloaded, or the path is misspelt.");
    }
    String name = file.getFileName().toString();
    if (name.endsWith(".index.json")) {
      return new ShardedWeights(file);
    }
    if (name.endsWith(".safetensors")) {
      return new SafetensorsFile(file);
    }
    if (name.endsWith(".pth") || name.endsWith(".pt") || name.endsWith(".bin")) {
      return new PickledWeights(file);
    }
    throw EspalierException.config(
        "The weights file (" + file + ") is of no known kind.",
        "Maybe use .safetensors, .safetensors.index.json, .pth, .pt or .bin.");
  }

  /**
   * Opens the first of several files that exists.
   *
   * @param directory where to look
   * @param candidates file names, the preferred one first
   */
  static WeightSource open(Path directory, String... candidates) {
    if (!Files.isDirectory(directory)) {
      throw EspalierException.config(
          "The weights directory (" + directory + ") does not exist.",
          "Maybe the model has not been downloaded, or the path is misspelt.");
    }
    for (String candidate : candidates) {
      if (Files.isRegularFile(directory.resolve(candidate))) {
        return open(directory.resolve(candidate));
      }
    }
    throw EspalierException.config(
        "The directory "
            + directory
            + " has none of the weights files "
            + String.join(", ", candidates)
            + ".",
        "Maybe the download is not complete.");
  }

  /**
   * Orders bytes as weight files do.
   *
   * @param bytes any buffer
   */
  static ByteBuffer littleEndian(ByteBuffer bytes) {
    return bytes.order(ByteOrder.LITTLE_ENDIAN);
  }
}
