package org.espalier.verifiers;

import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.spi.NoEffectOnResults;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link ServedProvider}.
 *
 * @param endpoint the base address of the server, such as {@code http://localhost:8000/v1}
 * @param model the name under which the server knows the model
 * @param answer how the judgement is read off; by default {@link Answer#PROBABILITY}
 * @param question asked of each image, with {@code {prompt}} for the prompt; by default that of <a
 *     href="https://arxiv.org/abs/2404.01291">VQAScore</a>, or a request for a rating
 * @param scale of ratings; by default 1 to 10
 * @param topLogprobs how many tokens the server is asked for, 2 to 100; by default 20
 * @param keyVariable the environment variable that holds the key, or null for a server without one;
 *     the key itself is never written down
 * @param body further fields of every request, such as {@code {seed: 1}}; they win over Espalier's
 * @param timeout of one attempt, from the request to the end of the answer; by default PT60S
 * @param attempts how often a request is made before the server is given up; by default 6
 * @param backoff the pause after the first failure, doubled with each up to a minute, unless the
 *     server says how long; by default PT1S
 * @param concurrency requests under way at once, 1 to 256; by default 8
 * @param golden whether loading asks of two pictures what they show, and refuses a judge that
 *     cannot tell; by default true
 * @param price what a million tokens cost in dollars, or null where nothing is paid
 * @param flops an estimate of the operations of judging one image, or null where it is unknown
 * @param usage an estimate of the tokens of judging one image, or null where it is unknown: what a
 *     search is charged, since nobody can know it before; what was really used is in each score
 */
public record ServedConfig(
    @NoEffectOnResults String endpoint,
    String model,
    Answer answer,
    String question,
    Scale scale,
    Integer topLogprobs,
    @NoEffectOnResults @Nullable String keyVariable,
    Map<String, Object> body,
    @NoEffectOnResults Duration timeout,
    @NoEffectOnResults Integer attempts,
    @NoEffectOnResults Duration backoff,
    @NoEffectOnResults Integer concurrency,
    @NoEffectOnResults Boolean golden,
    @Nullable Price price,
    @Nullable Long flops,
    @Nullable Usage usage) {

  /** How a judgement is read off what the model says. */
  public enum Answer {
    /** P(yes) / (P(yes) + P(no)) from the log-probabilities of the first token. */
    PROBABILITY,
    /** A number in a JSON object whose schema the server enforces. */
    RATING
  }

  /**
   * The ratings of a judge.
   *
   * @param worst the least
   * @param best the best, greater
   */
  public record Scale(int worst, int best) {
    public Scale {
      if (worst >= best) {
        throw EspalierException.config(
                "The worst rating (" + worst + ") is not below the best (" + best + ").",
                "Maybe set scale: {worst: 1, best: 10}.")
            .about("worst");
      }
    }
  }

  /**
   * What tokens cost.
   *
   * @param input dollars a million tokens of questions and images
   * @param output dollars a million tokens of answers
   */
  public record Price(double input, double output) {
    public Price {
      if (!(input >= 0 && output >= 0 && Double.isFinite(input + output))) {
        throw EspalierException.config(
                "The price (" + input + ", " + output + ") must be finite and not negative.",
                "Maybe write price: {input: 0.4, output: 1.6}, in dollars a million tokens.")
            .about("input");
      }
    }

    double of(long inputTokens, long outputTokens) {
      return 1e-6 * (input * inputTokens + output * outputTokens);
    }
  }

  /**
   * Tokens of judging an image.
   *
   * @param input of question and image
   * @param output of the answer
   */
  public record Usage(long input, long output) {
    public Usage {
      if (input < 0 || output < 0 || input + output < 1) {
        throw EspalierException.config(
            "The usage (" + input + ", " + output + ") must be positive numbers of tokens.",
            "Maybe write usage: {input: 1400, output: 1}.");
      }
    }
  }

  static final String PLACE = "{prompt}";
  private static final String YES_OR_NO =
      "Does this figure show \"{prompt}\"? Please answer yes or no.";
  private static final String RATE =
      "How well does this image show \"{prompt}\"? Rate it from {worst} (not at all) to {best}"
          + " (perfectly). Answer with JSON: {\"rating\": number}.";
  private static final Set<String> OWN = Set.of("model", "messages", "stream", "n");

  public ServedConfig(
      @Nullable String endpoint,
      @Nullable String model,
      @Nullable Answer answer,
      @Nullable String question,
      @Nullable Scale scale,
      @Nullable Integer topLogprobs,
      @Nullable String keyVariable,
      @Nullable Map<String, Object> body,
      @Nullable Duration timeout,
      @Nullable Integer attempts,
      @Nullable Duration backoff,
      @Nullable Integer concurrency,
      @Nullable Boolean golden,
      @Nullable Price price,
      @Nullable Long flops,
      @Nullable Usage usage) {
    if (endpoint == null || endpoint.isBlank()) {
      throw EspalierException.config(
              "The served judge has no endpoint.", "Maybe set endpoint: http://localhost:8000/v1.")
          .about("endpoint");
    }
    if (model == null || model.isBlank()) {
      throw EspalierException.config(
              "The served judge has no model.",
              "Maybe set model: the name that the server lists under /models.")
          .about("model");
    }
    this.endpoint = requireAddress(endpoint.strip());
    this.model = model;
    this.answer = answer == null ? Answer.PROBABILITY : answer;
    this.question = question != null ? question : this.answer == Answer.RATING ? RATE : YES_OR_NO;
    if (!this.question.contains(PLACE)) {
      throw EspalierException.config(
              "The question (" + this.question + ") does not ask for the prompt.",
              "Maybe write " + PLACE + " where the prompt is to stand.")
          .about("question");
    }
    this.scale = scale == null ? new Scale(1, 10) : scale;
    this.topLogprobs = between("number of top logprobs", "topLogprobs", topLogprobs, 20, 2, 100);
    if (keyVariable != null && !keyVariable.matches("[A-Za-z_][A-Za-z0-9_]*")) {
      // The value is not repeated: it may be the key itself.
      throw EspalierException.config(
              "The keyVariable is no name of an environment variable.",
              "Maybe set keyVariable: OPENAI_API_KEY, and put the key into that variable.")
          .about("keyVariable");
    }
    this.keyVariable = keyVariable;
    Map<String, Object> fields = body == null ? Map.of() : body;
    for (String own : OWN) {
      if (fields.containsKey(own)) {
        throw EspalierException.config(
                "The body sets the field (" + own + "), which the judge sets itself.",
                "Maybe leave it out.")
            .about("body");
      }
    }
    this.body = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
    this.timeout = positive("timeout", timeout, Duration.ofSeconds(60));
    this.attempts = between("number of attempts", "attempts", attempts, 6, 1, 100);
    this.backoff = positive("backoff", backoff, Duration.ofSeconds(1));
    this.concurrency = between("concurrency", "concurrency", concurrency, 8, 1, 256);
    this.golden = golden == null || golden;
    this.price = price;
    if (flops != null && flops < 1) {
      throw EspalierException.config(
              "The estimate of flops (" + flops + ") must be positive.",
              "Maybe leave it out: the operations then count as unknown.")
          .about("flops");
    }
    this.flops = flops;
    this.usage = usage;
  }

  private static String requireAddress(String endpoint) {
    URI address;
    try {
      address = new URI(endpoint);
    } catch (URISyntaxException e) {
      throw EspalierException.config(
              "The endpoint (" + endpoint + ") is no address: " + e.getReason() + ".",
              "Maybe write http://localhost:8000/v1.")
          .about("endpoint");
    }
    String scheme = String.valueOf(address.getScheme()).toLowerCase(Locale.ROOT);
    if (address.getUserInfo() != null || address.getRawQuery() != null) {
      // Not repeated: what stands there is secret as a rule.
      throw EspalierException.config(
              "The endpoint holds a password or parameters, which would be written into records.",
              "Maybe put the key into an environment variable and name it by keyVariable.")
          .about("endpoint");
    }
    if (!Set.of("http", "https").contains(scheme) || address.getHost() == null) {
      throw EspalierException.config(
              "The endpoint (" + endpoint + ") is no http or https address.",
              "Maybe write http://localhost:8000/v1.")
          .about("endpoint");
    }
    return endpoint.replaceFirst("/+$", "").replaceFirst("/chat/completions$", "");
  }

  private static int between(
      String what, String key, @Nullable Integer given, int otherwise, int least, int most) {
    int value = given == null ? otherwise : given;
    if (value < least || value > most) {
      throw EspalierException.config(
              "The %s (%d) is not between %d and %d.".formatted(what, value, least, most),
              "Maybe set %s: %d.".formatted(key, otherwise))
          .about(key);
    }
    return value;
  }

  private static Duration positive(String key, @Nullable Duration given, Duration otherwise) {
    Duration value = given == null ? otherwise : given;
    if (value.isNegative() || value.isZero() || value.compareTo(Duration.ofDays(1)) > 0) {
      throw EspalierException.config(
              "The %s (%s) must be positive and at most a day.".formatted(key, value),
              "Maybe set %s: %s.".formatted(key, otherwise))
          .about(key);
    }
    return value;
  }

  /**
   * What the model is asked about a prompt.
   *
   * @param prompt what the image should show
   */
  String ask(String prompt) {
    String words = question;
    if (answer == Answer.RATING) {
      words =
          words
              .replace("{worst}", String.valueOf(scale.worst))
              .replace("{best}", String.valueOf(scale.best));
    }
    return words.replace(PLACE, prompt);
  }
}
