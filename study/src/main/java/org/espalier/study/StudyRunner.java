package org.espalier.study;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;
import org.espalier.engine.EngineOptions;
import org.espalier.engine.IncumbentPoint;
import org.espalier.engine.SearchAccount;
import org.espalier.engine.SearchEngine;
import org.espalier.engine.SearchOutcome;
import org.espalier.engine.SearchRequest;
import org.espalier.engine.TreeNode;
import org.espalier.plugins.Canonical;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.espalier.records.RunDirectory;
import org.espalier.records.RunFiles;
import org.espalier.records.WholeFile;
import org.espalier.spi.ImageFiles;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.jspecify.annotations.Nullable;

/** Runs the cells of a study. A cell that fails becomes a failed record; the others go on. */
public final class StudyRunner {

  /** Receives every cell as it ends. */
  @FunctionalInterface
  public interface Progress {
    /**
     * A cell has ended.
     *
     * @param record what it ended with
     */
    void cell(CellRecord record);
  }

  /**
   * How a run ended.
   *
   * @param done cells with an answer
   * @param failed cells without
   */
  public record Result(int done, int failed) {}

  private final LoadedStudy loaded;
  private final StudyCells cells;
  private final RunDirectory directory;
  private final SearchEngine engine;
  private final AtomicBoolean stopped = new AtomicBoolean();

  /**
   * A runner.
   *
   * @param loaded the study
   * @param directory where results go
   * @param engine runs searches
   */
  public StudyRunner(LoadedStudy loaded, RunDirectory directory, SearchEngine engine) {
    this.loaded = loaded;
    cells = new StudyCells(loaded);
    this.directory = directory;
    this.engine = engine;
  }

  /**
   * Runs cells and appends their records.
   *
   * @param cells what to run
   * @param jobs how many at a time; changes the order of records, and nothing else
   * @param batch rows handed to a network at once
   * @param progress receives each
   * @throws EspalierException RESOURCE if results cannot be written; finished records stay readable
   */
  public Result run(List<Cell> cells, int jobs, int batch, Progress progress) {
    AtomicInteger done = new AtomicInteger();
    AtomicInteger failed = new AtomicInteger();
    ExecutorService pool = Executors.newFixedThreadPool(jobs, StudyRunner::thread);
    try (RecordLog log = RecordLog.append(directory.records())) {
      List<Future<?>> futures = new ArrayList<>();
      for (Cell cell : cells) {
        futures.add(
            pool.submit(
                () -> {
                  if (!stopped.get()) {
                    CellRecord record = runCell(cell, jobs, batch);
                    log.write(record);
                    (record.isDone() ? done : failed).incrementAndGet();
                    progress.cell(record);
                  }
                  return null;
                }));
      }
      await(futures);
    } finally {
      stopped.set(true);
      pool.shutdown();
    }
    return new Result(done.get(), failed.get());
  }

  private static Thread thread(Runnable body) {
    Thread thread = new Thread(body, "cell");
    thread.setDaemon(true);
    return thread;
  }

  private void await(List<Future<?>> futures) {
    Throwable failure = null;
    for (Future<?> future : futures) {
      try {
        future.get();
      } catch (ExecutionException e) {
        stopped.set(true);
        if (failure == null) {
          failure = e.getCause();
        }
      } catch (CancellationException e) {
        stopped.set(true);
      } catch (InterruptedException e) {
        stopped.set(true);
        Thread.currentThread().interrupt();
        throw new EspalierException(
            EspalierException.Code.RESOURCE,
            "The run was interrupted.",
            "Maybe use `espalier resume`: finished cells are kept.",
            e);
      }
    }
    if (failure instanceof RuntimeException e) {
      throw e;
    }
    if (failure instanceof Error e) {
      throw e;
    }
    if (failure != null) {
      throw new IllegalStateException("a cell ended with a checked exception", failure);
    }
  }

  private CellRecord runCell(Cell cell, int jobs, int batch) {
    String started = Instant.now().toString();
    TreeLog tree = new TreeLog();
    try {
      SearchOutcome outcome =
          engine.run(
              new SearchRequest(
                  cell.file(),
                  cell.arm().strategy().strategy(),
                  loaded.model(cell.model()),
                  loaded.verifiers(cell.arm()),
                  cell.prompt(),
                  cell.budget(),
                  DrawKey.root(cell.seed()),
                  EngineOptions.defaults().withBatch(batch).withListener(tree)));
      requireNotInterrupted();
      CellRecord record = finished(cell, outcome, tree, started, jobs);
      requireNotInterrupted();
      return record;
    } catch (EspalierException e) {
      Thread.interrupted();
      if (e.code() == EspalierException.Code.RESOURCE) {
        throw e;
      }
      return failed(cell, e.code().name(), String.valueOf(e.getMessage()), tree, started, jobs);
    } catch (Throwable e) {
      // Plugins may throw anything, errors and undeclared exceptions too: the other cells go on.
      Thread.interrupted();
      return failed(
          cell, "PLUGIN_CONTRACT", "[PLUGIN_CONTRACT] A plugin failed: " + e, tree, started, jobs);
    }
  }

  /**
   * Nobody interrupts cells, and writing from an interrupted thread would close the record file.
   */
  private static void requireNotInterrupted() {
    if (Thread.interrupted()) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "A plugin has left its thread interrupted.",
          "Maybe handle the interruption where it is caught.");
    }
  }

  private CellRecord finished(
      Cell cell, SearchOutcome outcome, TreeLog tree, String started, int jobs) {
    long start = System.nanoTime();
    boolean same = outcome.best() == outcome.incumbent();
    List<CellRecord.Judged> answer = new ArrayList<>();
    List<CellRecord.Judged> incumbent = new ArrayList<>();
    Cost evaluation = Cost.ZERO;
    for (Verifier evaluator : loaded.evaluators()) {
      evaluation = evaluation.plus(judge(evaluator, cell, outcome.image(), answer));
      if (same) {
        incumbent.add(answer.get(answer.size() - 1));
      } else {
        evaluation = evaluation.plus(judge(evaluator, cell, outcome.incumbentImage(), incumbent));
      }
    }
    List<CellRecord.Point> curve = new ArrayList<>();
    for (IncumbentPoint point : outcome.curve()) {
      Double metric = null;
      if (!loaded.evaluators().isEmpty()) {
        List<CellRecord.Judged> judged = new ArrayList<>();
        evaluation =
            evaluation.plus(judge(loaded.evaluators().get(0), cell, point.image(), judged));
        metric = judged.get(0).value();
      }
      curve.add(point(point, metric));
    }
    long evaluationNanos = System.nanoTime() - start;
    String image = "images/" + cell.file() + ".png";
    byte[] png = ImageFiles.png(outcome.image());
    WholeFile.write(directory.root().resolve(image), png);
    String other = null;
    if (!same) {
      other = "images/" + cell.file() + "-incumbent.png";
      WholeFile.write(directory.root().resolve(other), ImageFiles.png(outcome.incumbentImage()));
    }
    String treeFile = write(cell, tree, outcome.account(), outcome.best(), outcome.incumbent());
    return new CellRecord.Done(
        task(cell),
        spent(cell, outcome.account()),
        found(outcome),
        new CellRecord.Images(image, Canonical.sha256(png), other),
        treeFile,
        new CellRecord.Evaluation(answer, incumbent, CellRecord.Axes.of(evaluation)),
        curve,
        times(
            outcome.account(),
            outcome.curve().stream().map(point -> point.spent().wallNanos()).toList(),
            started,
            evaluationNanos,
            jobs));
  }

  /** Writes a search's tree and thumbnails; the answer's node is -1 where there is none. */
  private String write(
      Cell cell, TreeLog tree, SearchAccount account, long answer, long incumbent) {
    byte[] sheet = tree.sheet();
    String sheetFile = sheet == null ? null : "trees/" + cell.file() + ".jpg";
    if (sheet != null && sheetFile != null) {
      WholeFile.write(directory.root().resolve(sheetFile), sheet);
    }
    String file = "trees/" + cell.file() + ".json";
    WholeFile.write(
        directory.root().resolve(file),
        (RunFiles.jsonLine(tree.json(cell.key(), account.tree(), answer, incumbent, sheetFile))
                + "\n")
            .getBytes(StandardCharsets.UTF_8));
    return file;
  }

  private Cost judge(Verifier evaluator, Cell cell, RgbImage image, List<CellRecord.Judged> into) {
    if (loaded.skips(evaluator, cell.prompt())) {
      into.add(new CellRecord.Judged(evaluator.card().id(), null, null, null));
      return Cost.ZERO;
    }
    SearchEngine.Judged judged = judge(evaluator, cell, image);
    String id = evaluator.card().id();
    if (judged.verdict() instanceof Verdict.Scored scored) {
      into.add(
          new CellRecord.Judged(
              id,
              scored.value(),
              scored.parts().isEmpty() ? null : new TreeMap<>(scored.parts()),
              null));
    } else if (judged.verdict() instanceof Verdict.Failed failed) {
      into.add(new CellRecord.Judged(id, null, null, failed.reason()));
    }
    return judged.cost();
  }

  /** What an evaluator says. If it fails in any way, its verdict is lost, but not the search. */
  private static SearchEngine.Judged judge(Verifier evaluator, Cell cell, RgbImage image) {
    try {
      return SearchEngine.judge(
          evaluator, cell.file(), cell.prompt(), image, EngineOptions.defaults());
    } catch (EspalierException e) {
      if (e.code() == EspalierException.Code.RESOURCE) {
        throw e;
      }
      return new SearchEngine.Judged(
          new Verdict.Failed("the evaluator failed: " + e.getMessage()), Cost.ZERO);
    }
  }

  private static CellRecord.Times times(
      SearchAccount account,
      List<Long> curveNanos,
      String started,
      long evaluationNanos,
      int jobs) {
    Map<String, Long> phases = new TreeMap<>();
    account.ledger().byPhase().forEach((phase, cost) -> phases.put(lower(phase), cost.wallNanos()));
    return new CellRecord.Times(
        started,
        account.wallNanos(),
        account.engineNanos(),
        evaluationNanos,
        phases,
        curveNanos,
        account.waitNanos(),
        jobs);
  }

  /** A failed search keeps what it took and tried. */
  private CellRecord failed(
      Cell cell, String code, String message, TreeLog tree, String started, int jobs) {
    SearchAccount account = tree.account();
    CellRecord.Failure failure = new CellRecord.Failure(code, message);
    if (account == null) {
      return new CellRecord.Failed(
          task(cell),
          failure,
          null,
          null,
          new CellRecord.Times(started, 0, 0, 0, Map.of(), List.of(), 0L, jobs));
    }
    return new CellRecord.Failed(
        task(cell),
        failure,
        spent(cell, account),
        write(cell, tree, account, -1, -1),
        times(account, List.of(), started, 0, jobs));
  }

  private CellRecord.Task task(Cell cell) {
    Map<String, Double> caps = new TreeMap<>();
    cell.budget().caps().forEach((unit, cap) -> caps.put(lower(unit), cap));
    return new CellRecord.Task(
        RecordLog.SCHEMA,
        cell.key(),
        loaded.study().spec().study(),
        cell.arm().label(),
        cell.arm().strategy().strategy().card().id(),
        cell.model(),
        cells.driver(cell.arm()),
        new CellRecord.PromptText(cell.prompt().id(), cell.prompt().tag(), cell.prompt().text()),
        cell.seed(),
        cell.level().label(),
        new CellRecord.Limits(lower(cell.budget().unit()), cell.budget().limit(), caps));
  }

  private static CellRecord.Spent spent(Cell cell, SearchAccount account) {
    Map<String, CellRecord.Axes> phases = new TreeMap<>();
    account
        .ledger()
        .byPhase()
        .forEach((phase, cost) -> phases.put(lower(phase), CellRecord.Axes.of(cost)));
    Cost total = account.ledger().total();
    return new CellRecord.Spent(
        CellRecord.Axes.of(total),
        phases,
        cell.budget().unit().of(total) / cell.budget().limit(),
        new CellRecord.Account(
            account.independent(), account.failedVerdicts(), lower(account.accuracy())));
  }

  private static CellRecord.Found found(SearchOutcome outcome) {
    return new CellRecord.Found(
        lower(outcome.stop()),
        outcome.score(),
        scoreParts(outcome),
        outcome.incumbentScore(),
        outcome.best(),
        outcome.incumbent());
  }

  private static Map<String, Double> scoreParts(SearchOutcome outcome) {
    for (TreeNode node : outcome.tree()) {
      if (node.id() == outcome.best()
          && node.verdicts().get(VerifierRole.SEARCH) instanceof Verdict.Scored scored
          && !scored.parts().isEmpty()) {
        return new TreeMap<>(scored.parts());
      }
    }
    return Map.of();
  }

  private static CellRecord.Point point(IncumbentPoint point, @Nullable Double metric) {
    Cost spent = point.spent();
    return new CellRecord.Point(
        (double) spent.flops() + spent.verifierFlops(),
        spent.nfe(),
        spent.decodes(),
        spent.verifierCalls(),
        point.node(),
        point.score(),
        metric);
  }

  private static String lower(Enum<?> name) {
    return name.name().toLowerCase(Locale.ROOT);
  }
}
