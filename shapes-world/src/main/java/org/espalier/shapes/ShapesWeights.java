package org.espalier.shapes;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.espalier.api.EspalierException;
import org.espalier.spi.WeightsBundle;
import org.espalier.weights.CacheDirectory;
import org.espalier.weights.Sha256;
import org.jspecify.annotations.Nullable;

/**
 * The weights of the nano models and of the second world's. Where they are plain files they are
 * used in place; from a jar they are unpacked into the {@link CacheDirectory}, in a directory named
 * by their hash. Every use verifies size and SHA-256, and a damaged copy is replaced. Each file
 * appears by an atomic move, so several processes can unpack at once.
 */
public final class ShapesWeights implements WeightsBundle {
  private static final String ROOT = "org/espalier/shapes/weights";

  /** For each name its own directory, then those that it shares with others. */
  private static final Map<String, List<String>> DIRECTORIES =
      new TreeMap<>(
          Map.ofEntries(
              Map.entry("infinity/nano", List.of("infinity-nano")),
              Map.entry("flux/nano", List.of("flux-nano", "flux-nano-ae")),
              Map.entry("flux/nano-large", List.of("flux-nano-large", "flux-nano-ae")),
              Map.entry("clip/nano", List.of("clip-nano")),
              Map.entry("image-reward/nano", List.of("imagereward-nano")),
              Map.entry("ensemble/nano", List.of("ensemble-nano")),
              Map.entry("shapes-exact/nano", List.of("shapes-detector")),
              Map.entry("infinity/world2", List.of("world2-infinity")),
              Map.entry("flux/world2", List.of("world2-flux", "world2-flux-ae")),
              Map.entry("image-reward/world2", List.of("world2-reward")),
              Map.entry("shapes-exact/world2", List.of("world2-detector"))));

  private final ClassLoader loader;
  private final Supplier<Path> cache;

  /** The bundle on the class path, with the cache of this user. */
  public ShapesWeights() {
    this(ShapesWeights.class.getClassLoader(), CacheDirectory::get);
  }

  ShapesWeights(ClassLoader loader, Supplier<Path> cache) {
    this.loader = loader;
    this.cache = cache;
  }

  @Override
  public Set<String> names() {
    Set<String> names = new TreeSet<>();
    DIRECTORIES.forEach(
        (name, directories) -> {
          if (directories.stream().allMatch(directory -> config(directory) != null)) {
            names.add(name);
          }
        });
    return names;
  }

  @Override
  public Path directory(String name) {
    List<String> directories = DIRECTORIES.get(name);
    if (directories == null) {
      throw EspalierException.config(
          "There are no bundled weights of the name (" + name + ").",
          "Maybe use one of " + String.join(", ", names()) + ".");
    }
    Path own = null;
    for (String directory : directories) {
      Path path = materialise(directory);
      own = own == null ? path : own;
    }
    return Objects.requireNonNull(own);
  }

  private @Nullable URL config(String directory) {
    return loader.getResource(ROOT + "/" + directory + "/config.json");
  }

  private Path materialise(String directory) {
    URL config = config(directory);
    if (config == null) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The bundled weights (" + directory + ") are not on the class path.",
          "Maybe add the jar of shapes-world, or build it again.");
    }
    if (config.getProtocol().equals("file")) {
      try {
        return Path.of(new URI(config.toString())).resolveSibling("");
      } catch (URISyntaxException e) {
        throw new IllegalStateException(e);
      }
    }
    Path target = cache.get();
    try {
      WeightsIndex index;
      try (InputStream in = open(WeightsIndex.FILE)) {
        index = WeightsIndex.read(in);
      }
      target = target.resolve(index.sha256().substring(0, 16));
      for (WeightsIndex.Entry entry : index.entries(directory)) {
        Path file = target.resolve(entry.path());
        if (!entry.matches(file)) {
          unpack(entry, file);
        }
      }
      return target.resolve(directory);
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The bundled weights (%s) cannot be unpacked into %s: %s."
              .formatted(directory, target, e),
          "Maybe free some disk space, or set ESPALIER_CACHE to a directory that can be written.",
          e);
    }
  }

  private InputStream open(String path) throws IOException {
    InputStream in = loader.getResourceAsStream(ROOT + "/" + path);
    if (in == null) {
      throw new IOException("the resource " + ROOT + "/" + path + " is missing");
    }
    return in;
  }

  private void unpack(WeightsIndex.Entry entry, Path file) throws IOException {
    Files.createDirectories(file.resolveSibling(""));
    Path partial = Files.createTempFile(file.resolveSibling(""), ".unpacking-", ".tmp");
    try {
      MessageDigest digest = Sha256.digest();
      try (InputStream in = open(entry.path());
          FileChannel channel = FileChannel.open(partial, StandardOpenOption.WRITE);
          OutputStream out = new DigestOutputStream(Channels.newOutputStream(channel), digest)) {
        in.transferTo(out);
        channel.force(true);
      }
      if (!Sha256.hex(digest).equals(entry.sha256())) {
        throw new IOException("the jar's copy of " + entry.path() + " is damaged");
      }
      Files.move(
          partial, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(partial);
    }
  }
}
