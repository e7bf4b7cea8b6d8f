package org.espalier.study;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.espalier.plugins.ConfigTree;
import org.espalier.plugins.RecordBinder;
import org.espalier.records.RunDirectory;
import org.espalier.records.RunFiles;

/**
 * A study's text, and what was laid over it on the command line.
 *
 * @param name of the file, for errors
 * @param text YAML
 * @param base directory against which relative paths are resolved
 * @param overrides {@code key=value}, in order
 */
public record StudySource(String name, String text, Path base, List<String> overrides) {
  public StudySource {
    overrides = List.copyOf(overrides);
  }

  /**
   * Reads a study.
   *
   * @param file a YAML file
   * @param overrides {@code key=value}, in order
   */
  public static StudySource read(Path file, List<String> overrides) {
    Path parent = file.toAbsolutePath().getParent();
    return new StudySource(
        file.toString(),
        ConfigTree.text(file),
        parent == null ? Path.of("").toAbsolutePath() : parent,
        overrides);
  }

  /**
   * How a run was started.
   *
   * @param directory the run
   */
  public static StudySource of(RunDirectory directory) {
    JsonNode run = RunFiles.json(directory.run());
    List<String> overrides = new ArrayList<>();
    run.path("overrides").forEach(node -> overrides.add(node.asText()));
    return new StudySource(
        run.path("file").asText("study.yaml"),
        RunFiles.text(directory.root().resolve("study.yaml")),
        Path.of(run.path("base").asText("")),
        overrides);
  }

  /**
   * The same with further overrides.
   *
   * @param more {@code key=value}, in order
   */
  public StudySource with(List<String> more) {
    List<String> all = new ArrayList<>(overrides);
    all.addAll(more);
    return new StudySource(name, text, base, all);
  }

  /** Parses, overrides and binds. */
  public StudySpec bind() {
    ConfigTree tree = ConfigTree.parse(name, text);
    overrides.forEach(tree::set);
    return RecordBinder.bind(tree, tree.root(), "", StudySpec.class, Set.of());
  }
}
