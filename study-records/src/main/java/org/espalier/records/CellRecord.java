package org.espalier.records;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.annotation.JsonDeserialize;
import com.fasterxml.jackson.databind.annotation.JsonSerialize;
import java.util.List;
import java.util.Map;
import org.espalier.compute.Cost;
import org.jspecify.annotations.Nullable;

/**
 * What one search ended with, as kept permanently: an answer, or the reason why there is none.
 * Times stand apart, under {@link #time}: all else repeats byte for byte. In JSON it is one flat
 * object ({@link CellRecordJson}).
 */
@JsonSerialize(using = CellRecordJson.Writer.class)
@JsonDeserialize(using = CellRecordJson.Reader.class)
public sealed interface CellRecord extends RecordEntry {

  /** What was to be searched. */
  Task task();

  /** What differs between runs; {@link Times#NONE} where nothing is known. */
  Times time();

  /** The study's metric for the answer, or null where there is none or it failed. */
  @Nullable Double metric();

  /** The search verifier's score of the answer, or null where there is none. */
  @Nullable Double score();

  /** The axes spent; zero for failed cells. */
  Axes axes();

  /**
   * What was repeated because memory ran out, apart from what was spent; zero where nothing was.
   */
  Axes replayed();

  /** Whether the cell has an answer. */
  default boolean isDone() {
    return this instanceof Done;
  }

  @Override
  default int schema() {
    return task().schema();
  }

  @Override
  default String cell() {
    return task().cell();
  }

  /** What is compared. */
  default String arm() {
    return task().arm();
  }

  /** Id of the strategy. */
  default String strategy() {
    return task().strategy();
  }

  /** Name of the model in the study. */
  default String model() {
    return task().model();
  }

  /** What drove the search; null in records of versions that knew one verifier only. */
  default @Nullable Driver verifier() {
    return task().verifier();
  }

  /** What was searched for. */
  default PromptText prompt() {
    return task().prompt();
  }

  /** The seed of the study's draws. */
  default long seed() {
    return task().seed();
  }

  /** The budget as it was written. */
  default String level() {
    return task().level();
  }

  /** What might be spent. */
  default Limits budget() {
    return task().budget();
  }

  /**
   * Seconds of the search itself, those of the engine and of native calls, without waiting for
   * other searches; 0 where unknown.
   */
  default double seconds() {
    Long wait = time().waitNanos();
    return (time().wallNanos() - (wait == null ? 0 : wait)) * 1e-9;
  }

  /**
   * A search that has an answer.
   *
   * @param task what was to be searched
   * @param spent how much it took
   * @param found the answer
   * @param images the answer, and the incumbent where it differs
   * @param tree file of the tree log, relative to the run directory; null in records of versions
   *     that wrote none
   * @param evaluation verdicts of the evaluators
   * @param curve the incumbent after every verification that changed it
   * @param time everything that differs between runs
   */
  record Done(
      Task task,
      Spent spent,
      Found found,
      Images images,
      @Nullable String tree,
      Evaluation evaluation,
      List<Point> curve,
      Times time)
      implements CellRecord {
    @Override
    public @Nullable Double metric() {
      return evaluation.answer().isEmpty() ? null : evaluation.answer().get(0).value();
    }

    @Override
    public Double score() {
      return found.score();
    }

    @Override
    public Axes axes() {
      return spent.total();
    }

    @Override
    public Axes replayed() {
      return spent.phases().getOrDefault("replay", Axes.ZERO);
    }
  }

  /**
   * A search that has none.
   *
   * @param task what was to be searched
   * @param error why it failed
   * @param spent how much it took until then; null where it did not begin, and in records of
   *     versions that did not keep it
   * @param tree file of the tree log, relative to the run directory, or null as for {@code spent}
   * @param time when it was tried
   */
  record Failed(Task task, Failure error, @Nullable Spent spent, @Nullable String tree, Times time)
      implements CellRecord {
    @Override
    public @Nullable Double metric() {
      return null;
    }

    @Override
    public @Nullable Double score() {
      return null;
    }

    @Override
    public Axes axes() {
      return spent == null ? Axes.ZERO : spent.total();
    }

    @Override
    public Axes replayed() {
      return spent == null ? Axes.ZERO : spent.phases().getOrDefault("replay", Axes.ZERO);
    }
  }

  /**
   * What was to be searched.
   *
   * @param schema version of the record's form
   * @param cell key of the cell
   * @param study name of the study
   * @param arm what is compared
   * @param strategy id of the strategy
   * @param model name of the model in the study
   * @param verifier what drove the search, or null where the record does not say
   * @param prompt what was searched for
   * @param seed of the study's draws
   * @param level the budget as it was written
   * @param budget what might be spent
   */
  record Task(
      int schema,
      String cell,
      String study,
      String arm,
      String strategy,
      String model,
      @Nullable Driver verifier,
      PromptText prompt,
      long seed,
      String level,
      Limits budget) {}

  /**
   * What a search took.
   *
   * @param total on all axes
   * @param phases the same by phase
   * @param utilisation spent share of the budget in its unit
   * @param account what is to be said of it; null in records of versions that did not
   */
  record Spent(
      Axes total, Map<String, Axes> phases, double utilisation, @Nullable Account account) {}

  /**
   * What is to be said of a spend.
   *
   * @param independent the share, from 0 to 1, that went into samples drawn independently of
   *     everything that the search had seen: 1 where nothing was searched
   * @param failedVerdicts verdicts of the search that were failures
   * @param accuracy {@code exact}, {@code estimated} or {@code unknown}: how far the costs can be
   *     believed
   */
  record Account(double independent, long failedVerdicts, String accuracy) {}

  /** What is to be said of the spend; null where the record does not say. */
  default @Nullable Account account() {
    Spent spent =
        this instanceof Done done
            ? done.spent()
            : this instanceof Failed failed ? failed.spent() : null;
    return spent == null ? null : spent.account();
  }

  /**
   * What a search found.
   *
   * @param stop why it ended
   * @param score of the answer by the search verifier
   * @param scoreParts named components of that score, among them {@code truncated}: 1 where the
   *     verifier did not read the whole prompt; empty where it names none
   * @param incumbentScore of the best verified sample, which is the answer unless the strategy
   *     answered with another
   * @param answer number of the answer's node in the tree
   * @param incumbent number of the incumbent's node in the tree
   */
  record Found(
      String stop,
      double score,
      Map<String, Double> scoreParts,
      double incumbentScore,
      long answer,
      long incumbent) {}

  /**
   * A search verifier.
   *
   * @param id of the verifier
   * @param sha256 of its configuration, weights and program: scores compare only where it is equal
   * @param independence from the study's metric: {@code independent}, {@code shared-data}, {@code
   *     same-family}, {@code same-metric}, {@code oracle} (the very same verifier), {@code unknown}
   *     where a card does not say what its verifier was made from, or {@code none} without an
   *     evaluator
   */
  record Driver(String id, String sha256, String independence) {}

  /**
   * The prompt.
   *
   * @param id within its set
   * @param tag its category
   * @param text as read by the model
   */
  record PromptText(String id, String tag, String text) {}

  /**
   * The budget in numbers.
   *
   * @param unit in which searches are equal
   * @param limit how much
   * @param caps further limits
   */
  record Limits(String unit, double limit, Map<String, Double> caps) {}

  /**
   * Why a cell failed.
   *
   * @param code category
   * @param message what and, after a newline, how to mend it
   */
  record Failure(String code, String message) {}

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
  record Axes(
      long nfe,
      long rows,
      long tokens,
      long flops,
      long decodes,
      long verifierCalls,
      long verifierFlops) {
    /** Nothing. */
    public static final Axes ZERO = new Axes(0, 0, 0, 0, 0, 0, 0);

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
  record Images(String answer, String answerSha256, @Nullable String incumbent) {}

  /**
   * Verdicts outside the search budget.
   *
   * @param answer of each evaluator on the answer
   * @param incumbent of each evaluator on the incumbent
   * @param cost of the evaluation, apart from the search
   */
  record Evaluation(List<Judged> answer, List<Judged> incumbent, Axes cost) {
    /** Without an evaluator. */
    public static final Evaluation NONE = new Evaluation(List.of(), List.of(), Axes.ZERO);
  }

  /**
   * One verdict.
   *
   * @param evaluator id of the verifier
   * @param value higher is better; null if it failed, or was not asked
   * @param parts named components
   * @param failed why there is no value; null where the evaluator was not asked, because it cannot
   *     judge images of the prompt and the study skips such prompts
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  record Judged(
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
  record Point(
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
   * @param wallNanos the whole search, without what it waited for other cells
   * @param engineNanos outside native calls
   * @param evaluationNanos of the evaluation
   * @param phaseNanos native time by phase
   * @param curveNanos native time at each point of the curve
   * @param waitNanos part of the whole search that it waited for other searches or for services;
   *     null in records of versions that did not tell
   * @param jobs how many cells ran at a time; null as for {@code waitNanos}
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  record Times(
      String started,
      long wallNanos,
      long engineNanos,
      long evaluationNanos,
      Map<String, Long> phaseNanos,
      List<Long> curveNanos,
      @Nullable Long waitNanos,
      @Nullable Integer jobs) {
    /** Of a record that keeps none. */
    public static final Times NONE = new Times("", 0, 0, 0, Map.of(), List.of(), null, null);
  }
}
