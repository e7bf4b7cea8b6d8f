package org.espalier.records;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import java.util.List;
import java.util.Map;
import org.espalier.compute.Cost;
import org.jspecify.annotations.Nullable;

/**
 * What one search ended with, as kept for ever. Times stand apart, under {@link #time}: all else
 * repeats byte for byte.
 *
 * @param schema version of this form
 * @param cell key of the cell
 * @param status {@code done} or {@code failed}
 * @param study name of the study
 * @param arm what is compared
 * @param strategy id of the strategy
 * @param model name of the model in the study
 * @param verifier what drove the search; null in records of versions that knew one verifier only
 * @param prompt what was searched for
 * @param seed of the study's draws
 * @param level the budget as it was written
 * @param budget what might be spent
 * @param error why it failed, or null
 * @param stop why it ended, or null if it failed
 * @param spent on all axes
 * @param phases the same by phase
 * @param utilisation spent share of the budget in its unit
 * @param score of the answer by the search verifier
 * @param scoreParts named components of that score, among them {@code truncated}: 1 where the
 *     verifier did not read the whole prompt; null where it names none
 * @param incumbentScore of the best verified sample, which is the answer unless the strategy
 *     answered with another
 * @param answer number of the answer's node in the tree
 * @param incumbent number of the incumbent's node in the tree
 * @param images the answer, and the incumbent where it differs
 * @param tree file of the tree log, relative to the run directory
 * @param evaluation verdicts of the evaluators
 * @param curve the incumbent after every verification that changed it
 * @param time everything that differs between runs
 */
@JsonPropertyOrder({
  "schema",
  "cell",
  "status",
  "study",
  "arm",
  "strategy",
  "model",
  "verifier",
  "prompt",
  "seed",
  "level",
  "budget",
  "error",
  "stop",
  "spent",
  "phases",
  "utilisation",
  "score",
  "scoreParts",
  "incumbentScore",
  "answer",
  "incumbent",
  "images",
  "tree",
  "evaluation",
  "curve",
  "time"
})
@JsonInclude(JsonInclude.Include.NON_NULL)
@JsonIgnoreProperties(ignoreUnknown = true)
public record CellRecord(
    int schema,
    String cell,
    String status,
    String study,
    String arm,
    String strategy,
    String model,
    @Nullable Driver verifier,
    PromptText prompt,
    long seed,
    String level,
    Limits budget,
    @Nullable Failure error,
    @Nullable String stop,
    @Nullable Axes spent,
    @Nullable Map<String, Axes> phases,
    @Nullable Double utilisation,
    @Nullable Double score,
    @Nullable Map<String, Double> scoreParts,
    @Nullable Double incumbentScore,
    @Nullable Long answer,
    @Nullable Long incumbent,
    @Nullable Images images,
    @Nullable String tree,
    @Nullable Evaluation evaluation,
    @Nullable List<Point> curve,
    @Nullable Times time)
    implements RecordLog.Entry {

  /** The status of a cell that has an answer. */
  public static final String DONE = "done";

  /** The status of a cell that has none. */
  public static final String FAILED = "failed";

  /** Whether the cell has an answer. */
  @com.fasterxml.jackson.annotation.JsonIgnore
  public boolean isDone() {
    return DONE.equals(status);
  }

  /** The study's metric for the answer, or null where there is none or it failed. */
  public @Nullable Double metric() {
    return evaluation == null || evaluation.answer().isEmpty()
        ? null
        : evaluation.answer().get(0).value();
  }

  /** The study's metric for the incumbent, or null. */
  public @Nullable Double incumbentMetric() {
    return evaluation == null || evaluation.incumbent().isEmpty()
        ? null
        : evaluation.incumbent().get(0).value();
  }

  /** The axes spent; zero for failed cells. */
  @com.fasterxml.jackson.annotation.JsonIgnore
  public Axes axes() {
    return spent == null ? Axes.of(Cost.ZERO) : spent;
  }

  /** What was repeated for want of memory, apart from what was spent; zero where nothing was. */
  @com.fasterxml.jackson.annotation.JsonIgnore
  public Axes replayed() {
    Axes replay = phases == null ? null : phases.get("replay");
    return replay == null ? Axes.of(Cost.ZERO) : replay;
  }

  /** Wall time in seconds; 0 where unknown. */
  public double seconds() {
    return time == null ? 0 : time.wallNanos() * 1e-9;
  }

  /**
   * A search verifier.
   *
   * @param id of the verifier
   * @param sha256 of its configuration, weights and program: scores compare only where it is equal
   * @param independence from the study's metric: {@code independent}, {@code same-metric}, {@code
   *     oracle} (the very same verifier), or {@code none} without an evaluator
   */
  public record Driver(String id, String sha256, String independence) {}

  /**
   * The prompt.
   *
   * @param id within its set
   * @param tag its category
   * @param text as read by the model
   */
  public record PromptText(String id, String tag, String text) {}

  /**
   * The budget in numbers.
   *
   * @param unit in which searches are equal
   * @param limit how much
   * @param caps further limits
   */
  public record Limits(String unit, double limit, Map<String, Double> caps) {}

  /**
   * Why a cell failed.
   *
   * @param code category
   * @param message what and, after a newline, how to mend it
   */
  public record Failure(String code, String message) {}

  /**
   * Compute on all axes.
   *
   * @param nfe network evaluations by the published convention
   * @param rows sequences through the network
   * @param tokens tokens through the network
   * @param flops of encoder, generator and decoder
   * @param decodes images
   * @param verifierCalls images scored
   * @param verifierFlops of the verifiers
   */
  public record Axes(
      long nfe,
      long rows,
      long tokens,
      long flops,
      long decodes,
      long verifierCalls,
      long verifierFlops) {
    /**
     * The axes of a cost, its wall time left out.
     *
     * @param cost any cost
     */
    public static Axes of(Cost cost) {
      return new Axes(
          cost.nfe(),
          cost.rows(),
          cost.tokens(),
          cost.flops(),
          cost.decodes(),
          cost.verifierCalls(),
          cost.verifierFlops());
    }

    /** Floating-point operations of generator and verifiers together. */
    public double totalFlops() {
      return (double) flops + verifierFlops;
    }
  }

  /**
   * Files of images, relative to the run directory.
   *
   * @param answer the answer, PNG
   * @param answerSha256 of the file, hex
   * @param incumbent the incumbent where it differs from the answer, else null
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Images(String answer, String answerSha256, @Nullable String incumbent) {}

  /**
   * Verdicts outside the search budget.
   *
   * @param answer of each evaluator on the answer
   * @param incumbent of each evaluator on the incumbent
   * @param cost of the evaluation, apart from the search
   */
  public record Evaluation(List<Judged> answer, List<Judged> incumbent, Axes cost) {}

  /**
   * One verdict.
   *
   * @param evaluator id of the verifier
   * @param value higher is better; null if it failed
   * @param parts named components
   * @param failed why there is no value
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Judged(
      String evaluator,
      @Nullable Double value,
      @Nullable Map<String, Double> parts,
      @Nullable String failed) {}

  /**
   * A point of the anytime curve.
   *
   * @param flops generator and verifiers together
   * @param nfe network evaluations
   * @param decodes images
   * @param verifierCalls images scored
   * @param node the incumbent's number
   * @param score its score
   * @param metric the study's metric for it, or null
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Point(
      double flops,
      long nfe,
      long decodes,
      long verifierCalls,
      long node,
      double score,
      @Nullable Double metric) {}

  /**
   * What differs between runs.
   *
   * @param started when, ISO 8601
   * @param wallNanos the whole search
   * @param engineNanos outside native calls
   * @param evaluationNanos of the evaluation
   * @param phaseNanos native time by phase
   * @param curveNanos native time at each point of the curve
   */
  public record Times(
      String started,
      long wallNanos,
      long engineNanos,
      long evaluationNanos,
      Map<String, Long> phaseNanos,
      List<Long> curveNanos) {}
}
