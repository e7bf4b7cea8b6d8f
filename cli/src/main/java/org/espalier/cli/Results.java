package org.espalier.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.espalier.plugins.Canonical;
import org.espalier.records.CellRecord;
import org.espalier.records.RunDirectory;
import org.espalier.report.HtmlReport;
import org.espalier.report.RunData;
import org.espalier.report.RunJson;
import org.espalier.report.Summary;
import org.espalier.report.SummaryTables;
import org.espalier.study.Studies;

/** Prints what a run ended with. */
final class Results {
  private Results() {}

  static int print(Terminal terminal, OutputOptions output, Studies.Ended ended) {
    RunDirectory directory = ended.directory();
    RunData data = RunData.read(directory);
    Path report = HtmlReport.write(data);
    if (output.json) {
      Map<String, Object> map = new LinkedHashMap<>();
      map.put("run", directory.root().toString());
      map.put("cells", ended.total());
      map.put("skipped", ended.skipped());
      map.put("done", ended.done());
      map.put("failed", ended.failed());
      map.put("report", report.toString());
      map.put("summary", data.summary());
      terminal.out().print(RunJson.pretty(map));
    } else {
      print(terminal, data.summary());
      terminal.out().println("records: " + directory.records());
      terminal.out().println("report:  " + report);
    }
    if (ended.failed() > 0) {
      terminal
          .err()
          .println(
              "[%s] %d of %d cells failed.\nMaybe run `espalier resume %s` to try them again."
                  .formatted(codes(data), ended.failed(), ended.total(), directory.root()));
      return ExitCode.SOME_FAILED.code();
    }
    if (data.summary().metric() != null
        && data.summary().rows().stream().allMatch(row -> row.metric() == null)) {
      terminal
          .err()
          .println(
              "[PLUGIN_CONTRACT] The evaluator (%s) has judged no answer: every evaluation failed."
                  .formatted(data.summary().metric()));
      terminal.err().println("Maybe look at the report's failures, or choose another evaluator.");
      return ExitCode.SOME_FAILED.code();
    }
    return ExitCode.DONE.code();
  }

  /** What kinds of failures there were. */
  private static String codes(RunData data) {
    return data.records().stream()
        .filter(CellRecord.Failed.class::isInstance)
        .map(record -> ((CellRecord.Failed) record).error().code())
        .distinct()
        .sorted()
        .collect(Collectors.joining(", "));
  }

  static void print(Terminal terminal, Summary summary) {
    terminal.out().print(SummaryTables.text(summary));
    terminal
        .out()
        .println(
            "Intervals: 95 %, paired bootstrap over prompts; \u00b1: half of one. Seconds: of a search by itself.");
  }

  static String json(Object value) {
    try {
      return JsonMapper.builder()
          .build()
          .writerWithDefaultPrettyPrinter()
          .writeValueAsString(Canonical.plain(value));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("plain values are JSON", e);
    }
  }
}
