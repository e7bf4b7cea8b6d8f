package org.espalier.torch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.espalier.weights.Sha256;
import org.jspecify.annotations.Nullable;

/**
 * Named tensors in files. Bytes are little-endian, row-major, and mapped on demand: never is a
 * whole file in the heap. Immutable; {@link #close} frees nothing that open slices need.
 */
public interface WeightSource extends AutoCloseable {
  /** What the name of a list of shards ends with. */
  String INDEX = ".index.json";

  /** The files of weights that a snapshot of the hub may have, the preferred one first. */
  List<String> SNAPSHOT =
      List.of(
          "model.safetensors",
          "model.safetensors.index.json",
          "diffusion_pytorch_model.safetensors",
          "diffusion_pytorch_model.safetensors.index.json",
          "pytorch_model.bin",
          "pytorch_model.bin.index.json");

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
   * The weights without what they are wrapped in: the tensors beside which a key lies that every
   * network of a kind has. So {@code state_dict.}, {@code module.}, {@code model.diffusion_model.}
   * and the like are understood.
   *
   * @param anchor such a key, without any prefix
   * @param network what it is, for messages
   * @param preferred prefixes of which the first that is there is taken where there are several
   *     copies, since the reference implementation does
   * @throws EspalierException CONFIG where no tensor or several are of that name: two copies, such
   *     as {@code state_dict} and {@code ema}, between which nobody has chosen
   */
  default WeightSource unwrapped(String anchor, String network, String... preferred) {
    List<String> prefixes =
        names().stream()
            .filter(name -> name.equals(anchor) || name.endsWith("." + anchor))
            .map(name -> name.substring(0, name.length() - anchor.length()))
            .sorted()
            .toList();
    if (prefixes.isEmpty()) {
      throw EspalierException.config(
          "The weights "
              + location()
              + " are not those of "
              + network
              + ": the key "
              + anchor
              + " is missing.",
          "Maybe the path points to another model's checkpoint, or two paths are exchanged.");
    }
    String prefix = prefixes.get(0);
    if (prefixes.size() > 1) {
      prefix =
          Stream.of(preferred)
              .filter(prefixes::contains)
              .findFirst()
              .orElseThrow(
                  () ->
                      EspalierException.config(
                          "The weights "
                              + location()
                              + " hold several copies of "
                              + network
                              + ": "
                              + prefixes.stream()
                                  .map(p -> p.isEmpty() ? "the bare keys" : p + "*")
                                  .collect(Collectors.joining(", "))
                              + ".",
                          "Maybe save the one that is meant in a file of its own."));
    }
    return prefix.isEmpty() ? this : under(prefix);
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
    return Sha256.of(files());
  }

  @Override
  void close();

  /**
   * SHA-256 over files, one after the other, streamed.
   *
   * @param files the files
   */
  static String sha256(List<Path> files) {
    return Sha256.of(files);
  }

  /**
   * Checks the arguments of {@link #slice}.
   *
   * @param name of the tensor
   * @param byteOffset from its first byte
   * @param byteCount how many
   * @param bytes that it has
   */
  static void requireWithin(String name, long byteOffset, int byteCount, long bytes) {
    if (byteOffset < 0 || byteCount < 0 || byteCount > bytes || byteOffset > bytes - byteCount) {
      throw new IllegalArgumentException(
          "bytes %d + %d of tensor %s (%d bytes)".formatted(byteOffset, byteCount, name, bytes));
    }
  }

  /**
   * Opens weights: a {@code .safetensors} file, a {@code .safetensors.index.json} of shards, or a
   * {@code .pth}, {@code .pt} or {@code .bin} archive of PyTorch. An int8 tensor of a safetensors
   * file beside which {@code NAME.row_scale} lies (float32, one a row) is the product of both.
   *
   * @param file the file
   * @throws EspalierException CONFIG where it is missing, truncated or malformed
   */
  static WeightSource open(Path file) {
    if (Files.isDirectory(file)) {
      return open(file, SNAPSHOT.toArray(String[]::new));
    }
    requireFile(file);
    String name = String.valueOf(file.getFileName());
    if (name.endsWith(".index.json")) {
      return new ShardedWeights(file);
    }
    if (name.endsWith(".safetensors")) {
      return RowScaledWeights.of(new SafetensorsFile(file));
    }
    if (name.endsWith(".pth") || name.endsWith(".pt") || name.endsWith(".bin")) {
      return new PickledWeights(file);
    }
    throw EspalierException.config(
        "The weights file (" + file + ") has an unsupported extension.",
        "Maybe use .safetensors, .pth, .pt or .bin, or the .index.json of shards.");
  }

  private static void requireFile(Path file) {
    if (Files.isRegularFile(file)) {
      return;
    }
    throw Files.isSymbolicLink(file)
        ? EspalierException.config(
            "The weights file (" + file + ") is a link that leads nowhere.",
            "Maybe its download was interrupted; download it again.")
        : EspalierException.config(
            "The weights file (" + file + ") does not exist.",
            "Maybe the model has not been downloaded, or the path is misspelt.");
  }

  /**
   * Opens the first of several files that exists.
   *
   * @param directory where to look
   * @param candidates file names, the preferred one first
   * @throws EspalierException CONFIG where there is none, or one file lies beside an index of the
   *     same weights
   */
  static WeightSource open(Path directory, String... candidates) {
    return open(locate(directory, candidates));
  }

  /**
   * The first of several files that exists.
   *
   * @param directory where to look
   * @param candidates file names, the preferred one first
   * @throws EspalierException CONFIG where there is none, or one file lies beside an index of the
   *     same weights: which of both is stale, nobody can tell
   */
  static Path locate(Path directory, String... candidates) {
    if (!Files.isDirectory(directory)) {
      throw EspalierException.config(
          "The weights directory (" + directory + ") does not exist.",
          "Maybe the model has not been downloaded, or the path is misspelt.");
    }
    for (String candidate : candidates) {
      Path file = directory.resolve(candidate);
      if (Files.isRegularFile(file)) {
        Path other =
            candidate.endsWith(INDEX)
                ? directory.resolve(candidate.substring(0, candidate.length() - INDEX.length()))
                : directory.resolve(candidate + INDEX);
        if (Files.exists(other, LinkOption.NOFOLLOW_LINKS)) {
          throw EspalierException.config(
              "The directory "
                  + directory
                  + " has both "
                  + candidate
                  + " and "
                  + other.getFileName()
                  + ", of which one is stale.",
              "Maybe remove one of them, or name the file that is meant.");
        }
        return file;
      }
      if (Files.isSymbolicLink(file)) {
        requireFile(file);
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
