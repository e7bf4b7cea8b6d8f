package org.espalier.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.plugins.PluginRegistry;
import org.espalier.study.Study;
import org.espalier.study.StudySource;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The study and what is laid over it. */
@SuppressWarnings("NullAway.Init")
final class StudyOptions {
  @Parameters(paramLabel = "STUDY", description = "A study file (YAML).")
  Path file;

  @Option(
      names = {"--limit", "-L"},
      paramLabel = "N",
      description = "At most N prompts, from all tags in turn.")
  @Nullable Integer limit;

  @Option(names = "--seed", paramLabel = "N", description = "First seed.")
  @Nullable Long seed;

  @Option(names = "--device", paramLabel = "DEVICE", description = "cpu, gpu, gpu:N or auto.")
  @Nullable String device;

  @Option(names = "--jobs", paramLabel = "N", description = "Cells run at a time.")
  @Nullable Integer jobs;

  @Option(names = "--batch", paramLabel = "N", description = "Rows handed to a network at once.")
  @Nullable Integer batch;

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description = "Overrides a value of the study, for example --set arms[0].strategy.n=8.")
  List<String> set = new ArrayList<>();

  @Option(
      names = "--download",
      description = "Gets weights of the Hugging Face hub that are not in its local cache.")
  boolean download;

  /**
   * The study, once the weights it refers to are there if that was asked for.
   *
   * @param terminal told of every override, or null
   * @param registry the plugins
   * @param progress told of downloads
   */
  StudySource source(@Nullable Terminal terminal, PluginRegistry registry, Terminal progress) {
    StudySource source = source(terminal);
    if (download) {
      new HubCheckpoints(registry, progress).get(Study.bind(source, registry));
    }
    return source;
  }

  /**
   * The study.
   *
   * @param terminal where overrides are printed, or null
   */
  private StudySource source(@Nullable Terminal terminal) {
    List<String> overrides = new ArrayList<>();
    add(overrides, "prompts.limit", limit);
    add(overrides, "seed", seed);
    add(overrides, "engine.device", device);
    add(overrides, "engine.jobs", jobs);
    add(overrides, "engine.batch", batch);
    overrides.addAll(set);
    if (terminal != null) {
      overrides.forEach(override -> terminal.err().println("override: " + override));
    }
    return StudySource.read(file, overrides);
  }

  private static void add(List<String> overrides, String key, @Nullable Object value) {
    if (value != null) {
      overrides.add(key + "=" + value);
    }
  }
}
