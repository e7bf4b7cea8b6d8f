package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.espalier.api.Verdict;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;

/** How a judgement is read off what a vision-language model would say. */
interface JudgeAnswer {
  /** The range of the values, in words. */
  String range();

  /** What is measured. */
  String metric();

  /**
   * Tokens that are read behind the question, each by how many of them have been read before it.
   * The same whatever the image is, so that the cost is known.
   */
  int[] steps();

  /**
   * Judges.
   *
   * @param question what has been read; stays open
   * @param model reads on
   * @param text of the prompt, for the flag
   * @param facts further parts of the verdict
   */
  Verdict judge(
      JudgeRead question, VisionLanguageModel<?> model, Tokens text, Map<String, Double> facts);

  /** The tokens of a text that the model may answer. */
  static long[] tokens(TextTokenizer tokenizer, String text) {
    long[] ids = tokenizer.part(text);
    if (ids.length == 0) {
      throw EspalierException.config(
          "The answer \"" + text + "\" has no tokens.", "Maybe use Yes and No.");
    }
    return ids;
  }

  /** Logarithm of a token's probability. */
  static double logProbability(float[] logits, long token) {
    double largest = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      largest = Math.max(largest, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - largest);
    }
    return logits[(int) token] - largest - Math.log(sum);
  }

  /**
   * P(yes) / (P(yes) + P(no)). Parts: {@code log-yes} and {@code log-no}, the answers' log
   * probabilities; {@code p-yes}, the probability of yes among all that could be said. An answer of
   * several tokens is read on from the question's keys and values.
   *
   * @param yes tokens of the answer that counts
   * @param no tokens of the other
   */
  record YesNo(long[] yes, long[] no) implements JudgeAnswer {
    static YesNo of(TextTokenizer tokenizer, String yes, String no) {
      YesNo answers = new YesNo(tokens(tokenizer, yes), tokens(tokenizer, no));
      if (Arrays.equals(answers.yes, answers.no)) {
        throw EspalierException.config(
            "The tokenizer does not tell the answers \"" + yes + "\" and \"" + no + "\" apart.",
            "Maybe tokenizer.json is another model's.");
      }
      return answers;
    }

    @Override
    public String range() {
      return "[0, 1]: P(yes) / (P(yes) + P(no))";
    }

    @Override
    public String metric() {
      return "vqa-score";
    }

    @Override
    public int[] steps() {
      List<Integer> steps = new ArrayList<>();
      for (long[] answer : List.of(yes, no)) {
        for (int i = 1; i < answer.length; i++) {
          steps.add(i - 1);
        }
      }
      return steps.stream().mapToInt(i -> i).toArray();
    }

    @Override
    public Verdict judge(
        JudgeRead question, VisionLanguageModel<?> model, Tokens text, Map<String, Double> facts) {
      double logYes = logProbability(question, model, yes);
      double logNo = logProbability(question, model, no);
      Map<String, Double> parts = new HashMap<>(facts);
      parts.put("log-yes", logYes);
      parts.put("log-no", logNo);
      parts.put("p-yes", Math.exp(logYes));
      return NetworkVerifier.verdict(1 / (1 + Math.exp(logNo - logYes)), text, parts);
    }

    private static double logProbability(
        JudgeRead question, VisionLanguageModel<?> model, long[] answer) {
      double sum = JudgeAnswer.logProbability(question.logits().toFloats(), answer[0]);
      JudgeRead before = question;
      try {
        for (int i = 1; i < answer.length; i++) {
          JudgeRead next = model.step(before, answer[i - 1]);
          if (before != question) {
            before.close();
          }
          before = next;
          sum += JudgeAnswer.logProbability(next.logits().toFloats(), answer[i]);
        }
        return sum;
      } finally {
        if (before != question) {
          before.close();
        }
      }
    }
  }

  /**
   * The mean rating by the probabilities of all ratings as the first token. Parts: {@code mass},
   * how much of the probability lies on ratings at all.
   *
   * @param worst the least rating
   * @param ids tokens of the ratings from there on
   */
  record Rating(int worst, long[] ids) implements JudgeAnswer {
    static Rating of(TextTokenizer tokenizer, int worst, int best) {
      long[] ids = new long[best - worst + 1];
      for (int rating = worst; rating <= best; rating++) {
        long[] tokens = tokens(tokenizer, String.valueOf(rating));
        if (tokens.length != 1) {
          throw EspalierException.config(
              "The rating " + rating + " is not one token of the model.",
              "Maybe use a scale within 0 to 9.");
        }
        ids[rating - worst] = tokens[0];
      }
      if (Arrays.stream(ids).distinct().count() != ids.length) {
        throw EspalierException.config(
            "The tokenizer does not tell the ratings %d to %d apart.".formatted(worst, best),
            "Maybe tokenizer.json is another model's.");
      }
      return new Rating(worst, ids);
    }

    @Override
    public String range() {
      return "[%d, %d]: mean rating by the probabilities of its tokens"
          .formatted(worst, worst + ids.length - 1);
    }

    @Override
    public String metric() {
      return "rating";
    }

    @Override
    public int[] steps() {
      return new int[0];
    }

    @Override
    public Verdict judge(
        JudgeRead question, VisionLanguageModel<?> model, Tokens text, Map<String, Double> facts) {
      float[] logits = question.logits().toFloats();
      double[] logs = new double[ids.length];
      double largest = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < ids.length; i++) {
        logs[i] = logProbability(logits, ids[i]);
        largest = Math.max(largest, logs[i]);
      }
      double mean = 0;
      double sum = 0;
      double mass = 0;
      for (int i = 0; i < ids.length; i++) {
        double weight = Math.exp(logs[i] - largest);
        mean += weight * (worst + i);
        sum += weight;
        mass += Math.exp(logs[i]);
      }
      Map<String, Double> parts = new HashMap<>(facts);
      parts.put("mass", mass);
      return NetworkVerifier.verdict(mean / sum, text, parts);
    }
  }

  /**
   * A number that is written out: a digit and, behind a point, up to two more, each the most
   * probable token. What is no such number fails.
   *
   * @param worst the least number
   * @param best the greatest number
   * @param digits tokens of the digits 0 to 9
   * @param point token of the point
   */
  record Number(int worst, int best, long[] digits, long point) implements JudgeAnswer {
    static Number of(TextTokenizer tokenizer, int worst, int best) {
      Rating ratings = Rating.of(tokenizer, 0, 9);
      return new Number(worst, best, ratings.ids(), tokens(tokenizer, ".")[0]);
    }

    @Override
    public String range() {
      return "[%d, %d]: the score that the model writes".formatted(worst, best);
    }

    @Override
    public String metric() {
      return "written-score";
    }

    @Override
    public int[] steps() {
      return new int[] {0, 1, 2};
    }

    @Override
    public Verdict judge(
        JudgeRead question, VisionLanguageModel<?> model, Tokens text, Map<String, Double> facts) {
      StringBuilder written = new StringBuilder();
      JudgeRead before = question;
      boolean open = true;
      try {
        // All steps are made whatever is written, so that every judgement costs the same.
        for (int i = 0; i <= steps().length; i++) {
          long token = largest(before.logits().toFloats());
          String sign = sign(token);
          open &= i == 1 ? sign.equals(".") : sign.length() == 1 && !sign.equals(".");
          if (open) {
            written.append(sign);
          }
          if (i < steps().length) {
            JudgeRead next = model.step(before, token);
            if (before != question) {
              before.close();
            }
            before = next;
          }
        }
      } finally {
        if (before != question) {
          before.close();
        }
      }
      if (written.isEmpty()) {
        return new Verdict.Failed("The model writes no number where its score is asked for.");
      }
      double value = Double.parseDouble(written.toString());
      return value < worst || value > best
          ? new Verdict.Failed(
              "The model's score (%s) is not between %d and %d.".formatted(written, worst, best))
          : NetworkVerifier.verdict(value, text, facts);
    }

    private String sign(long token) {
      for (int digit = 0; digit < digits.length; digit++) {
        if (digits[digit] == token) {
          return String.valueOf(digit);
        }
      }
      return token == point ? "." : "";
    }

    private static long largest(float[] logits) {
      int best = 0;
      for (int i = 1; i < logits.length; i++) {
        if (logits[i] > logits[best]) {
          best = i;
        }
      }
      return best;
    }
  }
}
