package org.espalier.weights;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/**
 * Behaves like the hub: lists repositories, redirects large files to a store of another host, knows
 * ranges, tokens and licences, and fails as it is told.
 */
final class FakeHub implements AutoCloseable {
  static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

  private final HttpServer server;
  private final HttpServer store;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final Map<String, Map<String, byte[]>> repositories = new TreeMap<>();

  /** Requests, as METHOD-less paths with the range, in order. */
  final List<String> requests = Collections.synchronizedList(new ArrayList<>());

  /** Authorization headers that reached the store. */
  final List<String> leaked = Collections.synchronizedList(new ArrayList<>());

  /** Answers given instead of the usual one, once each, by path. */
  final Map<String, List<Integer>> failures = new HashMap<>();

  /** After how many bytes each next answer of the store is cut. */
  final List<Integer> cuts = Collections.synchronizedList(new ArrayList<>());

  /** Whether ranges are understood. */
  boolean ranges = true;

  /** Bytes of large files that are flipped on the way. */
  boolean damage;

  /** The token that private and gated repositories want. */
  @Nullable String token;

  /** What is answered instead of a list of files. */
  @Nullable String answer;

  /** Error code of answers without the token. */
  String denied = "GatedRepo";

  FakeHub() throws IOException {
    server = start(this::hub);
    store = start(this::store);
  }

  private interface Handler {
    void handle(HttpExchange exchange) throws IOException;
  }

  private HttpServer start(Handler handler) throws IOException {
    HttpServer made =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    made.setExecutor(threads);
    made.createContext(
        "/",
        exchange -> {
          try (exchange) {
            handler.handle(exchange);
          }
        });
    made.start();
    return made;
  }

  URI endpoint() {
    return URI.create("http://localhost:" + server.getAddress().getPort());
  }

  FakeHub file(String repository, String name, byte[] content) {
    repositories.computeIfAbsent(repository, r -> new TreeMap<>()).put(name, content);
    return this;
  }

  FakeHub file(String repository, String name, String content) {
    return file(repository, name, content.getBytes(StandardCharsets.UTF_8));
  }

  static boolean isLarge(String name) {
    return !name.endsWith(".json") && !name.endsWith(".txt") && !name.endsWith(".md");
  }

  static String digest(String algorithm, byte[]... parts) {
    try {
      MessageDigest digest = MessageDigest.getInstance(algorithm);
      for (byte[] part : parts) {
        digest.update(part);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private boolean failed(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().getPath();
    List<Integer> left = failures.getOrDefault(path, List.of());
    if (left.isEmpty()) {
      return false;
    }
    int status = left.get(0);
    failures.put(path, left.subList(1, left.size()));
    if (status == 429) {
      exchange.getResponseHeaders().add("Retry-After", "3");
    }
    exchange.sendResponseHeaders(status, -1);
    return true;
  }

  private void hub(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().getPath();
    String range = exchange.getRequestHeaders().getFirst("Range");
    requests.add(path + (range == null ? "" : " " + range));
    if (failed(exchange)) {
      return;
    }
    if (token != null
        && !("Bearer " + token).equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
      exchange.getResponseHeaders().add("X-Error-Code", denied);
      exchange.sendResponseHeaders(denied.equals("GatedRepo") ? 403 : 401, -1);
      return;
    }
    if (path.startsWith("/api/models/")) {
      list(exchange, path.substring("/api/models/".length()));
      return;
    }
    int at = path.indexOf("/resolve/");
    Map<String, byte[]> files = repositories.get(path.substring(1, at));
    String rest = path.substring(at + "/resolve/".length());
    String name = rest.substring(rest.indexOf('/') + 1);
    byte[] content = files == null ? null : files.get(name);
    if (content == null) {
      exchange.getResponseHeaders().add("X-Error-Code", "EntryNotFound");
      exchange.sendResponseHeaders(404, -1);
    } else if (isLarge(name)) {
      exchange
          .getResponseHeaders()
          .add(
              "Location",
              "http://127.0.0.1:" + store.getAddress().getPort() + path + "?signature=x");
      exchange.sendResponseHeaders(302, -1);
    } else {
      answer(exchange, content, content.length);
    }
  }

  private void list(HttpExchange exchange, String path) throws IOException {
    int at = path.indexOf("/revision/");
    Map<String, byte[]> files = repositories.get(path.substring(0, at));
    String revision = path.substring(at + "/revision/".length());
    if (files == null || !List.of("main", "v1", COMMIT).contains(revision)) {
      exchange
          .getResponseHeaders()
          .add("X-Error-Code", files == null ? "RepoNotFound" : "RevisionNotFound");
      exchange.sendResponseHeaders(404, -1);
      return;
    }
    if (answer != null) {
      byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
      exchange.sendResponseHeaders(200, bytes.length);
      exchange.getResponseBody().write(bytes);
      return;
    }
    StringBuilder json = new StringBuilder("{\"sha\": \"" + COMMIT + "\", \"siblings\": [");
    String separator = "";
    for (Map.Entry<String, byte[]> file : files.entrySet()) {
      byte[] content = file.getValue();
      json.append(separator)
          .append(
              "{\"rfilename\": \"%s\", \"size\": %d, \"blobId\": \"%s\""
                  .formatted(
                      file.getKey(),
                      content.length,
                      digest(
                          "SHA-1",
                          ("blob " + content.length + "\0").getBytes(StandardCharsets.UTF_8),
                          content)));
      if (isLarge(file.getKey())) {
        json.append(
            ", \"lfs\": {\"sha256\": \"%s\", \"size\": %d, \"pointerSize\": 130}"
                .formatted(digest("SHA-256", content), content.length));
      }
      json.append("}");
      separator = ", ";
    }
    byte[] bytes = json.append("]}").toString().getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(200, bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  private void store(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().getPath();
    String range = exchange.getRequestHeaders().getFirst("Range");
    requests.add(
        "store "
            + path.substring(path.indexOf("/resolve/") + 50)
            + (range == null ? "" : " " + range));
    String authorization = exchange.getRequestHeaders().getFirst("Authorization");
    if (authorization != null) {
      leaked.add(authorization);
    }
    if (failed(exchange)) {
      return;
    }
    int at = path.indexOf("/resolve/");
    String rest = path.substring(at + "/resolve/".length());
    Map<String, byte[]> files = repositories.getOrDefault(path.substring(1, at), Map.of());
    byte[] content = files.getOrDefault(rest.substring(rest.indexOf('/') + 1), new byte[1]).clone();
    if (damage) {
      content[0] ^= 1;
    }
    int length = cuts.isEmpty() ? content.length : cuts.remove(0);
    answer(exchange, content, length);
  }

  private void answer(HttpExchange exchange, byte[] content, int most) throws IOException {
    String range = exchange.getRequestHeaders().getFirst("Range");
    int from = 0;
    if (range != null && ranges) {
      from = Integer.parseInt(range.substring("bytes=".length(), range.length() - 1));
      if (from >= content.length) {
        exchange.sendResponseHeaders(416, -1);
        return;
      }
      exchange
          .getResponseHeaders()
          .add(
              "Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
    }
    byte[] part = Arrays.copyOfRange(content, from, content.length);
    exchange.sendResponseHeaders(from > 0 ? 206 : 200, part.length == 0 ? -1 : part.length);
    OutputStream out = exchange.getResponseBody();
    out.write(part, 0, Math.min(part.length, most));
    out.flush(); // closing the exchange before all bytes are sent cuts the connection
  }

  @Override
  public void close() {
    server.stop(0);
    store.stop(0);
    threads.shutdownNow();
  }
}
