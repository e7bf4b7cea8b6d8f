package org.espalier.study;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.espalier.api.Prompt;
import org.espalier.compute.Budget;
import org.espalier.engine.SearchEngine;
import org.espalier.plugins.Canonical;
import org.espalier.plugins.PluginCode;
import org.espalier.plugins.PluginRegistry;
import org.espalier.records.Amount;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.espalier.records.Turns;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Lineage;
import org.espalier.spi.Verifier;

/**
 * The searches of a study, and their keys: hashes of everything that can change a result, so that a
 * finished cell is known again and a changed one is not taken for it.
 */
public final class StudyCells {
  /** What differs between the keys of one arm, model and level. */
  private static final List<String> VARIED = List.of("prompt", "seed");

  private final LoadedStudy loaded;
  private final Study study;

  /**
   * @param loaded the study
   */
  public StudyCells(LoadedStudy loaded) {
    this.loaded = loaded;
    study = loaded.study();
  }

  /**
   * Every cell of the study: by seed, prompt, arm, model and level. Prompts come from all tags in
   * turn, so that a run that is stopped early has searched about as many of each.
   */
  public List<Cell> all() {
    List<Searcher> searchers = new ArrayList<>();
    for (Study.Arm arm : study.arms()) {
      for (String model : arm.models()) {
        SortedMap<String, String> key = key(arm, model);
        for (Amount level : arm.levels()) {
          Budget budget = loaded.budget(arm, model, level);
          key.put("budget", Canonical.json(budget));
          searchers.add(
              new Searcher(arm, model, level, budget, new Canonical.Template(key, VARIED)));
        }
      }
    }
    List<Prompt> prompts = Turns.interleaved(study.prompts(), Prompt::tag);
    List<String> promptJson = prompts.stream().map(StudyCells::json).toList();
    List<Cell> cells = new ArrayList<>();
    for (int i = 0; i < study.spec().seedCount(); i++) {
      long seed = study.spec().firstSeed() + i;
      for (int p = 0; p < prompts.size(); p++) {
        for (Searcher searcher : searchers) {
          cells.add(
              new Cell(
                  searcher.keys().sha256(promptJson.get(p), String.valueOf(seed)),
                  searcher.arm(),
                  searcher.model(),
                  prompts.get(p),
                  seed,
                  searcher.level(),
                  searcher.budget()));
        }
      }
    }
    return cells;
  }

  /**
   * @param arm of the study
   * @param model that the arm searches
   * @param level the budget as it was written
   * @param budget what a search may spend
   * @param keys of the cells, which differ in {@link #VARIED} only
   */
  private record Searcher(
      Study.Arm arm, String model, Amount level, Budget budget, Canonical.Template keys) {}

  private static String json(Prompt prompt) {
    return Canonical.json(
        Map.of(
            "id", prompt.id(),
            "text", prompt.text(),
            "tag", prompt.tag(),
            "metadata", prompt.metadata()));
  }

  /** What the keys of an arm's cells on a model share. */
  private SortedMap<String, String> key(Study.Arm arm, String model) {
    SortedMap<String, String> all = new TreeMap<>();
    all.put("schema", Canonical.json(RecordLog.SCHEMA));
    all.put("version", Canonical.json(Environment.version()));
    all.put("code", Canonical.json(code(arm, model)));
    all.put("arm", Canonical.json(arm.label()));
    all.put("strategy", Canonical.json(arm.strategy().key()));
    all.put("model", Canonical.json(fingerprint(model)));
    all.put("judges", Canonical.json(judges(arm)));
    return all;
  }

  /** Code of the engine and of every plugin that has a hand in a cell, members too. */
  private List<String> code(Study.Arm arm, String model) {
    List<String> all = new ArrayList<>();
    all.add(PluginCode.fingerprint(SearchEngine.class));
    all.add(arm.strategy().code());
    all.addAll(loaded.code(bound(model)));
    all.addAll(loaded.code(arm.search()));
    all.addAll(study.prior() == null ? List.of("none") : loaded.code(study.prior()));
    study.evaluators().forEach(bound -> all.addAll(loaded.code(bound)));
    return all;
  }

  private Map<String, Object> fingerprint(String name) {
    GenerativeModel model = loaded.model(name);
    return Map.of(
        "config", bound(name).key(),
        "weights", model.card().weightsSha256(),
        "program", model.card().programSha256(),
        "facts", model.card().facts());
  }

  private Map<String, Object> judges(Study.Arm arm) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("search", judge(arm.search()));
    if (study.prior() != null) {
      map.put("prior", judge(study.prior()));
    }
    map.put("evaluate", study.evaluators().stream().map(this::judge).toList());
    return map;
  }

  private Map<String, Object> judge(PluginRegistry.Bound<Verifier> bound) {
    Verifier verifier = loaded.loaded(bound);
    return Map.of(
        "config", bound.key(),
        "weights", verifier.card().weightsSha256(),
        "program", verifier.card().programSha256(),
        "facts", verifier.card().facts());
  }

  /**
   * How the study's search verifier stands to its metric: {@code oracle} (the very same verifier),
   * a {@link Lineage.Relation} such as {@code same-family}, or {@code none} without an evaluator.
   */
  public String independence() {
    return independence(loaded.searchVerifier());
  }

  /**
   * Who drives an arm's searches, as kept in its records.
   *
   * @param arm of the study
   */
  public CellRecord.Driver driver(Study.Arm arm) {
    Verifier search = loaded.searchVerifier(arm);
    return new CellRecord.Driver(
        search.card().id(), Canonical.sha256(judge(arm.search())), independence(search));
  }

  private String independence(Verifier search) {
    if (loaded.evaluators().isEmpty()) {
      return "none";
    }
    return relation(search, loaded.evaluators().get(0));
  }

  /**
   * How an arm's search verifier stands to each of the study's evaluators, in their order.
   *
   * @param arm of the study
   */
  List<String> relations(Study.Arm arm) {
    Verifier search = loaded.searchVerifier(arm);
    return loaded.evaluators().stream().map(evaluator -> relation(search, evaluator)).toList();
  }

  private static String relation(Verifier search, Verifier evaluator) {
    return evaluator == search
        ? "oracle"
        : Lineage.relation(search.card(), evaluator.card()).label();
  }

  private PluginRegistry.Bound<GenerativeModel> bound(String model) {
    PluginRegistry.Bound<GenerativeModel> bound = study.models().get(model);
    if (bound == null) {
      throw new IllegalArgumentException("no model " + model);
    }
    return bound;
  }
}
