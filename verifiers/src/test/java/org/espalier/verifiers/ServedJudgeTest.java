package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Accuracy;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.LoadContext;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.spi.WorkCounters;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A judge behind a server that does everything that servers do. */
class ServedJudgeTest {
  private static final String KEY = "sk-very-secret-0123456789";

  /** A served judge has no members. */
  static final LoadContext CONTEXT =
      new LoadContext(
          "cpu",
          Path.of("."),
          spec -> {
            throw new AssertionError("asked for " + spec);
          });

  private static final String PROMPT = "a red circle";

  private final ChatStub stub = new ChatStub();
  private final List<Duration> pauses = Collections.synchronizedList(new ArrayList<>());

  @AfterEach
  void stop() {
    stub.close();
  }

  /** Settings, one by one. */
  static final class Settings {
    private final String endpoint;
    private ServedConfig.Answer answer = ServedConfig.Answer.PROBABILITY;
    private Map<String, Object> body = Map.of();
    private @Nullable String question;
    private @Nullable String keyVariable;
    private Duration timeout = Duration.ofSeconds(30);
    private boolean golden;
    private ServedConfig.@Nullable Price price;
    private @Nullable Long flops;
    private ServedConfig.@Nullable Usage usage;
    private int concurrency = 4;

    Settings(String endpoint) {
      this.endpoint = endpoint;
    }

    Settings asking(String words) {
      question = words;
      return this;
    }

    ServedConfig build() {
      return new ServedConfig(
          endpoint,
          "judge-7b",
          answer,
          question,
          null,
          null,
          keyVariable,
          body,
          timeout,
          3,
          Duration.ofSeconds(2),
          concurrency,
          golden,
          price,
          flops,
          usage);
    }
  }

  static Settings config(ChatStub stub) {
    return new Settings(stub.endpoint());
  }

  private Verifier load(Settings settings) {
    return new ServedProvider(name -> name.equals("JUDGE_KEY") ? KEY : null, pauses::add)
        .load(settings.build(), CONTEXT);
  }

  private static Judgement judgement(RgbImage image) {
    return new Judgement("c", Prompt.of("p", PROMPT), Artifact.of(image));
  }

  /** The verdict on a red picture. */
  private static Verdict judge(Verifier verifier) {
    return verifier.verify(List.of(judgement(GoldenPictures.ALL.get(0).image()))).get(0);
  }

  private static String failure(Verdict verdict) {
    assertThat(verdict).isInstanceOf(Verdict.Failed.class);
    return ((Verdict.Failed) verdict).reason();
  }

  private static void requireRefusal(
      ThrowingCallable body, EspalierException.Code code, String... parts) {
    assertThatThrownBy(body)
        .isInstanceOfSatisfying(
            EspalierException.class,
            e ->
                assertThat(e)
                    .hasMessageStartingWith("[" + code + "] The served judge (judge-7b at http://")
                    .hasMessageContainingAll(parts)
                    .hasMessageContaining("\nMaybe "));
  }

  @Test
  void asksAsTheProtocolSays() throws Exception {
    try (Verifier judge = load(config(stub))) {
      Verdict.Scored scored = (Verdict.Scored) judge(judge);
      assertThat(scored.value()).isCloseTo(0.95, within(1e-9));
      assertThat(scored.parts())
          .containsEntry("input-tokens", 100.0)
          .containsEntry("output-tokens", 1.0)
          .doesNotContainKey("dollars");
      assertThat(scored.parts().get("p-yes")).isCloseTo(0.9 * 0.95, within(1e-9));
    }
    ChatStub.Seen seen = stub.seen.get(0);
    assertThat(seen.path()).isEqualTo("/v1/chat/completions");
    assertThat(seen.authorization()).isEqualTo("null");
    assertThat(seen.text())
        .isEqualTo("Does this figure show \"a red circle\"? Please answer yes or no.");
    assertThat(seen.body().path("model").asText()).isEqualTo("judge-7b");
    assertThat(seen.body().path("logprobs").asBoolean()).isTrue();
    assertThat(seen.body().path("top_logprobs").asInt()).isEqualTo(20);
    assertThat(seen.body().path("max_tokens").asInt()).isEqualTo(1);
    assertThat(seen.body().path("temperature").asDouble(1)).isZero();
    RgbImage golden = GoldenPictures.ALL.get(0).image();
    for (int[] at : new int[][] {{0, 0}, {112, 112}, {60, 100}}) {
      assertThat(seen.image().getRGB(at[0], at[1]) & 0xff).isEqualTo(golden.at(at[0], at[1], 2));
    }
  }

  @Test
  void ratesByASchema() {
    Settings settings = config(stub);
    settings.answer = ServedConfig.Answer.RATING;
    settings.golden = true;
    try (Verifier judge = load(settings)) {
      assertThat(((Verdict.Scored) judge(judge)).value()).isEqualTo(10);
      assertThat(judge.card().range()).isEqualTo("[1, 10]: the rating said");
      assertThat(
              stub.seen.get(0).body().at("/response_format/json_schema/schema/required/0").asText())
          .isEqualTo("rating");
      for (String garbage :
          List.of(
              "ten",
              "{\"rating\": 11}",
              "{\"rating\": 0}",
              "{\"rating\": \"7\"}",
              "{\"rating\": null}",
              "{\"score\": 7}",
              "{\"rating\": 7",
              "[7]",
              "",
              "{\"rating\": 7} or 8")) {
        stub.behave((call, seen) -> ChatStub.said(garbage));
        assertThat(failure(judge(judge))).startsWith("The answer ");
      }
    }
  }

  @Test
  void whatTheBodySaysWins() {
    Map<String, Object> body = new LinkedHashMap<>();
    body.put("max_tokens", null);
    body.put("max_completion_tokens", 1);
    body.put("chat_template_kwargs", Map.of("enable_thinking", false));
    Settings settings = config(stub);
    settings.body = body;
    try (Verifier judge = load(settings)) {
      judge(judge);
    }
    assertThat(stub.seen.get(0).body().has("max_tokens")).isFalse();
    assertThat(stub.seen.get(0).body().path("max_completion_tokens").asInt()).isEqualTo(1);
    assertThat(stub.seen.get(0).body().at("/chat_template_kwargs/enable_thinking").asBoolean(true))
        .isFalse();
  }

  @Test
  void countsTokensDollarsAndEstimatedOperations() {
    Settings settings = config(stub);
    settings.price = new ServedConfig.Price(2.0, 8.0);
    settings.flops = 5_000_000_000L;
    try (Verifier judge = load(settings)) {
      WorkCounters before = judge.counters();
      Verdict.Scored scored = (Verdict.Scored) judge(judge);
      assertThat(scored.parts().get("dollars")).isCloseTo(208e-6, within(1e-12));
      assertThat(judge.counters().since(before))
          .isEqualTo(new WorkCounters(1, 101, 5_000_000_000L, 1, 208));
      assertThat(judge.quote(Prompt.of("p", PROMPT), 64, 64, 3))
          .isEqualTo(Cost.verify(3, 15_000_000_000L));
      assertThat(judge.card().facts()).containsEntry("flops", "estimated");
      assertThat(judge.card().accuracy()).isEqualTo(Accuracy.ESTIMATED);
      assertThat(judge.card().concurrency()).isEqualTo(4);
    }
    settings.usage = new ServedConfig.Usage(1000, 1);
    try (Verifier judge = load(settings)) {
      assertThat(judge.quote(Prompt.of("p", PROMPT), 64, 64, 3))
          .isEqualTo(Cost.verify(3, 15_000_000_000L).withService(3003, 6024));
    }
    settings.flops = null;
    try (Verifier judge = load(settings)) {
      assertThat(judge.card().accuracy()).isEqualTo(Accuracy.UNKNOWN);
    }
  }

  @Test
  void aJudgeThatCanSeeIsAccepted() {
    Settings settings = config(stub);
    settings.golden = true;
    load(settings).close();
    assertThat(stub.seen).hasSize(4);
  }

  @ParameterizedTest
  @ValueSource(strings = {"half", "constant", "text-only", "picture-only", "reversed"})
  void aJudgeThatCannotTellPicturesApartIsRefused(String fault) {
    stub.behave(
        (call, seen) -> {
          boolean blue = seen.text().contains("blue");
          boolean red = (seen.image().getRGB(112, 112) >> 16 & 0xff) > 100;
          double yes =
              switch (fault) {
                case "half" -> 0.5 + 0.001 * call;
                case "constant" -> 0.9;
                case "text-only" -> blue ? 0.1 : 0.9;
                case "picture-only" -> red ? 0.9 : 0.1;
                default -> red == blue ? 0.9 : 0.1;
              };
          return ChatStub.probabilities(Map.of("Yes", yes, "No", 1 - yes));
        });
    Settings settings = config(stub);
    settings.golden = true;
    requireRefusal(
        () -> load(settings), EspalierException.Code.CONFIG, "cannot tell pictures apart");
  }

  @ParameterizedTest
  @CsvSource({
    "401, CONFIG, keyVariable",
    "403, CONFIG, keyVariable",
    "404, CONFIG, the model is named otherwise",
    "429, RESOURCE, not running",
    "500, RESOURCE, not running",
    "503, RESOURCE, not running",
    "301, RESOURCE, not running",
  })
  void aServerThatDoesNotServeIsRefusedWhenItIsLoaded(
      int status, EspalierException.Code code, String advice) {
    stub.behave((call, seen) -> ChatStub.error(status, "The model `judge-7b` is away."));
    Settings settings = config(stub);
    settings.golden = true;
    requireRefusal(
        () -> load(settings),
        code,
        "cannot be asked: HTTP " + status + ": The model `judge-7b` is away.",
        advice);
  }

  @ParameterizedTest
  @CsvSource({
    "401, HTTP 401: away",
    "402, HTTP 402: away",
    "404, HTTP 404: away",
    "429, HTTP 429: away",
    "500, HTTP 500: away",
    "503, HTTP 503: away"
  })
  void aServerThatIsGoneStopsTheRun(int status, String reason) {
    try (Verifier judge = load(config(stub))) {
      stub.behave((call, seen) -> ChatStub.error(status, "away"));
      requireRefusal(
          () -> judge(judge), EspalierException.Code.RESOURCE, reason, "`espalier resume`");
    }
  }

  @Test
  void anEndpointWithoutAServerStopsTheRun() {
    try (Verifier judge = load(config(stub))) {
      stub.close();
      requireRefusal(
          () -> judge(judge), EspalierException.Code.RESOURCE, "no connection to http://localhost");
      assertThat(pauses).containsExactly(Duration.ofSeconds(2), Duration.ofSeconds(4));
    }
  }

  @Test
  void whatPassesIsTriedAgain() {
    try (Verifier judge = load(config(stub))) {
      List<ChatStub.Response> faults = new ArrayList<>();
      faults.add(ChatStub.error(429, "slow down"));
      faults.add(ChatStub.error(500, "oops"));
      faults.add(ChatStub.error(503, "starting"));
      faults.add(ChatStub.Response.of(502, "<html>Bad gateway</html>"));
      faults.add(ChatStub.Response.of(200, "<html>Hello</html>"));
      faults.add(ChatStub.Response.of(200, ""));
      faults.add(ChatStub.Response.of(200, "{\"choices\": []}"));
      faults.add(ChatStub.Response.of(200, "{\"choices\": [null]}"));
      faults.add(ChatStub.Response.of(200, "null"));
      faults.add(ChatStub.Response.of(200, "{\"choices\": [{\"mess"));
      faults.add(ChatStub.Response.of(200, "{\"error\": {\"message\": \"overloaded\"}}"));
      faults.add(ChatStub.Response.of(200, "x".repeat(ChatClient.LARGEST_ANSWER + 1)));
      faults.add(null); // the connection is cut
      for (ChatStub.Response fault : faults) {
        pauses.clear();
        stub.behave((call, seen) -> call == 0 ? fault : ChatStub.judged(seen));
        assertThat(judge(judge)).isInstanceOf(Verdict.Scored.class);
        assertThat(stub.seen).as(String.valueOf(fault)).hasSize(2);
        assertThat(pauses).containsExactly(Duration.ofSeconds(2));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"7, PT7S", "0, PT0S", "1.5, PT1.5S", "soon, PT2S", "-1, PT2S"})
  void waitsAsLongAsTheServerAsks(String after, Duration expected) {
    stub.behave(
        (call, seen) ->
            call > 0
                ? ChatStub.judged(seen)
                : ChatStub.error(429, "busy").with("Retry-After", after));
    try (Verifier judge = load(config(stub))) {
      assertThat(judge(judge)).isInstanceOf(Verdict.Scored.class);
      assertThat(pauses).containsExactly(expected);
    }
  }

  @Test
  void waitsUntilTheServersClockSaysSo() {
    String now = "Sun, 06 Nov 1994 08:49:37 GMT";
    assertThat(ChatClient.retryAfter("Sun, 06 Nov 1994 08:49:47 GMT", now)).hasSeconds(10);
    assertThat(ChatClient.retryAfter("Sun, 06 Nov 1994 08:49:27 GMT", now)).isZero();
    assertThat(ChatClient.retryAfter("Sun, 06 Nov 1994 08:49:47 GMT", "")).isNull();
  }

  @Test
  void doesNotWaitForHours() {
    stub.behave((call, seen) -> ChatStub.error(429, "quota").with("Retry-After", "7200"));
    try (Verifier judge = load(config(stub))) {
      requireRefusal(
          () -> judge(judge),
          EspalierException.Code.RESOURCE,
          "HTTP 429: quota; the server asks to wait 7200 s");
      assertThat(pauses).isEmpty();
    }
  }

  @Test
  void aSlowAnswerIsGivenUp() {
    Settings settings = config(stub);
    settings.timeout = Duration.ofMillis(300);
    try (Verifier judge = load(settings)) {
      // Headers come at once, the body never: the time-out must hold for both.
      stub.behave((call, seen) -> ChatStub.Response.of(200, ChatStub.STALL));
      requireRefusal(() -> judge(judge), EspalierException.Code.RESOURCE, "no answer within 0.3 s");
      assertThat(pauses).hasSize(2);
    }
  }

  /** One image that always breaks the server must not stop a run for ever. */
  @Test
  void anImageThatBreaksTheServerFailsAlone() {
    RgbImage bad = Pictures.noise(10, 10, 1);
    RgbImage good = Pictures.noise(12, 12, 2);
    try (Verifier judge = load(config(stub))) {
      stub.behave(
          (call, seen) ->
              seen.image().getWidth() == 10
                  ? ChatStub.error(500, "list index out of range")
                  : ChatStub.judged(seen));
      List<Verdict> verdicts =
          judge.verify(List.of(judgement(good), judgement(bad), judgement(good)));
      assertThat(failure(verdicts.get(1)))
          .isEqualTo(
              "The server judges other images, but not this one: HTTP 500: list index out of"
                  + " range");
      assertThat(verdicts.get(0)).isInstanceOf(Verdict.Scored.class).isEqualTo(verdicts.get(2));
      // Three attempts, the golden picture once, three more.
      assertThat(stub.seen.stream().filter(s -> s.text().contains(PROMPT))).hasSizeGreaterThan(8);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {400, 413, 422})
  void anImageThatTheServerRefusesFailsAtOnce(int status) {
    try (Verifier judge = load(config(stub))) {
      stub.behave((call, seen) -> ChatStub.error(status, "The prompt is too long."));
      assertThat(failure(judge(judge)))
          .isEqualTo(
              "The server refuses this image or prompt: HTTP "
                  + status
                  + ": The prompt is too long.");
      assertThat(stub.seen).hasSize(1);
      assertThat(pauses).isEmpty();
    }
  }

  @Test
  void anAnswerWithoutLogprobsIsNoScore() {
    stub.behave((call, seen) -> ChatStub.said("Yes"));
    try (Verifier judge = load(config(stub))) {
      requireRefusal(
          () -> judge(judge),
          EspalierException.Code.RESOURCE,
          "the answer comes without top_logprobs");
    }
    Settings settings = config(stub);
    settings.golden = true;
    requireRefusal(
        () -> load(settings),
        EspalierException.Code.CONFIG,
        "the answer comes without top_logprobs",
        "answer: rating");
  }

  @Test
  void whatIsNeitherYesNorNoIsNoScore() {
    try (Verifier judge = load(config(stub))) {
      stub.behave((call, seen) -> ChatStub.probabilities(Map.of("<think>", 0.9)));
      assertThat(failure(judge(judge)))
          .isEqualTo("Neither yes nor no is among the 1 most probable first tokens: <think>.");
      stub.behave((call, seen) -> ChatStub.probabilities(Map.of("Yes", 0.3, "The", 0.2)));
      assertThat(failure(judge(judge))).startsWith("Of yes and no only one is among the 2 most");
    }
  }

  @Test
  void numbersThatAreNoneAreNoScore() {
    try (Verifier judge = load(config(stub))) {
      for (String bad : List.of("NaN", "null", "\"-1\"", "3.0", "Infinity", "{}")) {
        String body =
            ChatStub.probabilities(Map.of("Yes", 1.0))
                .body()
                .replace("\"logprob\":0.0", "\"logprob\":" + bad);
        assertThat(body).contains(bad);
        stub.behave((call, seen) -> ChatStub.Response.of(200, body));
        assertThat(failure(judge(judge))).startsWith("The log-probability (");
      }
    }
  }

  @Test
  void whatTheServerSaysIsShownWithoutControlCharactersAndInShort() {
    try (Verifier judge = load(config(stub))) {
      stub.behave(
          (call, seen) ->
              ChatStub.error(400, "bad\u001b[31m\r\n\u0000image\u202e" + "x".repeat(999)));
      assertThat(failure(judge(judge)))
          .startsWith("The server refuses this image or prompt: HTTP 400: bad [31m image x")
          .endsWith("x...")
          .hasSizeLessThan(280);
    }
  }

  @Test
  void theKeyIsSentAndNeverShown() {
    Settings settings = config(stub);
    settings.keyVariable = "JUDGE_KEY";
    try (Verifier judge = load(settings)) {
      assertThat(judge(judge)).isInstanceOf(Verdict.Scored.class);
      assertThat(stub.seen.get(0).authorization()).isEqualTo("Bearer " + KEY);
      assertThat(judge.card().toString() + settings.build()).doesNotContain(KEY);
      stub.behave((call, seen) -> ChatStub.error(400, "Incorrect API key provided: " + KEY));
      assertThat(failure(judge(judge))).contains("provided: (key)").doesNotContain(KEY);
    }
  }

  @Test
  void aKeyThatIsNotSetIsRefusedBeforeAnything() {
    Settings settings = config(stub);
    settings.keyVariable = "NO_SUCH_KEY";
    assertThatThrownBy(() -> load(settings))
        .hasMessage(
            "[CONFIG] The environment variable (NO_SUCH_KEY) of the served judge's key is not"
                + " set.\nMaybe export it, or leave keyVariable out where the server wants no"
                + " key.");
    assertThat(stub.seen).isEmpty();
  }

  @Test
  void promptsAreSentAsTheyAre() {
    try (Verifier judge = load(config(stub))) {
      for (String prompt :
          List.of(
              "<image>",
              "<|im_end|>",
              "\"}\\",
              "{worst} {prompt}",
              "\u200b\u202e\u0007",
              "",
              "\ud83d")) {
        stub.behave((call, seen) -> ChatStub.judged(seen));
        Verdict verdict =
            judge
                .verify(
                    List.of(
                        new Judgement(
                            "c", Prompt.of("p", prompt), Artifact.of(Pictures.noise(9, 9, 3)))))
                .get(0);
        assertThat(verdict).isInstanceOf(Verdict.Scored.class);
        String sent = new String(prompt.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
        assertThat(stub.seen.get(0).text())
            .isEqualTo("Does this figure show \"" + sent + "\"? Please answer yes or no.");
      }
    }
  }

  @Test
  void tellsTheProbabilityOfAnyWord() {
    try (Verifier judge = load(config(stub).asking("{prompt} Answer in one word."))) {
      Judgement four =
          new Judgement(
              "c", OpenQuestion.of("How many dogs?", "Four"), Artifact.of(Pictures.noise(8, 8, 1)));
      stub.behave(
          (call, seen) ->
              ChatStub.probabilities(
                  Map.of("four", 0.25, " Four", 0.125, "4", 0.0625, "five", 0.25, "44", 0.125)));
      Verdict.Scored scored = (Verdict.Scored) judge.verify(List.of(four)).get(0);
      assertThat(scored.value()).isCloseTo(0.4375, within(1e-9));
      assertThat(scored.parts()).containsEntry("bound", 0.0);
      assertThat(stub.seen.get(0).text()).isEqualTo("How many dogs? Answer in one word.");

      stub.behave((call, seen) -> ChatStub.probabilities(Map.of("five", 0.9, "six", 0.0625)));
      Verdict.Scored unlisted = (Verdict.Scored) judge.verify(List.of(four)).get(0);
      assertThat(unlisted.value()).isCloseTo(0.0375, within(1e-9));
      assertThat(unlisted.parts()).containsEntry("bound", 1.0);
      assertThat(OpenQuestion.canBeAsked(judge.card())).isTrue();
    }
  }

  @Test
  void asksAsManyAtOnceAsItMay() {
    // Four requests must be under way together, or the barrier breaks and nothing is answered.
    CyclicBarrier four = new CyclicBarrier(4);
    stub.behave(
        (call, seen) -> {
          four.await(20, TimeUnit.SECONDS);
          return ChatStub.judged(seen);
        });
    try (Verifier judge = load(config(stub))) {
      List<Judgement> batch = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        batch.add(judgement(Pictures.noise(8 + i, 8, i)));
      }
      assertThat(judge.verify(batch)).hasSize(8).hasOnlyElementsOfType(Verdict.Scored.class);
    }
  }

  @Test
  void whatCannotBeReadFailsAlone() {
    try (Verifier judge = load(config(stub))) {
      VerifierChecks.failuresStayAlone(judge, PROMPT);
    }
  }

  @Test
  void anInterruptedWaitLeavesTheRunToBeResumed() {
    stub.behave((call, seen) -> ChatStub.Response.of(200, ChatStub.STALL));
    try (Verifier judge = load(config(stub))) {
      Thread.currentThread().interrupt();
      assertThatThrownBy(() -> judge(judge)).hasMessageContaining("`espalier resume`");
      assertThat(Thread.interrupted()).isTrue();
    }
  }
}
