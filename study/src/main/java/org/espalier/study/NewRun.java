package org.espalier.study;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.espalier.api.Prompt;
import org.espalier.plugins.Canonical;
import org.espalier.records.RecordLog;
import org.espalier.records.RunDirectory;
import org.espalier.records.RunFiles;
import org.espalier.records.WholeFile;

/** What a run directory holds before the first cell. */
final class NewRun {
  private NewRun() {}

  /**
   * Writes all of a new run but its results.
   *
   * @param directory of the run, empty
   * @param loaded the study
   * @param started when, ISO 8601
   * @param shard which of the study's cells are run
   */
  static void write(RunDirectory directory, LoadedStudy loaded, String started, Shard shard) {
    Path root = directory.root();
    Study study = loaded.study();
    try {
      Files.createDirectories(root.resolve("images"));
      Files.createDirectories(root.resolve("trees"));
    } catch (IOException e) {
      throw WholeFile.problem(root, e);
    }
    Map<String, Object> resolved = study.resolved();
    WholeFile.write(
        root.resolve("study.yaml"), study.source().text().getBytes(StandardCharsets.UTF_8));
    RunFiles.writeJson(directory.resolved(), resolved);
    RunFiles.writeJson(directory.plan(), PlanFacts.of(loaded));
    RunFiles.writeJson(directory.environment(), Environment.describe());
    StringBuilder prompts = new StringBuilder();
    for (Prompt prompt : study.prompts()) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("id", prompt.id());
      line.put("tag", prompt.tag());
      line.put("prompt", prompt.text());
      line.put("metadata", prompt.metadata());
      prompts.append(RunFiles.jsonLine(line)).append('\n');
    }
    WholeFile.write(directory.prompts(), prompts.toString().getBytes(StandardCharsets.UTF_8));
    Map<String, Object> run = new LinkedHashMap<>();
    run.put("schema", RecordLog.SCHEMA);
    run.put("study", study.spec().study());
    run.put("started", started);
    run.put("configSha256", Canonical.sha256(resolved));
    run.put("file", study.source().name());
    run.put("base", study.source().base().toString());
    run.put("overrides", study.source().overrides());
    if (!shard.equals(Shard.WHOLE)) {
      run.put("shard", shard.toString());
    }
    // Last: a directory with run.json has all the rest.
    RunFiles.writeJson(directory.run(), run);
  }
}
