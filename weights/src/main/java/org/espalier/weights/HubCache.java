package org.espalier.weights;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;

/**
 * The <a href="https://huggingface.co/docs/huggingface_hub/guides/manage-cache">local cache</a> of
 * the Hugging Face hub, shared with its Python tools: {@code models--ORG--NAME/refs/REVISION} names
 * a commit, {@code snapshots/COMMIT/FILE} links to {@code blobs/HASH}. Reading it downloads
 * nothing.
 *
 * @param root the directory of all repositories
 */
public record HubCache(Path root) {
  private static final String COMMIT = "[0-9a-f]{40}";

  /** System property that names the cache, before the environment does. */
  public static final String PROPERTY = "espalier.hub.cache";

  /** The cache of this user. */
  public static HubCache ofUser() {
    String named = System.getProperty(PROPERTY, "");
    return named.isEmpty()
        ? of(System.getenv(), System.getProperty("user.home"))
        : new HubCache(Path.of(named));
  }

  /**
   * Whether some part of a checkpoint is here.
   *
   * @param id names repository and revision
   */
  public boolean has(HubId id) {
    return Files.isDirectory(repository(id));
  }

  /**
   * The cache that an environment names: {@code HF_HUB_CACHE}, else {@code HF_HOME/hub}, else
   * {@code huggingface/hub} in {@code XDG_CACHE_HOME} or {@code ~/.cache}.
   *
   * @param environment variables
   * @param home the home directory as the system knows it
   */
  static HubCache of(Map<String, String> environment, String home) {
    for (String variable : List.of("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")) {
      String value = environment.getOrDefault(variable, "");
      if (!value.isBlank()) {
        return new HubCache(Places.expand(value, environment, home));
      }
    }
    return new HubCache(home(environment, home).resolve("hub"));
  }

  /** Where the hub's tools keep their files. */
  static Path home(Map<String, String> environment, String home) {
    String own = environment.getOrDefault("HF_HOME", "");
    if (!own.isBlank()) {
      return Places.expand(own, environment, home);
    }
    String shared = environment.getOrDefault("XDG_CACHE_HOME", "");
    return (shared.isBlank()
            ? Places.expand("~/.cache", environment, home)
            : Places.expand(shared, environment, home))
        .resolve("huggingface");
  }

  Path repository(HubId id) {
    return root.resolve(id.folder());
  }

  /**
   * The commit that a revision stands for here.
   *
   * @param id names repository and revision
   */
  Optional<String> commit(HubId id) {
    Path repository = repository(id);
    String revision = id.revisionOrMain();
    Path reference = repository.resolve("refs").resolve(revision);
    try {
      if (Files.isRegularFile(reference) && Files.size(reference) < 100) {
        String commit = Files.readString(reference).strip();
        if (commit.matches(COMMIT)) {
          return Optional.of(commit);
        }
      }
      if (Files.isDirectory(repository.resolve("snapshots").resolve(revision))) {
        return Optional.of(revision);
      }
      // A commit that somebody asked for by its number leaves no reference.
      if (id.revision() == null) {
        List<String> snapshots = names(repository.resolve("snapshots"));
        if (snapshots.size() == 1) {
          return Optional.of(snapshots.get(0));
        }
      }
    } catch (IOException e) {
      return Optional.empty();
    }
    return Optional.empty();
  }

  /**
   * Where a checkpoint, or a file or folder of it, lies.
   *
   * @param id what is wanted
   * @return a path that exists
   * @throws EspalierException CONFIG where it is not here, or its download was interrupted, with
   *     the line that gets it
   */
  public Path resolve(HubId id) {
    Optional<String> commit = commit(id);
    if (commit.isEmpty()) {
      List<String> there = names(repository(id).resolve("snapshots"));
      throw missing(
          id,
          there.isEmpty()
              ? "is not in the cache of the hub (" + root + ")"
              : "is not in the cache of the hub, but other revisions are (" + there + ")");
    }
    Path snapshot = repository(id).resolve("snapshots").resolve(commit.get());
    if (id.file() == null) {
      if (!Files.isDirectory(snapshot) || names(snapshot).isEmpty()) {
        throw missing(id, "has no file in the cache of the hub (" + snapshot + ")");
      }
      return snapshot;
    }
    Path file = snapshot.resolve(id.file());
    if (!Files.exists(file)) {
      throw missing(
          id,
          Files.isSymbolicLink(file)
              ? "is a link that leads nowhere (" + file + ")"
              : "is not in the cache of the hub (" + file + ")");
    }
    return file;
  }

  private EspalierException missing(HubId id, String what) {
    List<String> parts = interrupted(id);
    return EspalierException.config(
        "The checkpoint "
            + id
            + " "
            + what
            + (parts.isEmpty() ? "." : "; its download was interrupted (" + parts.get(0) + ")."),
        "Maybe run: " + getLine(id));
  }

  /** The line that gets a checkpoint. */
  public static String getLine(HubId id) {
    return "espalier weights get " + id;
  }

  /** Files of which only a part has come. */
  List<String> interrupted(HubId id) {
    List<String> parts = new ArrayList<>();
    Path blobs = repository(id).resolve("blobs");
    for (String name : names(blobs)) {
      if (name.endsWith(".incomplete")) {
        parts.add(blobs.resolve(name).toString());
      }
    }
    return parts;
  }

  private static List<String> names(Path directory) {
    if (!Files.isDirectory(directory)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> String.valueOf(file.getFileName())).sorted().toList();
    } catch (IOException e) {
      return List.of();
    }
  }
}
