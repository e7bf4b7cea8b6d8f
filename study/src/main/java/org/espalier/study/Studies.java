package org.espalier.study;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.espalier.api.EspalierException;
import org.espalier.engine.SearchEngine;
import org.espalier.study.config.Canonical;
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

  /** Told how a run goes. */
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
   * @param watcher told how it goes
   */
  public Ended run(StudySource source, @Nullable Path out, Watcher watcher) {
    Study study = Study.bind(source, registry);
    Instant now = Instant.now();
    Path root = out == null ? fresh(study, now) : out;
    RunDirectory.requireUsable(root);
    try (LoadedStudy loaded = LoadedStudy.load(study, registry)) {
      RunDirectory directory = RunDirectory.create(root, loaded, now.toString());
      return execute(loaded, directory, watcher);
    }
  }

  private static Path fresh(Study study, Instant now) {
    String name = study.spec().study() + "-" + STAMP.format(now);
    Path root = study.output().resolve(name);
    for (int i = 2; Files.exists(root); i++) {
      root = study.output().resolve(name + "-" + i);
    }
    return root;
  }

  /**
   * Goes on with a run. Cells whose key is found done are not run again.
   *
   * @param directory the run
   * @param overrides of settings that cannot change results, such as {@code engine.jobs=2}
   * @param watcher told how it goes
   */
  public Ended resume(RunDirectory directory, List<String> overrides, Watcher watcher) {
    Study study = Study.bind(directory.source().with(overrides), registry);
    String before = Canonical.sha256(study.resolved());
    String recorded = RunDirectory.readJson(directory.run()).path("configSha256").asText();
    if (!recorded.equals(before)) {
      throw EspalierException.config(
          "The run (%s) was made with another configuration (%s, now %s): a prompt file, a plugin's default or the study has changed."
              .formatted(directory.root(), brief(recorded), brief(before)),
          "Maybe restore what changed, or start a new run.");
    }
    try (LoadedStudy loaded = LoadedStudy.load(study, registry)) {
      return execute(loaded, directory, watcher);
    }
  }

  private static String brief(String hash) {
    return hash.substring(0, Math.min(8, hash.length()));
  }

  private Ended execute(LoadedStudy loaded, RunDirectory directory, Watcher watcher) {
    AutoCloseable lock = directory.lock();
    try (watcher) {
      RecordLog.Content content = RecordLog.read(directory.records());
      report(content, watcher::note);
      RecordLog.repair(directory.records(), content);
      List<Cell> all = loaded.cells();
      requireKnown(directory, content.records(), all);
      List<Cell> open = new ArrayList<>();
      for (Cell cell : all) {
        if (!finished(directory, content.records(), cell)) {
          open.add(cell);
        }
      }
      watcher.started(directory, all.size(), all.size() - open.size());
      StudySpec.Engine settings = loaded.study().spec().engineOrDefault();
      StudyRunner.Result result =
          new StudyRunner(loaded, directory, engine)
              .run(open, settings.jobsOrDefault(), settings.batchOrDefault(), watcher);
      return new Ended(
          directory, all.size(), all.size() - open.size(), result.done(), result.failed());
    } finally {
      try {
        lock.close();
      } catch (Exception e) {
        watcher.note("The run's lock could not be released: " + e.getMessage());
      }
    }
  }

  /** Records of one file must come from one study: else its tables would mix two. */
  private static void requireKnown(
      RunDirectory directory, Map<String, CellRecord> records, List<Cell> cells) {
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
   * Says what is wrong with a record file, if anything.
   *
   * @param content of the file
   * @param note told of it
   */
  public static void report(RecordLog.Content content, Consumer<String> note) {
    if (content.tornBytes() > 0) {
      note.accept(
          "The last record was torn (%d bytes): it is left out, and its cell run again on resume."
              .formatted(content.tornBytes()));
    }
    for (int line : content.damagedLines()) {
      note.accept("records.jsonl:" + line + ": The checksum is wrong; the record is left out.");
    }
  }

  private static boolean finished(
      RunDirectory directory, Map<String, CellRecord> records, Cell cell) {
    CellRecord record = records.get(cell.key());
    return record != null
        && record.isDone()
        && record.images() != null
        && Files.isRegularFile(directory.root().resolve(record.images().answer()))
        && record.tree() != null
        && Files.isRegularFile(directory.root().resolve(record.tree()));
  }
}
