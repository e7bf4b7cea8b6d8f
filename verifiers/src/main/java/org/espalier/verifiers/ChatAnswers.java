package org.espalier.verifiers;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.espalier.api.Verdict;

/**
 * Reads judgements off a chat completion. What cannot be read is {@link Verdict.Failed} with what
 * was there instead: never a score.
 */
final class ChatAnswers {
  /** How far from certain P(yes) / (P(yes) + P(no)) may be where one of the two is not listed. */
  static final double UNCERTAINTY = 0.01;

  private static final ObjectMapper STRICT =
      JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private ChatAnswers() {}

  /**
   * Whether there is something from which probabilities can be read.
   *
   * @param choice of the completion
   */
  static boolean hasLogprobs(JsonNode choice) {
    return !listed(choice).isEmpty();
  }

  private static JsonNode listed(JsonNode choice) {
    return choice.path("logprobs").path("content").path(0).path("top_logprobs");
  }

  /**
   * P(yes) / (P(yes) + P(no)) of the first token. Tokens count whatever their case and the blanks
   * round them, so {@code Yes}, {@code yes} and {@code _yes} are one answer. Where only one of the
   * two is listed, the other is at most as probable as the last that is, and what is left over by
   * all that are; the score is then taken with that bound, unless this leaves it open by more than
   * {@link #UNCERTAINTY}.
   *
   * <p>Parts: {@code p-yes}, {@code p-no}.
   *
   * @param choice of the completion, with logprobs
   * @param clean makes text of the server fit for a message
   */
  static Verdict probability(JsonNode choice, UnaryOperator<String> clean) {
    JsonNode listed = listed(choice);
    double[] sums = new double[2];
    boolean[] there = new boolean[2];
    double total = 0;
    double least = 1;
    List<String> words = new ArrayList<>();
    for (JsonNode entry : listed) {
      double p = probability(entry);
      if (Double.isNaN(p)) {
        return noProbability(entry, clean);
      }
      total += p;
      least = Math.min(least, p);
      String word = word(entry.path("token").asText());
      words.add(entry.path("token").asText());
      int which = word.equals("yes") ? 0 : word.equals("no") ? 1 : -1;
      if (which >= 0) {
        sums[which] += p;
        there[which] = true;
      }
    }
    if (!there[0] && !there[1]) {
      return new Verdict.Failed(
          "Neither yes nor no is among the "
              + listed.size()
              + " most probable first tokens: "
              + clean.apply(String.join(" | ", words))
              + ".");
    }
    double uncertain = 0;
    for (int i = 0; i < 2; i++) {
      if (!there[i]) {
        sums[i] = Math.max(0, Math.min(least, 1 - total));
        uncertain = sums[i] / (sums[0] + sums[1]);
      }
    }
    double yes = sums[0] / (sums[0] + sums[1]);
    if (!Double.isFinite(yes) || uncertain > UNCERTAINTY) {
      return new Verdict.Failed(
          "Of yes and no only one is among the %d most probable first tokens (%s), with a probability of %s: too little to tell the other's."
              .formatted(
                  listed.size(),
                  clean.apply(String.join(" | ", words)),
                  brief(there[0] ? sums[0] : sums[1])));
    }
    Map<String, Double> parts = new LinkedHashMap<>();
    parts.put("p-yes", sums[0]);
    parts.put("p-no", sums[1]);
    return new Verdict.Scored(yes, parts);
  }

  /**
   * The probability that the answer begins with one of some words, among all that could be said.
   * Where none of them is listed it is at most as probable as the last that is, which is then
   * taken. Parts: {@code bound}, 1 where that is so.
   *
   * @param choice of the completion, with logprobs
   * @param answers in lower case
   * @param clean makes text of the server fit for a message
   */
  static Verdict words(JsonNode choice, List<String> answers, UnaryOperator<String> clean) {
    double sum = 0;
    double total = 0;
    double least = 1;
    boolean there = false;
    for (JsonNode entry : listed(choice)) {
      double p = probability(entry);
      if (Double.isNaN(p)) {
        return noProbability(entry, clean);
      }
      total += p;
      least = Math.min(least, p);
      if (answers.contains(word(entry.path("token").asText()))) {
        sum += p;
        there = true;
      }
    }
    double bound = Math.max(0, Math.min(least, 1 - total));
    return new Verdict.Scored(Math.min(1, there ? sum : bound), Map.of("bound", there ? 0.0 : 1.0));
  }

  /** The probability of a listed token, or NaN where it has none. */
  private static double probability(JsonNode entry) {
    double log = entry.path("logprob").asDouble(Double.NaN);
    return !entry.path("logprob").isNumber() || log > 1e-3
        ? Double.NaN
        : Math.min(1, Math.exp(log));
  }

  private static Verdict.Failed noProbability(JsonNode entry, UnaryOperator<String> clean) {
    return new Verdict.Failed(
        "The log-probability ("
            + clean.apply(entry.path("logprob").asText())
            + ") of a token is none.");
  }

  private static String brief(double p) {
    return String.format(Locale.ROOT, "%.3g", p);
  }

  private static final Set<Integer> BLANK_MARKS = Set.of(0x2581, 0x0120, 0x010A);

  /** A token without the blanks round it, which some servers write as a mark. */
  private static String word(String token) {
    int from = 0;
    while (from < token.length()
        && (BLANK_MARKS.contains((int) token.charAt(from))
            || Character.isWhitespace(token.charAt(from)))) {
      from++;
    }
    return token.substring(from).strip().toLowerCase(Locale.ROOT);
  }

  /**
   * The number of {@code {"rating": number}}.
   *
   * @param choice of the completion
   * @param scale which numbers are ratings
   * @param clean makes text of the server fit for a message
   */
  static Verdict rating(JsonNode choice, ServedConfig.Scale scale, UnaryOperator<String> clean) {
    String content = choice.path("message").path("content").asText();
    if (choice.path("finish_reason").asText().equals("length")) {
      return new Verdict.Failed("The answer was cut off: " + clean.apply(content));
    }
    JsonNode rating;
    try {
      rating = STRICT.readTree(content).path("rating");
    } catch (JsonProcessingException e) {
      return new Verdict.Failed("The answer is not the JSON asked for: " + clean.apply(content));
    }
    double value = rating.asDouble(Double.NaN);
    if (!rating.isNumber() || !(value >= scale.worst() && value <= scale.best())) {
      return new Verdict.Failed(
          "The answer has no rating from %d to %d: %s"
              .formatted(scale.worst(), scale.best(), clean.apply(content)));
    }
    return new Verdict.Scored(value, Map.of());
  }
}
