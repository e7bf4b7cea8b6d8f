package org.espalier.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.espalier.api.EspalierException;
import org.espalier.plugins.Canonical;
import org.espalier.records.WholeFile;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.Yaml;

/** The layout that {@code mlflow ui --backend-store-uri DIR} reads: one run per series. */
final class MlflowStore {
  private final RunData data;
  private final Path experiment;
  private final String id;
  private final long started;

  /**
   * @param data the run
   * @param out the directory of the store
   */
  MlflowStore(RunData data, Path out) {
    this.data = data;
    id = Long.toString(Math.abs(hash(study())) % 1_000_000_000_000L + 1);
    experiment = out.resolve(id);
    started = millis();
  }

  private String study() {
    return data.run().path("study").asText();
  }

  private long millis() {
    String instant = data.run().path("started").asText();
    try {
      return Instant.parse(instant).toEpochMilli();
    } catch (DateTimeParseException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          data.directory().run() + ": The start of the run (" + instant + ") is not a time.",
          "Maybe the run directory was edited.",
          e);
    }
  }

  /** Writes the experiment and returns its directory. */
  Path write() {
    Map<String, Object> meta = new LinkedHashMap<>();
    // Relative, so that the store can be moved: start MLflow in its directory.
    meta.put("artifact_location", "./" + id);
    meta.put("creation_time", started);
    meta.put("experiment_id", id);
    meta.put("last_update_time", started);
    meta.put("lifecycle_stage", "active");
    meta.put("name", study());
    yaml(experiment.resolve("meta.yaml"), meta);
    data.summary().rows().forEach(this::write);
    return experiment;
  }

  private void write(Summary.Row row) {
    Series series = row.series();
    String configuration = data.run().path("configSha256").asText();
    String runId =
        Canonical.sha256(configuration + series.name() + series.level()).substring(0, 32);
    Path run = experiment.resolve(runId);
    long end = started + (long) (1000 * row.mean(Axis.SECONDS) * row.counts().cells());
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("artifact_uri", "./" + id + "/" + runId + "/artifacts");
    fields.put("end_time", end);
    fields.put("entry_point_name", "");
    fields.put("experiment_id", id);
    fields.put("lifecycle_stage", "active");
    fields.put("run_id", runId);
    fields.put("run_name", series.toString());
    fields.put("run_uuid", runId);
    fields.put("source_name", "espalier");
    fields.put("source_type", 4);
    fields.put("source_version", data.environment().path("git").asText(""));
    fields.put("start_time", started);
    fields.put("status", 3);
    fields.put("tags", List.of());
    fields.put("user_id", "");
    yaml(run.resolve("meta.yaml"), fields);
    put(run, "params/arm", series.arm());
    put(run, "params/model", series.model());
    put(run, "params/level", series.level());
    put(run, "params/budget_limit", Double.toString(row.limit()));
    put(run, "params/budget_unit", data.summary().unit());
    put(run, "params/seeds", data.resolved().path("seeds").asText("1"));
    put(run, "params/first_seed", data.resolved().path("seed").asText("0"));
    parameters(series).forEach((name, value) -> put(run, "params/" + name, value));
    put(run, "tags/mlflow.runName", series.toString());
    put(run, "tags/espalier.config_sha256", configuration);
    // The step of MLflow's charts is the number of network evaluations.
    long step = Math.round(row.mean(Axis.NFE));
    String metric = data.summary().metric();
    metrics(row, metric == null ? "metric" : "metric_" + metric)
        .forEach(
            (name, value) -> put(run, "metrics/" + name, end + " " + value + " " + step + "\n"));
    put(run, "artifacts/table.md", SummaryTables.all(data.summary()).markdown());
    put(run, "artifacts/resolved.json", RunJson.pretty(data.resolved()));
    put(
        run,
        "artifacts/cells.csv",
        CellTable.of(
                data.records().stream().filter(record -> Series.of(record).equals(series)).toList())
            .csv());
  }

  /** The strategy's settings and who judged, as the study resolved them. */
  private Map<String, String> parameters(Series series) {
    Map<String, String> parameters = new TreeMap<>();
    JsonNode verifiers = data.resolved().path("verifiers");
    JsonNode search = verifiers.path("search");
    for (JsonNode arm : data.resolved().path("arms")) {
      if (arm.path("name").asText().equals(series.arm())) {
        flatten("strategy", arm.path("strategy"), parameters);
        search = arm.has("verifier") ? arm.path("verifier") : search;
      }
    }
    flatten("verifier", search, parameters);
    flatten("evaluate", verifiers.path("evaluate"), parameters);
    flatten("model", data.resolved().path("models").path(series.model()), parameters);
    // MLflow takes the name of the model for a parameter of its own.
    parameters.remove("model");
    return parameters;
  }

  private static void flatten(String name, JsonNode value, Map<String, String> into) {
    if (value.isObject()) {
      value
          .fields()
          .forEachRemaining(field -> flatten(name + "." + field.getKey(), field.getValue(), into));
    } else if (value.isArray()) {
      for (int i = 0; i < value.size(); i++) {
        flatten(name + "." + i, value.get(i), into);
      }
    } else if (!value.isMissingNode()) {
      into.put(name, value.asText());
    }
  }

  private static Map<String, Double> metrics(Summary.Row row, String metric) {
    Map<String, Double> metrics = new TreeMap<>();
    interval(metrics, metric, row.metric());
    interval(metrics, "verifier_score", row.score());
    metrics.put("nfe", row.mean(Axis.NFE));
    metrics.put("flops", row.mean(Axis.FLOPS));
    metrics.put("decodes", row.mean(Axis.DECODES));
    metrics.put("verifier_calls", row.mean(Axis.VERIFIER_CALLS));
    metrics.put("seconds", row.mean(Axis.SECONDS));
    metrics.put("utilisation", row.mean(Axis.UTILISATION));
    metrics.put("failed", (double) row.counts().failed());
    return metrics;
  }

  private static void interval(
      Map<String, Double> metrics, String name, PairedBootstrap.@Nullable Interval interval) {
    if (interval != null) {
      metrics.put(name, interval.mean());
      if (interval.isBounded()) {
        metrics.put(name + "_low", interval.low());
        metrics.put(name + "_high", interval.high());
      }
    }
  }

  private static void put(Path run, String name, String value) {
    WholeFile.write(run.resolve(name), value.getBytes(StandardCharsets.UTF_8));
  }

  private static void yaml(Path file, Map<String, Object> map) {
    DumperOptions options = new DumperOptions();
    options.setDefaultFlowStyle(DumperOptions.FlowStyle.BLOCK);
    WholeFile.write(file, new Yaml(options).dump(map).getBytes(StandardCharsets.UTF_8));
  }

  private static long hash(String text) {
    return Long.parseUnsignedLong(Canonical.sha256(text).substring(0, 15), 16);
  }
}
