package org.espalier.study;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.espalier.api.EspalierException;
import org.espalier.engine.SearchEngine;
import org.espalier.plugins.Canonical;
import org.espalier.plugins.PluginRegistry;
import org.espalier.records.RecordLog;
import org.espalier.records.RunDirectory;
import org.espalier.records.RunFiles;
import org.espalier.spi.Closing;
import org.jspecify.annotations.Nullable;

/** Runs and resumes studies: the Java door to what the command line does. */
public final class Studies {
  private static final DateTimeFormatter STAMP =
      DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss", Locale.ROOT).withZone(ZoneOffset.UTC);

  private final PluginRegistry registry;
  private final SearchEngine engine;

  /**
   * @param registry the plugins
   * @param engine runs searches
   */
  public Studies(PluginRegistry registry, SearchEngine engine) {
    this.registry = registry;
    this.engine = engine;
  }

  /** Callback for the progress of a run. */
  public interface Watcher extends StudyRunner.Progress, AutoCloseable {
    /**
     * The run is about to start.
     *
     * @param directory where results go
     * @param total cells of the study
     * @param finished cells that are done already
     */
    void started(RunDirectory directory, int total, int finished);

    /**
     * Something the user should know.
     *
     * @param message a sentence
     */
    void note(String message);

    @Override
    void close();
  }

  /**
   * How a run ended.
   *
   * @param directory where results are
   * @param total cells of the study
   * @param skipped cells that were done before
   * @param done cells done now
   * @param failed cells that failed now
   */
  public record Ended(RunDirectory directory, int total, int skipped, int done, int failed) {}

  /**
   * Runs a study in a new directory.
   *
   * @param source the study
   * @param out the run's directory, or null to make one below the study's output
   * @param shard which of its cells are run
   * @param watcher receives its progress
   */
  public Ended run(StudySource source, @Nullable Path out, Shard shard, Watcher watcher) {
    return run(Study.bind(source, registry), out, shard, watcher);
  }

  /**
   * Runs the study of an earlier run again, with the prompts that it keeps.
   *
   * @param earlier the run
   * @param out the new run's directory
   * @param watcher receives its progress
   */
  public Ended repeat(RunDirectory earlier, Path out, Watcher watcher) {
    return run(bind(earlier, List.of()), out, shard(earlier), watcher);
  }

  private Ended run(Study study, @Nullable Path out, Shard shard, Watcher watcher) {
    Instant now = Instant.now();
    String name = study.spec().study() + "-" + STAMP.format(now);
    RunDirectory.requireUsable(out == null ? study.output().resolve(name + "-new") : out);
    return loaded(
        study,
        watcher,
        loaded -> {
          RunDirectory.Claim claim =
              out == null ? RunDirectory.claimFresh(study.output(), name) : RunDirectory.claim(out);
          RunDirectory directory = claim.directory();
          try (watcher) {
            NewRun.write(directory, loaded, now.toString(), shard);
            return execute(loaded, directory, Found.read(directory), shard, watcher);
          } finally {
            release(claim.lock(), watcher);
          }
        });
  }

  /** Loads a study for as long as something is done with it. A failing close loses no result. */
  private Ended loaded(Study study, Watcher watcher, Function<LoadedStudy, Ended> body) {
    LoadedStudy loaded = LoadedStudy.load(study, registry);
    Ended ended;
    try {
      ended = body.apply(loaded);
    } catch (Throwable e) {
      Closing.after(List.of(loaded), e);
      throw e;
    }
    try {
      loaded.close();
    } catch (RuntimeException | Error e) {
      watcher.note("A plugin could not be closed: " + e);
    }
    return ended;
  }

  /** A run has all that it was made from, its prompts too: their file may be gone by now. */
  private Study bind(RunDirectory run, List<String> overrides) {
    return Study.bind(
        StudySource.of(run).with(overrides), registry, PromptFiles.ofRun(run.prompts()));
  }

  /**
   * Goes on with a run. Cells whose key is found done are not run again.
   *
   * @param directory the run
   * @param overrides of settings that cannot change results, such as {@code engine.jobs=2}
   * @param watcher receives its progress
   */
  public Ended resume(RunDirectory directory, List<String> overrides, Watcher watcher) {
    AutoCloseable lock = directory.lock();
    try (watcher) {
      // Ten thousand records take as long to read as the study takes to load.
      CompletableFuture<Found> reading = CompletableFuture.supplyAsync(() -> Found.read(directory));
      Study study = bind(directory, overrides);
      requireSame(directory, study);
      return loaded(
          study,
          watcher,
          loaded -> execute(loaded, directory, joined(reading), shard(directory), watcher));
    } finally {
      release(lock, watcher);
    }
  }

  private static <T> T joined(CompletableFuture<T> future) {
    try {
      return future.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }

  private static void requireSame(RunDirectory directory, Study study) {
    String before = RunFiles.json(directory.run()).path("configSha256").asText();
    String now = Canonical.sha256(study.resolved());
    if (!before.equals(now)) {
      throw EspalierException.config(
          "The run (%s) was made with another configuration (%s, now %s): a plugin's default, or the run's study.yaml or prompts.jsonl has changed."
              .formatted(directory.root(), brief(before), brief(now)),
          "Maybe restore what changed, or start a new run.");
    }
  }

  private static String brief(String hash) {
    return hash.substring(0, Math.min(8, hash.length()));
  }

  private static Shard shard(RunDirectory run) {
    return Shard.of(RunFiles.json(run.run()).path("shard").asText(Shard.WHOLE.toString()));
  }

  private Ended execute(
      LoadedStudy loaded, RunDirectory directory, Found found, Shard shard, Watcher watcher) {
    found.content().notes().forEach(watcher::note);
    RecordLog.repair(directory.records(), found.content());
    List<Cell> all = new StudyCells(loaded).all();
    requireKnown(directory, found.content().records(), all);
    List<Cell> cells = shard.of(all);
    List<Cell> open = cells.stream().filter(cell -> !found.done().contains(cell.key())).toList();
    watcher.started(directory, cells.size(), cells.size() - open.size());
    StudySpec.Engine settings = loaded.study().spec().engineOrDefault();
    StudyRunner.Result result =
        new StudyRunner(loaded, directory, engine)
            .run(open, settings.jobsOrDefault(), settings.batchOrDefault(), watcher);
    return new Ended(
        directory, cells.size(), cells.size() - open.size(), result.done(), result.failed());
  }

  private static void release(AutoCloseable lock, Watcher watcher) {
    try {
      lock.close();
    } catch (Exception e) {
      watcher.note("The run's lock could not be released: " + e.getMessage());
    }
  }

  /** Records of one file must come from one study: else its tables would mix two. */
  private static void requireKnown(
      RunDirectory directory, Map<String, RecordLog.Ending> records, List<Cell> cells) {
    Set<String> keys = new HashSet<>();
    cells.forEach(cell -> keys.add(cell.key()));
    long foreign = records.keySet().stream().filter(key -> !keys.contains(key)).count();
    if (foreign > 0) {
      throw EspalierException.config(
          "The run (%s) holds %d records made with other weights, programs, plugin code or another version than are here now."
              .formatted(directory.root(), foreign),
          "Maybe restore what changed, or start a new run.");
    }
  }

  /**
   * What a run has so far.
   *
   * @param content of its record file
   * @param done keys of the cells that need not be run again: their answer and tree are there too
   */
  private record Found(RecordLog.Content<RecordLog.Ending> content, Set<String> done) {
    static Found read(RunDirectory directory) {
      RecordLog.Content<RecordLog.Ending> content = RecordLog.readEndings(directory.records());
      return new Found(
          content,
          content.records().values().parallelStream()
              .filter(RecordLog.Ending::isDone)
              .filter(ending -> isWhole(directory, ending.answer()))
              .filter(ending -> isThere(directory, ending.tree()))
              .map(RecordLog.Ending::cell)
              .collect(Collectors.toSet()));
    }

    /** A damaged answer is made again, as a missing one is. */
    private static boolean isWhole(
        RunDirectory directory, RecordLog.Ending.@Nullable Answer answer) {
      if (answer == null || !isThere(directory, answer.file())) {
        return false;
      }
      try {
        byte[] bytes = Files.readAllBytes(directory.file(answer.file()));
        return Canonical.sha256(bytes).equals(answer.sha256());
      } catch (IOException e) {
        return false;
      }
    }

    private static boolean isThere(RunDirectory directory, @Nullable String file) {
      return file != null && Files.isRegularFile(directory.file(file));
    }
  }
}
