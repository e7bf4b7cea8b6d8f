package org.espalier.weights;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * The HTTP interface of the Hugging Face hub, or of a mirror: the list of a repository's files, and
 * their bytes from any place on. What fails for a moment (cut connections, 429, 5xx) is tried
 * again; the rest is explained.
 */
final class Hub {
  private static final int REDIRECTS = 6;
  private static final int LARGEST_ANSWER = 32 << 20;
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final URI endpoint;
  private final @Nullable String token;
  private final Backoff backoff;
  private final HttpClient client =
      HttpClient.newBuilder()
          .followRedirects(HttpClient.Redirect.NEVER) // the token goes to the hub alone
          .connectTimeout(PATIENCE)
          .build();

  /** Waits before a further try. */
  interface Backoff {
    /**
     * @param attempt failed ones so far
     * @param asked what the server asked for, if it did
     * @return whether to try again
     */
    boolean await(int attempt, Optional<Duration> asked) throws InterruptedException;

    /** Five tries, from one second on, twice as long each time. */
    Backoff USUAL =
        (attempt, asked) -> {
          if (attempt >= 5) {
            return false;
          }
          long seconds = Math.min(60, asked.map(Duration::toSeconds).orElse(1L << (attempt - 1)));
          Thread.sleep(seconds * 1000);
          return true;
        };
  }

  /** A failure that may pass. */
  static final class Transient extends IOException {
    private static final long serialVersionUID = 1L;
    private final long seconds;
    private final boolean advanced;

    /**
     * @param message what happened
     * @param seconds that the server asks to wait, or negative
     * @param advanced whether some bytes have come, so that patience begins anew
     */
    Transient(String message, long seconds, boolean advanced) {
      super(message);
      this.seconds = seconds;
      this.advanced = advanced;
    }
  }

  /**
   * A file of a repository.
   *
   * @param name its path, with slashes
   * @param size in bytes
   * @param sha256 of its content, for large files; else null
   * @param blob Git's hash of its content, for small files; else null
   */
  record Entry(String name, long size, @Nullable String sha256, @Nullable String blob) {
    /** The name of the file's content in the cache. */
    String hash() {
      return sha256 != null ? sha256 : Objects.requireNonNull(blob);
    }
  }

  /**
   * What a repository holds.
   *
   * @param commit 40 hex digits
   * @param entries by name
   */
  record Listing(String commit, Map<String, Entry> entries) {}

  /** The hub's answer, as it is written. */
  private record Answer(@Nullable String sha, @Nullable List<Sibling> siblings) {}

  private record Sibling(
      @Nullable String rfilename,
      @Nullable Long size,
      @JsonProperty("blobId") @Nullable String blobId,
      @Nullable Lfs lfs) {}

  private record Lfs(@Nullable String sha256, @Nullable Long size) {}

  Hub(URI endpoint, @Nullable String token, Backoff backoff) {
    this.endpoint = endpoint;
    this.token = token;
    this.backoff = backoff;
  }

  /**
   * The hub of an environment: {@code HF_ENDPOINT}, {@code HF_TOKEN} or the token that {@code hf
   * auth login} left.
   *
   * @param environment variables
   * @param home the home directory as the system knows it
   * @throws EspalierException CONFIG where {@code HF_HUB_OFFLINE} forbids it
   */
  static Hub of(Map<String, String> environment, String home, Backoff backoff) {
    String offline = environment.getOrDefault("HF_HUB_OFFLINE", "").toUpperCase(Locale.ROOT);
    if (List.of("1", "TRUE", "YES", "ON").contains(offline)) {
      throw EspalierException.config(
          "Nothing is downloaded while HF_HUB_OFFLINE is set (" + offline + ").",
          "Maybe unset it, or bring the files into the cache of the hub by other means.");
    }
    String endpoint = environment.getOrDefault("HF_ENDPOINT", "");
    try {
      URI uri = URI.create(endpoint.isBlank() ? "https://huggingface.co" : endpoint.strip());
      if (uri.getHost() == null || !List.of("http", "https").contains(uri.getScheme())) {
        throw new IllegalArgumentException("it names no http(s) host");
      }
      return new Hub(uri, token(environment, home), backoff);
    } catch (IllegalArgumentException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The address of the hub (HF_ENDPOINT=" + endpoint + ") is not valid: " + e.getMessage(),
          "Maybe use https://huggingface.co.",
          e);
    }
  }

  private static @Nullable String token(Map<String, String> environment, String home) {
    for (String variable : List.of("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")) {
      String value = environment.getOrDefault(variable, "").strip();
      if (!value.isEmpty()) {
        return value;
      }
    }
    String named = environment.getOrDefault("HF_TOKEN_PATH", "");
    try {
      Path file =
          named.isBlank() ? HubCache.home(environment, home).resolve("token") : Path.of(named);
      if (Files.isRegularFile(file) && Files.size(file) < 1000) {
        String value = Files.readString(file).strip();
        return value.isEmpty() ? null : value;
      }
    } catch (IOException | EspalierException e) {
      return null; // public repositories need none
    }
    return null;
  }

  /**
   * The files of a revision.
   *
   * @param id names repository and revision
   */
  Listing list(HubId id) {
    URI uri =
        endpoint(
            "/api/models/"
                + path(id.repository())
                + "/revision/"
                + path(id.revisionOrMain())
                + "?blobs=true");
    byte[] json =
        patiently(
            id.toString(),
            () -> {
              HttpResponse<InputStream> response = get(uri, id, 0);
              try (InputStream body = response.body()) {
                byte[] bytes = body.readNBytes(LARGEST_ANSWER + 1);
                if (bytes.length > LARGEST_ANSWER) {
                  throw malformed(uri, "is larger than " + LARGEST_ANSWER + " bytes");
                }
                return bytes;
              }
            });
    Answer answer = ModelJson.parse(json, Answer.class, "The answer of " + uri);
    String commit = answer.sha == null ? "" : answer.sha;
    if (!commit.matches("[0-9a-f]{40}")) {
      throw malformed(uri, "names no commit");
    }
    Map<String, Entry> entries = new HashMap<>();
    for (Sibling sibling : answer.siblings == null ? List.<Sibling>of() : answer.siblings) {
      Entry entry = entry(uri, sibling);
      entries.put(entry.name, entry);
    }
    return new Listing(commit, entries);
  }

  private static Entry entry(URI uri, Sibling sibling) {
    String name = sibling.rfilename == null ? "" : sibling.rfilename;
    if (!HubId.isPlain(name)) {
      throw malformed(uri, "names a file outside of its repository (" + name + ")");
    }
    Lfs lfs = sibling.lfs;
    String sha256 = lfs == null ? null : lfs.sha256;
    Long size = lfs != null && lfs.size != null ? lfs.size : sibling.size;
    String blob = sibling.blobId;
    boolean hashed =
        sha256 != null
            ? sha256.matches("[0-9a-f]{64}")
            : blob != null && blob.matches("[0-9a-f]{40}");
    if (size == null || size < 0 || !hashed) {
      throw malformed(uri, "names a file without size or hash (" + name + ")");
    }
    return new Entry(name, size, sha256, sha256 == null ? blob : null);
  }

  /** Reads the bytes of an answer. */
  interface Reader<T> {
    /**
     * @param body the bytes
     * @param from which byte of the file is the first
     */
    T read(InputStream body, long from) throws IOException;
  }

  /**
   * Opens a file once; a failure that may pass is a {@link Transient}.
   *
   * @param id the repository
   * @param commit of the listing
   * @param entry the file
   * @param from the first byte wanted; the server may begin at 0 nevertheless
   * @param reader reads it
   */
  <T> T open(HubId id, String commit, Entry entry, long from, Reader<T> reader)
      throws IOException, InterruptedException {
    URI uri = endpoint("/" + path(id.repository()) + "/resolve/" + commit + "/" + path(entry.name));
    HttpResponse<InputStream> response = get(uri, id.withFile(entry.name), from);
    try (InputStream body = response.body()) {
      long begin = response.statusCode() == 206 ? begin(response, from) : 0;
      return reader.read(body, begin);
    }
  }

  private static long begin(HttpResponse<?> response, long from) throws Transient {
    String range = response.headers().firstValue("content-range").orElse("");
    if (!range.startsWith("bytes " + from + "-")) {
      throw new Transient("an answer with another range (" + range + ")", -1, false);
    }
    return from;
  }

  /** Runs until it succeeds, cannot, or patience ends. */
  <T> T patiently(String what, Attempt<T> attempt) {
    for (int failures = 1; ; failures++) {
      try {
        return attempt.run();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new EspalierException(
            EspalierException.Code.RESOURCE, "The download of " + what + " was interrupted.", null);
      } catch (IOException e) {
        try {
          Optional<Duration> asked = Optional.empty();
          if (e instanceof Transient known) {
            failures = known.advanced ? 1 : failures;
            asked =
                known.seconds < 0
                    ? Optional.empty()
                    : Optional.of(Duration.ofSeconds(known.seconds));
          }
          if (!backoff.await(failures, asked)) {
            throw new EspalierException(
                EspalierException.Code.RESOURCE,
                "The hub (" + endpoint + ") did not deliver " + what + ": " + reason(e) + ".",
                "Maybe try again later, it goes on where it stopped; HF_ENDPOINT names a mirror.",
                e);
          }
        } catch (InterruptedException interrupted) {
          Thread.currentThread().interrupt();
          throw new EspalierException(
              EspalierException.Code.RESOURCE,
              "The download of " + what + " was interrupted.",
              null);
        }
      }
    }
  }

  /** Work that may fail for a moment. */
  interface Attempt<T> {
    T run() throws IOException, InterruptedException;
  }

  private HttpResponse<InputStream> get(URI uri, HubId id, long from)
      throws IOException, InterruptedException {
    URI at = uri;
    List<URI> seen = new ArrayList<>();
    while (true) {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(at)
              .timeout(PATIENCE)
              .header("User-Agent", "espalier")
              .header("Accept-Encoding", "identity");
      if (token != null && sameHost(at, endpoint)) {
        request.header("Authorization", "Bearer " + token);
      }
      if (from > 0) {
        request.header("Range", "bytes=" + from + "-");
      }
      HttpResponse<InputStream> response =
          client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
      int status = response.statusCode();
      if (status == 200 || status == 206) {
        return response;
      }
      response.body().close();
      if (status == 416 && from > 0) {
        return get(uri, id, 0);
      }
      if (status >= 301 && status <= 308 && status != 304) {
        at = target(at, response);
        seen.add(at);
        if (seen.size() > REDIRECTS) {
          throw malformed(uri, "leads from one address to the next without end");
        }
        continue;
      }
      throw failure(id, response);
    }
  }

  private static URI target(URI at, HttpResponse<?> response) {
    String location = response.headers().firstValue("location").orElse("");
    try {
      URI target = at.resolve(location);
      if (location.isEmpty()
          || target.getHost() == null
          || !(target.getScheme().equals("https") || target.getScheme().equals(at.getScheme()))) {
        throw new IllegalArgumentException("no address");
      }
      return target;
    } catch (IllegalArgumentException e) {
      throw malformed(at, "leads to an address that is not followed (" + location + ")");
    }
  }

  private static boolean sameHost(URI a, URI b) {
    return a.getScheme().equals(b.getScheme())
        && a.getHost().equalsIgnoreCase(b.getHost())
        && a.getPort() == b.getPort();
  }

  private EspalierException failure(HubId id, HttpResponse<?> response) throws Transient {
    int status = response.statusCode();
    if (status == 429 || status == 408 || status >= 500) {
      long wait =
          response
              .headers()
              .firstValue("retry-after")
              .filter(text -> text.matches("\\d{1,4}"))
              .map(Long::parseLong)
              .orElse(-1L);
      throw new Transient(
          status == 429 ? "it answers too many requests (429)" : "it answers " + status,
          wait,
          false);
    }
    String page = endpoint("/" + id.repository()).toString();
    String error = response.headers().firstValue("x-error-code").orElse("");
    if (error.equals("GatedRepo")) {
      throw EspalierException.config(
          "The hub gives " + id + " only to those who have accepted its licence (" + status + ").",
          token == null
              ? "Maybe accept it on " + page + ", then set HF_TOKEN to a token of your account."
              : "Maybe accept it on " + page + " with the account of HF_TOKEN.");
    }
    if (status == 401 || status == 403) {
      throw EspalierException.config(
          "The hub does not give " + id + " (" + status + "): it does not exist, or is private.",
          token == null
              ? "Maybe it is misspelt; for a private or gated one set HF_TOKEN."
              : "Maybe it is misspelt, or HF_TOKEN belongs to an account without access; see "
                  + page
                  + ".");
    }
    if (status == 404) {
      String what =
          switch (error) {
            case "RevisionNotFound" ->
                "no revision " + id.revisionOrMain() + " of " + id.repository();
            case "EntryNotFound" -> "no file " + id.file() + " in " + id.repository();
            default -> "no " + id;
          };
      throw EspalierException.config(
          "The hub has " + what + " (404).", "Maybe it is misspelt; see " + page + ".");
    }
    throw EspalierException.config(
        "The hub answers " + status + " for " + id + ".", "Maybe look at " + page + ".");
  }

  private static EspalierException malformed(URI uri, String what) {
    return EspalierException.config(
        "The answer of " + uri + " " + what + ".", "Maybe HF_ENDPOINT names something else.");
  }

  private static String reason(IOException e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  private URI endpoint(String path) {
    String base = endpoint.toString();
    return URI.create((base.endsWith("/") ? base.substring(0, base.length() - 1) : base) + path);
  }

  private static String path(String text) {
    return Stream.of(text.split("/"))
        .map(part -> URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20"))
        .collect(Collectors.joining("/"));
  }
}
