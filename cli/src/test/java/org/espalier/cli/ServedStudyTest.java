package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.TOY_STUDY;
import static org.espalier.cli.CommandLineKit.espalier;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.espalier.records.RecordLog;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Studies whose judge is behind a server that comes and goes. */
@SuppressWarnings("NullAway.Init")
class ServedStudyTest {
  @TempDir Path directory;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final AtomicInteger calls = new AtomicInteger();
  private volatile int failsFrom = Integer.MAX_VALUE;
  private volatile boolean constant;
  private HttpServer server;

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/", this::answer);
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
    threads.shutdownNow();
  }

  /** The same request gets the same probability, whatever it may be. */
  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      String request = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      boolean fails = calls.getAndIncrement() >= failsFrom;
      double yes = constant ? 0.5 : 0.05 + 0.9 * (request.hashCode() & 0xffff) / 65536.0;
      String body =
          fails
              ? "{\"error\": {\"message\": \"out of memory\"}}"
              : """
                {"choices": [{"message": {"content": "Yes"}, "logprobs": {"content": [{"top_logprobs":
                [{"token": "Yes", "logprob": %s}, {"token": "No", "logprob": %s}]}]}}],
                "usage": {"prompt_tokens": 90, "completion_tokens": 1}}
                """
                  .formatted(Math.log(yes), Math.log(1 - yes));
      byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
      exchange.sendResponseHeaders(fails ? 503 : 200, bytes.length);
      exchange.getResponseBody().write(bytes);
    }
  }

  private Path study(boolean golden) throws IOException {
    String judge =
        String.format(
            Locale.ROOT,
            "{id: served, endpoint: 'http://localhost:%d/v1', model: judge, attempts: 2,"
                + " backoff: PT0.001S, golden: %s}",
            server.getAddress().getPort(),
            golden);
    return Files.writeString(
        directory.resolve("study.yaml"),
        TOY_STUDY
            .replace("search: toy-target", "search: " + judge)
            .replace("levels: [4x]}", "levels: [4x], caps: {verifier_calls: 16}}"));
  }

  private List<String> records(Path run) {
    return RecordLog.read(run.resolve("records.jsonl")).records().values().stream()
        .map(RecordLog::withoutTimes)
        .sorted()
        .toList();
  }

  @Test
  void aServerThatGoesAwayStopsTheRunAndResumeFinishesIt() throws IOException {
    Path study = study(false);
    Path whole = directory.resolve("whole");
    assertThat(espalier("run", study, "-q", "--out", whole).code()).isZero();

    failsFrom = calls.get() + 12;
    Path run = directory.resolve("stopped");
    CommandLineKit.Ended stopped = espalier("run", study, "-q", "--out", run);
    assertThat(stopped.code()).as(stopped.out()).isEqualTo(2);
    assertThat(stopped.err())
        .contains("[RESOURCE] ", "does not answer: HTTP 503: out of memory", "`espalier resume`");
    assertThat(records(run)).hasSizeBetween(1, 8).isSubsetOf(records(whole));

    failsFrom = Integer.MAX_VALUE;
    CommandLineKit.Ended resumed = espalier("resume", run, "-q");
    assertThat(resumed.code()).as(resumed.err()).isZero();
    assertThat(records(run)).isEqualTo(records(whole));
  }

  /** Where the judge is cannot change what it says. */
  @Test
  void aRunGoesOnAtAnotherAddress() throws IOException {
    Path study = study(false);
    failsFrom = calls.get() + 12;
    Path run = directory.resolve("moved");
    assertThat(espalier("run", study, "-q", "--out", run).code()).isEqualTo(2);
    int before = records(run).size();
    assertThat(before).isPositive();
    failsFrom = Integer.MAX_VALUE;
    int old = server.getAddress().getPort();
    server.stop(0);
    start();
    assertThat(server.getAddress().getPort()).isNotEqualTo(old);
    Path kept = run.resolve("study.yaml");
    Files.writeString(
        kept,
        Files.readString(kept).replace(":" + old + "/", ":" + server.getAddress().getPort() + "/"));
    CommandLineKit.Ended resumed = espalier("resume", run);
    assertThat(resumed.code()).as(resumed.err()).isZero();
    assertThat(resumed.err()).contains(before + " of them done before");
    assertThat(records(run)).hasSize(9);
  }

  @Test
  void validateRefusesAJudgeThatCannotTellPicturesApart() throws IOException {
    constant = true;
    CommandLineKit.Ended ended = espalier("validate", study(true));
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err())
        .contains("study.yaml:8:", "[CONFIG] ", "cannot tell pictures apart", "\nMaybe ");
  }

  @Test
  void validateNamesAServerThatIsNotThere() throws IOException {
    Path study = study(true);
    server.stop(0);
    CommandLineKit.Ended ended = espalier("validate", study);
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err())
        .contains("study.yaml:8:", "[RESOURCE] ", "no connection to http://localhost:");
  }
}
