package org.espalier.spi;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import org.espalier.api.EspalierException;

/**
 * Where and how plugins are loaded: all that a model or verifier may know of its machine. Made by
 * {@link #builder}; {@link #cpu} is enough for most tests.
 *
 * @param device {@code cpu}, {@code gpu}, {@code gpu:N} or {@code auto}
 * @param baseDirectory against which relative weight paths are resolved
 * @param verifiers loads verifiers by id
 * @param memory the native memory that what is loaded with this context may take together
 * @param threads rows that may run at once on the CPU, positive; must not change a result
 * @param kernels a library of optional GPU kernels, or empty for the native engine's own
 */
public record LoadContext(
    String device,
    Path baseDirectory,
    VerifierLoader verifiers,
    NativeMemory memory,
    int threads,
    Optional<Path> kernels) {
  public LoadContext {
    Objects.requireNonNull(device, "device");
    Objects.requireNonNull(baseDirectory, "baseDirectory");
    Objects.requireNonNull(verifiers, "verifiers");
    Objects.requireNonNull(memory, "memory");
    Objects.requireNonNull(kernels, "kernels");
    if (threads < 1) {
      throw EspalierException.config(
          "The number of threads (" + threads + ") must be positive.", "Maybe leave it out.");
    }
  }

  /**
   * All cores, as much memory as there is, no kernels of one's own.
   *
   * @param device {@code cpu}, {@code gpu}, {@code gpu:N} or {@code auto}
   * @param baseDirectory against which relative weight paths are resolved
   * @param verifiers loads verifiers by id
   */
  public LoadContext(String device, Path baseDirectory, VerifierLoader verifiers) {
    this(
        device,
        baseDirectory,
        verifiers,
        NativeMemory.unlimited(),
        Runtime.getRuntime().availableProcessors(),
        Optional.empty());
  }

  /** On the CPU, with paths against the current directory and no verifiers to be loaded by id. */
  public static LoadContext cpu() {
    return builder().build();
  }

  /** A builder that starts from {@link #cpu}. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * The same with another way to load verifiers by id.
   *
   * @param loader loads them
   */
  public LoadContext withVerifiers(VerifierLoader loader) {
    return new LoadContext(device, baseDirectory, loader, memory, threads, kernels);
  }

  /** Collects the parts of a context. */
  public static final class Builder {
    private String device = "cpu";
    private Path baseDirectory = Path.of("");
    private VerifierLoader verifiers =
        spec -> {
          throw EspalierException.config(
              "A verifier (" + spec.get("id") + ") cannot be loaded by its id here.",
              "Maybe set LoadContext.builder().verifiers(...).");
        };
    private NativeMemory memory = NativeMemory.unlimited();
    private int threads = Runtime.getRuntime().availableProcessors();
    private Optional<Path> kernels = Optional.empty();

    private Builder() {}

    /**
     * @param name {@code cpu}, {@code gpu}, {@code gpu:N} or {@code auto}
     */
    public Builder device(String name) {
      device = name;
      return this;
    }

    /**
     * @param directory against which relative weight paths are resolved
     */
    public Builder baseDirectory(Path directory) {
      baseDirectory = directory;
      return this;
    }

    /**
     * @param loader loads verifiers by id
     */
    public Builder verifiers(VerifierLoader loader) {
      verifiers = loader;
      return this;
    }

    /**
     * @param account the native memory that may be taken together
     */
    public Builder memory(NativeMemory account) {
      memory = account;
      return this;
    }

    /**
     * @param rows that may run at once on the CPU, positive
     */
    public Builder threads(int rows) {
      threads = rows;
      return this;
    }

    /**
     * @param library of optional GPU kernels
     */
    public Builder kernels(Path library) {
      kernels = Optional.of(library);
      return this;
    }

    /** The context. */
    public LoadContext build() {
      return new LoadContext(device, baseDirectory, verifiers, memory, threads, kernels);
    }
  }
}
