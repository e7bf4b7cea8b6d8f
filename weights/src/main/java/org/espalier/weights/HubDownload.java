package org.espalier.weights;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Fetches checkpoints from the hub into the hub's own cache, where its Python tools find them too:
 * what is read and no more, from where an earlier try stopped, with size and hash checked before a
 * file appears under its name. Only called where somebody asked for it.
 */
public final class HubDownload {
  private static final long RESERVE = 64L << 20;

  private final HubCache cache;
  private final Hub hub;
  private final Progress progress;

  /** Hears of a download. */
  public interface Progress {
    /**
     * @param file path within the repository
     * @param done bytes that are here
     * @param size bytes that it has
     */
    void at(String file, long done, long size);
  }

  /**
   * A file that is wanted.
   *
   * @param name path within the repository
   * @param size in bytes
   * @param present whether it is here already
   */
  public record Wanted(String name, long size, boolean present) {}

  HubDownload(HubCache cache, Hub hub, Progress progress) {
    this.cache = cache;
    this.hub = hub;
    this.progress = progress;
  }

  /**
   * Downloads by the environment's settings ({@code HF_HOME}, {@code HF_ENDPOINT}, {@code
   * HF_TOKEN}, {@code HF_HUB_OFFLINE}).
   *
   * @param progress hears of it
   * @throws EspalierException CONFIG where the environment forbids it
   */
  public static HubDownload ofUser(Progress progress) {
    String home = System.getProperty("user.home");
    return new HubDownload(
        HubCache.ofUser(), Hub.of(System.getenv(), home, Hub.Backoff.USUAL), progress);
  }

  /**
   * What getting a checkpoint would bring; fetches indices of shards, but no weights.
   *
   * @param id what is wanted
   */
  public List<Wanted> plan(HubId id) {
    Hub.Listing listing = hub.list(id);
    List<Wanted> wanted = new ArrayList<>();
    for (String name : select(id, listing)) {
      Hub.Entry entry = listing.entries().get(name);
      if (entry != null) {
        wanted.add(new Wanted(name, entry.size(), Files.exists(target(id, listing, entry))));
      }
    }
    return wanted;
  }

  /**
   * Gets a checkpoint.
   *
   * @param id what is wanted
   * @return where it lies in the cache
   * @throws EspalierException CONFIG or RESOURCE that says why it cannot be had
   */
  public Path get(HubId id) {
    Hub.Listing listing = hub.list(id);
    Set<String> names = select(id, listing);
    long missing = 0;
    for (String name : names) {
      Hub.Entry entry = entry(listing, name);
      missing += Files.exists(target(id, listing, entry)) ? 0 : entry.size();
    }
    requireSpace(missing);
    for (String name : names) {
      fetch(id, listing, entry(listing, name));
    }
    reference(id, listing.commit());
    return cache.resolve(id);
  }

  private static Hub.Entry entry(Hub.Listing listing, String name) {
    Hub.Entry entry = listing.entries().get(name);
    if (entry == null) {
      throw new AssertionError("the selection is of the listing");
    }
    return entry;
  }

  private Set<String> select(HubId id, Hub.Listing listing) {
    return HubSelection.of(
        id,
        new TreeSet<>(listing.entries().keySet()),
        index -> shards(fetch(id, listing, entry(listing, index))));
  }

  private record Index(@Nullable Map<String, String> weightMap) {}

  static Collection<String> shards(Path index) {
    Map<String, String> map = ModelJson.read(index, Index.class).weightMap();
    return map == null ? List.of() : new TreeSet<>(map.values());
  }

  private Path target(HubId id, Hub.Listing listing, Hub.Entry entry) {
    return cache
        .repository(id)
        .resolve("snapshots")
        .resolve(listing.commit())
        .resolve(entry.name());
  }

  private Path fetch(HubId id, Hub.Listing listing, Hub.Entry entry) {
    Path target = target(id, listing, entry);
    if (Files.exists(target)) {
      return target;
    }
    Path blob = cache.repository(id).resolve("blobs").resolve(entry.hash());
    try {
      Files.createDirectories(blob.resolveSibling(""));
      if (!Files.exists(blob)) {
        download(id, listing, entry, blob);
      }
      link(target, blob);
      return target;
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The cache of the hub (" + cache.root() + ") cannot be written: " + e + ".",
          "Maybe free some disk space, or set HF_HOME to a directory of your own.",
          e);
    }
  }

  private void download(HubId id, Hub.Listing listing, Hub.Entry entry, Path blob)
      throws IOException {
    Path part = blob.resolveSibling(entry.hash() + ".incomplete");
    try (FileChannel out =
            FileChannel.open(
                part,
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE,
                LinkOption.NOFOLLOW_LINKS);
        FileLock lock = lock(out, id)) {
      hub.patiently(
          id.withFile(entry.name()).toString(),
          () -> {
            long have = out.size() > entry.size() ? 0 : out.size();
            if (have < entry.size() || entry.size() == 0) {
              try {
                hub.open(
                    id,
                    listing.commit(),
                    entry,
                    have,
                    (body, from) -> {
                      copy(body, out, from, entry);
                      return from;
                    });
              } catch (IOException e) {
                if (out.size() > have) {
                  throw new Hub.Transient("the connection was cut", -1, true);
                }
                throw e;
              }
            }
            if (out.size() < entry.size()) {
              throw new Hub.Transient("the connection was cut", -1, out.size() > have);
            }
            return part;
          });
      out.force(true);
      verify(id, entry, part);
      lock.release();
    }
    Files.move(part, blob, StandardCopyOption.ATOMIC_MOVE);
  }

  private static FileLock lock(FileChannel out, HubId id) throws IOException {
    FileLock lock;
    try {
      lock = out.tryLock();
    } catch (OverlappingFileLockException e) {
      lock = null;
    }
    if (lock == null) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The checkpoint " + id + " is being downloaded by another process.",
          "Maybe wait for it.");
    }
    return lock;
  }

  private void copy(InputStream body, FileChannel out, long from, Hub.Entry entry)
      throws IOException {
    out.truncate(from);
    out.position(from);
    byte[] buffer = new byte[1 << 18];
    long done = from;
    progress.at(entry.name(), done, entry.size());
    for (int n = body.read(buffer); n >= 0; n = body.read(buffer)) {
      if (done + n > entry.size()) {
        out.truncate(0);
        throw new Hub.Transient("it sends more than the file's bytes", -1, false);
      }
      ByteBuffer bytes = ByteBuffer.wrap(buffer, 0, n);
      while (bytes.hasRemaining()) {
        out.write(bytes);
      }
      done += n;
      progress.at(entry.name(), done, entry.size());
    }
  }

  private static void verify(HubId id, Hub.Entry entry, Path part) throws IOException {
    String hash = entry.sha256() != null ? Sha256.of(List.of(part)) : gitBlob(part);
    if (!hash.equals(entry.hash())) {
      Files.delete(part);
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The file %s of %s came with the hash %s instead of %s, and was removed."
              .formatted(entry.name(), id.repository(), hash, entry.hash()),
          "Maybe try again; a proxy or mirror may have changed it.");
    }
  }

  /** Git's name of a file's content: the hub lists it for files outside of LFS. */
  private static String gitBlob(Path file) throws IOException {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-1");
      digest.update(("blob " + Files.size(file) + "\0").getBytes(StandardCharsets.UTF_8));
      try (InputStream in = Files.newInputStream(file)) {
        byte[] buffer = new byte[1 << 16];
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
          digest.update(buffer, 0, n);
        }
      }
      return Sha256.hex(digest);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-1", e);
    }
  }

  private static void link(Path target, Path blob) throws IOException {
    Path folder = target.resolveSibling("");
    Files.createDirectories(folder);
    try {
      Files.deleteIfExists(target); // a link that leads nowhere
      Files.createSymbolicLink(target, folder.relativize(blob));
    } catch (FileAlreadyExistsException e) {
      return; // another process was faster
    } catch (UnsupportedOperationException | IOException e) {
      Files.copy(blob, target, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private void reference(HubId id, String commit) {
    if (id.revisionOrMain().equals(commit)) {
      return;
    }
    Path file = cache.repository(id).resolve("refs").resolve(id.revisionOrMain());
    try {
      Files.createDirectories(file.resolveSibling(""));
      Files.writeString(file, commit);
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE, "The file " + file + " cannot be written.", null, e);
    }
  }

  private void requireSpace(long bytes) {
    try {
      Path there = cache.root();
      while (there != null && !Files.exists(there)) {
        there = there.getParent();
      }
      if (there == null) {
        return;
      }
      FileStore store = Files.getFileStore(there);
      if (store.getUsableSpace() < bytes + RESERVE) {
        throw new EspalierException(
            EspalierException.Code.RESOURCE,
            "The download needs %d MB; %s has %d MB left."
                .formatted(bytes >> 20, there, store.getUsableSpace() >> 20),
            "Maybe free some disk space, or set HF_HOME to a larger disk.");
      }
    } catch (IOException e) {
      return; // not every file system knows; writing will tell
    }
  }
}
