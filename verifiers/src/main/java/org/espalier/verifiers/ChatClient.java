package org.espalier.verifiers;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.net.ConnectException;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Asks a server by the chat protocol of <a
 * href="https://platform.openai.com/docs/api-reference/chat">OpenAI</a>, which vLLM, SGLang and
 * others speak too. What may pass by itself is tried again: no connection, a time-out, 408, 409,
 * 425, 429 and 5xx, an answer that is broken off or is no chat completion. Thread-safe.
 */
final class ChatClient {
  /** Beyond this an answer is not one. */
  static final int LARGEST_ANSWER = 1 << 20;

  /**
   * A server that asks for a longer pause is given up, so that the run stops and can be resumed.
   */
  static final Duration LONGEST_PAUSE = Duration.ofMinutes(10);

  /** The status of an answer. */
  static final int ANSWERED = 200;

  private static final Duration LONGEST_BACKOFF = Duration.ofMinutes(1);
  private static final Set<Integer> THIS_REQUEST = Set.of(400, 413, 414, 415, 422, 451);
  private static final Set<Integer> PASSING = Set.of(408, 409, 425, 429);
  private static final int SHOWN = 200;
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          // A server in Python writes NaN where it computed one; that must be told from garbage.
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .build();

  /** Waits between two attempts. */
  @FunctionalInterface
  interface Pause {
    /**
     * Waits.
     *
     * @param duration how long
     */
    void take(Duration duration) throws InterruptedException;
  }

  /** How a request ended. */
  sealed interface Reply {
    /**
     * The server answered.
     *
     * @param choice the first of its choices
     * @param inputTokens of the question, images included; 0 where the server does not say
     * @param outputTokens of the answer
     */
    record Answered(JsonNode choice, long inputTokens, long outputTokens) implements Reply {}

    /**
     * The server refuses this very request.
     *
     * @param reason why, fit for a message
     */
    record Refused(String reason) implements Reply {}

    /**
     * The server does not serve.
     *
     * @param reason why, fit for a message
     * @param status the last HTTP status, or 0 where there was none
     */
    record Down(String reason, int status) implements Reply {}
  }

  private final HttpClient http;
  private final URI address;
  private final @Nullable String key;
  private final Duration timeout;
  private final int attempts;
  private final Duration backoff;
  private final Pause pause;

  ChatClient(ServedConfig config, @Nullable String key, Pause pause) {
    // Servers on uvicorn lose the body of a request that offers to speak HTTP/2.
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(config.timeout());
    Optional.ofNullable(ProxySelector.getDefault()).ifPresent(builder::proxy);
    this.http = builder.build();
    this.address = URI.create(config.endpoint() + "/chat/completions");
    this.key = key;
    this.timeout = config.timeout();
    this.attempts = config.attempts();
    this.backoff = config.backoff();
    this.pause = pause;
  }

  /**
   * Asks until there is an answer or no hope.
   *
   * @param body the request
   */
  Reply ask(JsonNode body) throws InterruptedException {
    HttpRequest request = request(body);
    Attempt last = attempt(request);
    Duration next = backoff;
    for (int i = 1; i < attempts && last.again; i++) {
      Duration asked = last.asked;
      Duration wait = asked == null ? next : asked;
      if (wait.compareTo(LONGEST_PAUSE) > 0) {
        return new Reply.Down(
            last.reason() + "; the server asks to wait " + wait.toSeconds() + " s", last.status);
      }
      pause.take(wait);
      next = shorter(next.multipliedBy(2), LONGEST_BACKOFF);
      last = attempt(request);
    }
    return last.reply;
  }

  /**
   * Asks once.
   *
   * @param body the request
   */
  Reply askOnce(JsonNode body) throws InterruptedException {
    return attempt(request(body)).reply;
  }

  private static Duration shorter(Duration a, Duration b) {
    return a.compareTo(b) < 0 ? a : b;
  }

  /**
   * One attempt.
   *
   * @param reply how it ended, should there be no other
   * @param again whether another may end better
   * @param asked how long the server asks to wait, or null
   * @param status the HTTP status, or 0
   */
  private record Attempt(Reply reply, boolean again, @Nullable Duration asked, int status) {
    String reason() {
      return reply instanceof Reply.Down down ? down.reason() : "";
    }
  }

  private HttpRequest request(JsonNode body) {
    HttpRequest.Builder builder =
        HttpRequest.newBuilder(address)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(bytes(body)));
    if (key != null) {
      builder.header("Authorization", "Bearer " + key);
    }
    return builder.build();
  }

  private static byte[] bytes(JsonNode body) {
    try {
      return JSON.writeValueAsBytes(body);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tree is JSON", e);
    }
  }

  private Attempt attempt(HttpRequest request) throws InterruptedException {
    CompletableFuture<HttpResponse<byte[]>> answer =
        http.sendAsync(request, info -> new LimitedBody(LARGEST_ANSWER));
    try {
      // The time-out of HttpRequest ends with the headers; this one holds for the body too.
      return read(answer.get(timeout.toMillis(), TimeUnit.MILLISECONDS));
    } catch (TimeoutException e) {
      return failed("no answer within " + timeout.toMillis() / 1000.0 + " s");
    } catch (ExecutionException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      String what =
          cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
      return failed(
          cause instanceof ConnectException
              ? "no connection to " + address
              : cause instanceof IOException
                  ? "the connection failed: " + clean(what)
                  : clean(what));
    } finally {
      answer.cancel(true);
    }
  }

  private static Attempt failed(String reason) {
    return new Attempt(new Reply.Down(reason, 0), true, null, 0);
  }

  private Attempt read(HttpResponse<byte[]> response) {
    int status = response.statusCode();
    String text = new String(response.body(), StandardCharsets.UTF_8);
    if (status == ANSWERED) {
      return completion(text);
    }
    String reason = "HTTP " + status + ": " + message(text);
    if (THIS_REQUEST.contains(status)) {
      return new Attempt(new Reply.Refused(reason), false, null, status);
    }
    boolean again = PASSING.contains(status) || status >= 500;
    return new Attempt(
        new Reply.Down(reason, status), again, again ? retryAfter(response) : null, status);
  }

  private Attempt completion(String text) {
    JsonNode root;
    try {
      root = JSON.readTree(text);
    } catch (JsonProcessingException e) {
      return failed("the answer is not JSON: " + clean(text));
    }
    JsonNode choice = root.path("choices").path(0);
    if (!choice.isObject()) {
      return failed("the answer has no choice: " + message(text));
    }
    JsonNode usage = root.path("usage");
    return new Attempt(
        new Reply.Answered(
            choice,
            Math.max(0, usage.path("prompt_tokens").asLong()),
            Math.max(0, usage.path("completion_tokens").asLong())),
        false,
        null,
        ANSWERED);
  }

  /** What a server says of an error, wherever it writes it. */
  private String message(String text) {
    try {
      JsonNode root = JSON.readTree(text);
      for (JsonNode node :
          new JsonNode[] {
            root.path("error").path("message"),
            root.path("message"),
            root.path("detail"),
            root.path("error")
          }) {
        if (node.isTextual()) {
          return clean(node.asText());
        }
      }
    } catch (JsonProcessingException e) {
      return clean(text); // a proxy's page
    }
    return clean(text);
  }

  /** One line without control characters, not long, and without the key. */
  String clean(String text) {
    String line = key == null ? text : text.replace(key, "(key)");
    line = line.replaceAll("[\\p{Cntrl}\\p{Cf}\\p{Cn}\\s]+", " ").strip();
    return line.length() <= SHOWN
        ? line.isEmpty() ? "(empty)" : line
        : line.substring(0, SHOWN - 3) + "...";
  }

  private static @Nullable Duration retryAfter(HttpResponse<?> response) {
    return retryAfter(
        response.headers().firstValue("Retry-After").orElse(""),
        response.headers().firstValue("Date").orElse(""));
  }

  /**
   * The pause that a server asks for.
   *
   * @param after seconds, or until when
   * @param now the time by the server's own clock
   * @return null where it does not ask, or not so that it could be understood
   */
  static @Nullable Duration retryAfter(String after, String now) {
    if (after.strip().matches("\\d{1,9}(\\.\\d{1,3})?")) {
      return Duration.ofMillis((long) (Double.parseDouble(after.strip()) * 1000));
    }
    try {
      DateTimeFormatter form = DateTimeFormatter.RFC_1123_DATE_TIME;
      Duration wait =
          Duration.between(
              ZonedDateTime.parse(now.strip(), form), ZonedDateTime.parse(after.strip(), form));
      return wait.isNegative() ? Duration.ZERO : wait;
    } catch (DateTimeParseException e) {
      return null;
    }
  }
}
