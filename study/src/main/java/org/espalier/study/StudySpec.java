package org.espalier.study;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.espalier.compute.ComputeUnit;
import org.espalier.plugins.PluginSpec;
import org.espalier.records.Amount;
import org.espalier.spi.NativeMemory;
import org.jspecify.annotations.Nullable;

/**
 * A study as written in YAML.
 *
 * @param study its name: letters, digits, dot, hyphen and underscore
 * @param seed the first seed; 0 if left out
 * @param seeds how many seeds, counted up from the first; 1 if left out
 * @param prompts what is searched for
 * @param budgets what every search may spend
 * @param models what is searched, by a name of the author's choice
 * @param verifiers who judges
 * @param arms what is compared; the first is the baseline of the statistics
 * @param engine how searches are run; cannot change results
 * @param output directory in which run directories are made; {@code runs} if left out
 */
public record StudySpec(
    String study,
    @Nullable Long seed,
    @Nullable Integer seeds,
    Prompts prompts,
    Budgets budgets,
    Map<String, PluginSpec> models,
    Verifiers verifiers,
    List<Arm> arms,
    @Nullable Engine engine,
    @Nullable String output) {

  public StudySpec {
    if (study != null && !study.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,79}")) {
      throw EspalierException.config(
              "The study's name ("
                  + study
                  + ") is used as a directory name and may contain only letters, digits, dot, hyphen"
                  + " and underscore.",
              "Maybe use letters, digits, dot, hyphen and underscore.")
          .about("study");
    }
    if (seeds != null && (seeds < 1 || seeds > 10_000)) {
      throw EspalierException.config(
              "The number of seeds (" + seeds + ") must lie in [1, 10000].", "Maybe set seeds: 3.")
          .about("seeds");
    }
    if (firstSeed(seed) > Long.MAX_VALUE - seedCount(seeds) + 1) {
      throw EspalierException.config(
              "The seeds from %d on leave the range of 64 bits after %d of %d."
                  .formatted(seed, Long.MAX_VALUE - firstSeed(seed) + 1, seedCount(seeds)),
              "Maybe set a smaller seed.")
          .about("seed");
    }
    if (output != null && output.indexOf('\0') >= 0) {
      throw EspalierException.config(
              "The output has a character (NUL) that no path has.", "Maybe set output: runs.")
          .about("output");
    }
    if (models != null && models.isEmpty()) {
      throw EspalierException.config("The study has no model.", "Maybe add one under models.")
          .about("models");
    }
    if (arms != null && arms.isEmpty()) {
      throw EspalierException.config("The study has no arm.", "Maybe add one under arms.")
          .about("arms");
    }
  }

  /** The engine's settings, with defaults. */
  public Engine engineOrDefault() {
    return engine == null ? new Engine(null, null, null, null) : engine;
  }

  /** The first seed. */
  public long firstSeed() {
    return firstSeed(seed);
  }

  private static long firstSeed(@Nullable Long seed) {
    return seed == null ? 0 : seed;
  }

  /** How many seeds. */
  public int seedCount() {
    return seedCount(seeds);
  }

  private static int seedCount(@Nullable Integer seeds) {
    return seeds == null ? 1 : seeds;
  }

  /**
   * Where prompts come from: exactly one of file, files, set and inline.
   *
   * @param file a prompt file, relative to the study
   * @param files several of them, read in this order; prompts without ids are numbered through all
   * @param set a set that travels on the class path, for example {@code shapes/geneval}
   * @param inline the prompts themselves
   * @param format of the file; inferred from its name and content if left out
   * @param limit at most so many prompts, taken from all tags in turn
   * @param tags only prompts with these tags
   */
  public record Prompts(
      @Nullable String file,
      @Nullable List<String> files,
      @Nullable String set,
      @Nullable List<String> inline,
      @Nullable PromptFormat format,
      @Nullable Integer limit,
      @Nullable List<String> tags) {
    public Prompts {
      long sources = Stream.of(file, files, set, inline).filter(Objects::nonNull).count();
      if (sources != 1) {
        throw EspalierException.config(
            "The prompts must come from exactly one of file, files, set and inline; "
                + sources
                + " were given.",
            "Maybe write prompts: {set: shapes/geneval}.");
      }
      if (files != null && files.isEmpty()) {
        throw EspalierException.config(
                "The list of prompt files is empty.", "Maybe name one under prompts.files.")
            .about("files");
      }
      if (limit != null && limit < 1) {
        throw EspalierException.config(
                "The number of prompts (" + limit + ") must be positive.", "Maybe set limit: 12.")
            .about("limit");
      }
    }

    /** The prompt files, in the order in which they are read; empty if prompts come otherwise. */
    public List<String> paths() {
      return files != null ? files : file != null ? List.of(file) : List.of();
    }
  }

  /**
   * What every search may spend.
   *
   * @param unit in which searches are made equal; flops if left out
   * @param levels how much, each level being run
   * @param caps further limits by unit
   * @param tolerance relative difference of spends up to which a table may be headed "equal
   *     compute", in [0, 1); 0.05 if left out
   */
  public record Budgets(
      @Nullable ComputeUnit unit,
      List<Amount> levels,
      @Nullable Map<ComputeUnit, Amount> caps,
      @Nullable Double tolerance) {
    public Budgets {
      requireLevels(levels);
      if (unit == ComputeUnit.SECONDS) {
        throw EspalierException.config(
                "The budget's unit (seconds) differs between runs, so nothing would repeat.",
                "Maybe set unit: flops, and seconds under caps.")
            .about("unit");
      }
      if (tolerance != null && !(tolerance >= 0 && tolerance < 1)) {
        throw EspalierException.config(
                "The tolerance (" + tolerance + ") must lie in [0, 1).",
                "Maybe set tolerance: 0.05.")
            .about("tolerance");
      }
      if (caps != null
          && caps.containsKey(ComputeUnit.SECONDS)
          && caps.get(ComputeUnit.SECONDS).relative()) {
        throw EspalierException.config(
                "A cap in seconds (" + caps.get(ComputeUnit.SECONDS) + ") cannot be a multiple.",
                "Maybe write a number of seconds under caps.")
            .about("caps");
      }
    }

    /** The unit, with its default. */
    public ComputeUnit unitOrDefault() {
      return unit == null ? ComputeUnit.FLOPS : unit;
    }

    /** The tolerance, with its default. */
    public double toleranceOrDefault() {
      return tolerance == null ? 0.05 : tolerance;
    }
  }

  private static void requireLevels(@Nullable List<Amount> levels) {
    if (levels == null) {
      return;
    }
    if (levels.isEmpty()) {
      throw EspalierException.config("There is no budget level.", "Maybe set levels: [1x, 4x].")
          .about("levels");
    }
    record Size(double value, boolean relative) {}
    Set<Size> sizes = new HashSet<>();
    for (Amount level : levels) {
      if (!sizes.add(new Size(level.value(), level.relative()))) {
        throw EspalierException.config(
                "The budget level (" + level.label() + ") is given twice.", "Maybe remove one.")
            .about("levels");
      }
    }
  }

  /**
   * The verifiers.
   *
   * @param search drives the searches
   * @param prior a cheap screen for strategies that ask one
   * @param evaluate judge the answers, outside the search budget; the first is the study's metric;
   *     one or several
   * @param unsupported what becomes of prompts that an evaluator cannot judge, because their
   *     metadata lack what it checks; they are refused if left out
   */
  public record Verifiers(
      PluginSpec search,
      @Nullable PluginSpec prior,
      @Nullable List<PluginSpec> evaluate,
      @Nullable Unsupported unsupported) {
    /** Whether evaluators are not asked about what they cannot judge. */
    public boolean skipsUnsupported() {
      return unsupported == Unsupported.SKIP;
    }
  }

  /** What becomes of prompts that an evaluator cannot judge. */
  public enum Unsupported {
    /** The study is refused. */
    REFUSE,
    /** That evaluator is not asked about them. */
    SKIP
  }

  /**
   * One line of the comparison.
   *
   * @param name what tables call it; the strategy's id if left out
   * @param strategy what searches
   * @param models names of the models searched; all if left out
   * @param levels budget levels of this arm; the study's if left out
   * @param verifier drives this arm's searches; the study's search verifier if left out
   */
  public record Arm(
      @Nullable String name,
      PluginSpec strategy,
      @Nullable List<String> models,
      @Nullable List<Amount> levels,
      @Nullable PluginSpec verifier) {
    public Arm {
      requireLevels(levels);
      if (models != null && models.isEmpty()) {
        throw EspalierException.config(
                "The arm searches no model: its list of models is empty.",
                "Maybe leave models out: the arm then searches all.")
            .about("models");
      }
      if (models != null) {
        Set<String> distinct = new HashSet<>();
        for (String model : models) {
          if (!distinct.add(model)) {
            throw EspalierException.config(
                    "The arm names the model (" + model + ") twice.", "Maybe remove one.")
                .about("models");
          }
        }
      }
    }

    /** The name, with its default. */
    public String label() {
      return name == null ? strategy.id() : name;
    }
  }

  /**
   * How searches are run. Nothing here changes a result on the CPU.
   *
   * @param batch rows handed to a network at once; 8 if left out
   * @param device {@code cpu}, {@code gpu}, {@code gpu:N} or {@code auto}; cpu if left out
   * @param jobs cells run at a time; 1 if left out
   * @param memory native memory that all tensors may take together, such as {@code 60GiB}; what
   *     does not fit is computed in smaller calls, or dropped and repeated; by default no limit
   */
  public record Engine(
      @Nullable Integer batch,
      @Nullable String device,
      @Nullable Integer jobs,
      @Nullable String memory) {
    public Engine {
      if (batch != null && (batch < 1 || batch > 4096)) {
        throw EspalierException.config(
                "The batch size (" + batch + ") must lie in [1, 4096].", "Maybe set batch: 8.")
            .about("batch");
      }
      if (jobs != null && (jobs < 1 || jobs > 256)) {
        throw EspalierException.config(
                "The number of jobs (" + jobs + ") must lie in [1, 256].", "Maybe set jobs: 1.")
            .about("jobs");
      }
      if (device != null && !device.matches("cpu|auto|gpu(:\\d+)?")) {
        throw EspalierException.config(
                "The device (" + device + ") is unknown.",
                "Maybe set device: cpu, gpu, gpu:0 or auto.")
            .about("device");
      }
      if (memory != null) {
        NativeMemory.of(memory); // complains where it is not a size
      }
    }

    /** The batch size, with its default. */
    public int batchOrDefault() {
      return batch == null ? 8 : batch;
    }

    /** The device, with its default. */
    public String deviceOrDefault() {
      return device == null ? "cpu" : device;
    }

    /** The number of jobs, with its default. */
    public int jobsOrDefault() {
      return jobs == null ? 1 : jobs;
    }
  }
}
