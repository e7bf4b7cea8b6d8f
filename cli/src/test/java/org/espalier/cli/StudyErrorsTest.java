package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.TOY_STUDY;
import static org.espalier.cli.CommandLineKit.espalier;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every kind of bad input: code 2, a place, advice, and nothing half-written. */
@SuppressWarnings("NullAway.Init")
class StudyErrorsTest {
  @TempDir Path directory;

  private final Map<String, String> cases = new LinkedHashMap<>();

  private void replaced(String name, String from, String to) {
    assertThat(TOY_STUDY).as(name).contains(from);
    cases.put(name, TOY_STUDY.replace(from, to));
  }

  @Test
  void badInputIsRefusedWithPlaceAndAdvice() throws IOException {
    cases.put("empty file", "");
    cases.put("not YAML", "study: [toy\nseed: 1\n");
    cases.put("a tab", "study:\n\t- x\n");
    cases.put("a list", "- study\n");
    replaced("unknown key", "budgets: {unit", "budgets: {unti");
    replaced("unknown key at the root", "seed: 7", "sede: 7");
    replaced("duplicate key", "seed: 7", "seed: 7\nseed: 8");
    replaced("duplicate key in another spelling", "steps: 4", "steps: 4, Steps: 4");
    replaced("wrong type", "seed: 7", "seed: seven");
    replaced("a fraction for a whole number", "steps: 4", "steps: 4.5");
    replaced("a list for a mapping", "budgets: {unit: flops, levels: [4x]}", "budgets: [4x]");
    replaced("missing key", "study: toy\n", "");
    replaced("missing levels", ", levels: [4x]}\nmodels", "}\nmodels");
    replaced("a bad level", "levels: [4x]}\nmodels", "levels: [4y]}\nmodels");
    replaced("a level twice", "levels: [4x]}\nmodels", "levels: [4x, 4x]}\nmodels");
    replaced("a unit that is not one", "unit: flops", "unit: flop");
    replaced("seconds as unit", "unit: flops", "unit: seconds");
    replaced("two prompt sources", "{inline:", "{file: x.txt, inline:");
    replaced(
        "no prompt file",
        "{inline: [a red circle, a blue square, two green stars]}",
        "{file: none.jsonl}");
    replaced(
        "no prompt set",
        "{inline: [a red circle, a blue square, two green stars]}",
        "{set: shapes/none}");
    replaced("unknown strategy", "id: best-of-n", "id: best-off-n");
    replaced("unknown model", "id: toy-scale", "id: toy-scales");
    replaced("unknown verifier", "search: toy-target", "search: toy-targte");
    replaced("a plugin without id", "{id: toy-scale, steps: 4}", "{steps: 4}");
    replaced("unknown key of a plugin", "width: 2", "widht: 2");
    replaced("width 0", "width: 2", "width: 0");
    replaced("a refusing plugin constructor", "steps: 4", "steps: 0");
    replaced("a plugin's library is missing", "id: toy-scale", "id: toy-unlinked");
    replaced("missing key of a plugin", "{id: toy-scale, steps: 4}", "{id: toy-flow}");
    replaced("an enum of a plugin", "{id: toy-scale, steps: 4}", "{id: toy-flow, sampler: oed}");
    replaced(
        "an arm's model",
        "strategy: {id: best-of-n, n: auto}",
        "models: [vra], strategy: {id: best-of-n, n: auto}");
    replaced(
        "two arms of one name", "{name: alone, strategy: single", "{name: beam, strategy: single");
    replaced("below one sample", "levels: [1x]", "levels: [0.5x]");
    replaced("a level a little below one sample", "levels: [1x]", "levels: [0.99999x]");
    replaced(
        "a cap below one sample", "levels: [4x]}\nmodels", "levels: [4x], caps: {nfe: 1}}\nmodels");
    replaced("a capability", "{id: toy-scale, steps: 4}", "{id: toy-flow, sampler: ode}");
    String ensemble = "search: {id: ensemble, calibration: nano, members: [{id: clip, %s}]}";
    replaced(
        "a key of a member", "search: toy-target", ensemble.formatted("weigths: nano, weight: 2"));
    replaced(
        "a weight of a member",
        "search: toy-target",
        ensemble.formatted("weights: nano, weight: -2"));
    replaced(
        "an unknown member",
        "search: toy-target",
        ensemble.formatted("x: 1").replace("clip", "clop"));
    replaced(
        "weights of a member",
        "search: toy-target",
        ensemble.formatted("weights: /nowhere/at/all"));
    replaced("more than can be drawn", "n: auto", "n: 2000000000");
    replaced(
        "more children than can be drawn",
        "width: 2, candidates: auto",
        "width: 46342, candidates: 46342");
    replaced("a study name", "study: toy", "study: ../toy");
    replaced(
        "a level twice in two spellings", "levels: [4x]}\nmodels", "levels: [4x, 4.0x]}\nmodels");
    replaced("no model in an arm", "{name: alone,", "{name: alone, models: [],");
    replaced("a model twice in an arm", "{name: alone,", "{name: alone, models: [var, var],");
    replaced("seeds that wrap", "seed: 7", "seed: 9223372036854775807\nseeds: 2");
    replaced("a blank prompt", "a red circle", "\u00A0");
    replaced("a merge key", "seed: 7", "seed: 7\n<<: {seeds: 2}");
    replaced("a mapping for a number", "n: auto", "n: {}");
    replaced("a control character", "study: toy", "study: toy\u0001");
    replaced("an output that is no path", "seed: 7", "seed: 7\noutput: \"a\\0b\"");
    replaced(
        "a prompt file that is no path",
        "{inline: [a red circle, a blue square, two green stars]}",
        "{file: \"a\\0b\"}");
    StringBuilder all = new StringBuilder();
    for (Map.Entry<String, String> entry : cases.entrySet()) {
      Path file = directory.resolve("study.yaml");
      Files.writeString(file, entry.getValue());
      Path out = directory.resolve("out");
      CommandLineKit.Ended ended = espalier("run", file, "--out", out, "-q");
      assertThat(ended.code()).as("%s: %s", entry.getKey(), ended.err()).isEqualTo(2);
      assertThat(out).as(entry.getKey()).doesNotExist();
      all.append("== ").append(entry.getKey()).append('\n').append(ended.err()).append('\n');
    }
    Golden.check(
        "errors.txt", all.toString().replace(directory.toString(), "DIR").replace("\r\n", "\n"));
  }

  @Test
  void overridesAreEchoedAndTheirErrorsNameThem() throws IOException {
    Path file = directory.resolve("study.yaml");
    Files.writeString(file, TOY_STUDY);
    CommandLineKit.Ended ended = espalier("validate", file, "--set", "arms[2].strategy.width=0");
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err())
        .contains("override: arms[2].strategy.width=0")
        .contains("[CONFIG] --set arms[2].strategy.width: ");
    assertThat(espalier("validate", file, "--set", "arms[9].strategy.width=1").code()).isEqualTo(2);
    assertThat(espalier("validate", file, "--set", "nonsense").code()).isEqualTo(2);
    for (String override :
        List.of("arms[99999999999].x=1", "seed=&a [*a]", "arms=&a [{strategy: *a}]")) {
      assertThat(espalier("validate", file, "--set", override))
          .as(override)
          .satisfies(refused -> assertThat(refused.code()).isEqualTo(2))
          .satisfies(refused -> assertThat(refused.err()).contains("[CONFIG]"));
    }
    ended = espalier("validate", file, "--limit", 2, "--set", "arms[2].strategy.width=3");
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.out()).contains("6 cells (2 prompts");
  }

  @Test
  void aQuietRunSaysNothing() throws IOException {
    Path file = directory.resolve("study.yaml");
    Files.writeString(file, TOY_STUDY);
    CommandLineKit.Ended ended =
        espalier(
            "run", file, "--set", "engine.memory=40MiB", "--out", directory.resolve("out"), "-q");
    assertThat(ended.code()).isZero();
    assertThat(ended.err()).isEmpty();
  }

  @Test
  void aDirectoryThatCannotBeUsedIsRefused() throws IOException {
    Path file = directory.resolve("study.yaml");
    Files.writeString(file, TOY_STUDY);
    Path taken = directory.resolve("taken");
    Files.writeString(taken, "x");
    assertThat(espalier("run", file, "-q", "--out", taken).err()).contains("is a file");
    assertThat(espalier("run", file, "-q", "--out", taken.resolve("below")).code()).isEqualTo(2);
    Path out = directory.resolve("out");
    assertThat(espalier("run", file, "-q", "--out", out).code()).isZero();
    CommandLineKit.Ended again = espalier("run", file, "-q", "--out", out);
    assertThat(again.code()).isEqualTo(2);
    assertThat(again.err()).contains("already holds a run").contains("espalier resume");
    assertThat(espalier("resume", directory).err()).contains("is not a run");
  }

  @Test
  void wrongUseOfTheCommandLineIsExplained() {
    assertThat(espalier("rnu").code()).isEqualTo(2);
    assertThat(espalier("run").err()).contains("[CONFIG]").contains("STUDY");
    assertThat(espalier("--help").code()).isZero();
  }
}
