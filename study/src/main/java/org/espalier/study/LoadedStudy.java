package org.espalier.study;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.engine.SearchEngine;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.study.config.Canonical;
import org.espalier.study.config.ConfigTree;
import org.espalier.study.config.RecordBinder;
import org.jspecify.annotations.Nullable;

/** A study whose models and verifiers are loaded, each once. Owns and closes them. */
public final class LoadedStudy implements AutoCloseable {
  /** Part of every cell key: raised when the meaning of a record changes. */
  public static final int SCHEMA = 1;

  private final Study study;
  private final Map<String, GenerativeModel> models = new LinkedHashMap<>();
  private final Map<String, Verifier> loadedVerifiers = new LinkedHashMap<>();
  private final List<AutoCloseable> closeables = new ArrayList<>();
  private @Nullable Verifier prior;
  private final List<Verifier> evaluators = new ArrayList<>();
  private final Map<Verifier, Map<String, Map<String, Cost>>> sampleCosts = new IdentityHashMap<>();

  private LoadedStudy(Study study) {
    this.study = study;
  }

  /**
   * Loads what a study needs and checks all that can be checked before searching.
   *
   * @param study the study
   * @param registry the plugins
   */
  public static LoadedStudy load(Study study, PluginRegistry registry) {
    LoadedStudy loaded = new LoadedStudy(study);
    try {
      loaded.loadAll(registry);
      loaded.check();
      return loaded;
    } catch (RuntimeException | Error e) {
      try {
        loaded.close();
      } catch (RuntimeException suppressed) {
        e.addSuppressed(suppressed);
      }
      throw e;
    }
  }

  /**
   * The context in which plugins of this machine are loaded.
   *
   * @param device where networks run
   * @param base against which relative weight paths are resolved
   * @param registry the plugins, for composed verifiers
   */
  public static LoadContext context(
      String device, java.nio.file.Path base, PluginRegistry registry) {
    LoadContext[] self = new LoadContext[1];
    self[0] =
        new LoadContext(
            device,
            base,
            spec -> {
              record Member(org.espalier.study.config.PluginSpec member) {}
              ConfigTree tree = ConfigTree.of("member of a verifier", Map.of("member", spec));
              return registry
                  .verifier(
                      RecordBinder.bind(tree, tree.root(), "", Member.class, java.util.Set.of())
                          .member())
                  .loader()
                  .apply(self[0]);
            });
    return self[0];
  }

  private void loadAll(PluginRegistry registry) {
    LoadContext context =
        context(study.spec().engineOrDefault().deviceOrDefault(), study.source().base(), registry);
    Map<String, GenerativeModel> byConfig = new LinkedHashMap<>();
    study.models().values().forEach(bound -> bound.check().accept(context));
    study
        .models()
        .forEach(
            (name, bound) -> {
              String config = Canonical.json(bound.config());
              GenerativeModel model = byConfig.get(config);
              if (model == null) {
                model = bound.loader().apply(context);
                closeables.add(model::close);
                byConfig.put(config, model);
              }
              models.put(name, model);
            });
    load(study.search(), context);
    PluginRegistry.Bound<Verifier> screen = study.prior();
    prior = screen == null ? null : load(screen, context);
    study.evaluators().forEach(bound -> evaluators.add(load(bound, context)));
    study.arms().forEach(arm -> load(arm.search(), context));
  }

  private Verifier load(PluginRegistry.Bound<Verifier> bound, LoadContext context) {
    return loadedVerifiers.computeIfAbsent(
        Canonical.json(bound.config()),
        config -> {
          Verifier verifier = bound.loader().apply(context);
          closeables.add(verifier::close);
          return verifier;
        });
  }

  private Verifier loaded(PluginRegistry.Bound<Verifier> bound) {
    Verifier verifier = loadedVerifiers.get(Canonical.json(bound.config()));
    if (verifier == null) {
      throw new IllegalStateException("a verifier is not loaded");
    }
    return verifier;
  }

  private void check() {
    for (Study.Arm arm : study.arms()) {
      for (String name : arm.models()) {
        SearchEngine.requireCapabilities(arm.strategy().strategy().card(), model(name).card());
      }
      for (VerifierRole role : arm.strategy().strategy().card().roles()) {
        if (!verifiers(arm).containsKey(role)) {
          throw new EspalierException(
              EspalierException.Code.CAPABILITY,
              "The arm (%s) asks for the verifier role (%s), which the study has not."
                  .formatted(arm.label(), role),
              "Maybe set verifiers." + role.name().toLowerCase(Locale.ROOT) + ".");
        }
      }
    }
    quoteSamples(searchVerifier());
    for (Study.Arm arm : study.arms()) {
      quoteSamples(searchVerifier(arm));
      requireBounded(searchVerifier(arm));
    }
    for (Study.Arm arm : study.arms()) {
      for (String name : arm.models()) {
        for (Amount level : arm.levels()) {
          requireOneSample(arm, name, level);
        }
      }
    }
  }

  private void quoteSamples(Verifier search) {
    if (sampleCosts.containsKey(search)) {
      return;
    }
    Map<String, Map<String, Cost>> byModel = new LinkedHashMap<>();
    models.forEach(
        (name, model) -> {
          Map<String, Cost> costs = new LinkedHashMap<>();
          for (Prompt prompt : study.prompts()) {
            costs.put(prompt.id(), SearchEngine.sampleCost(model, search, prompt));
          }
          byModel.put(name, costs);
        });
    sampleCosts.put(search, byModel);
  }

  /** Every verb costs something in the unit, or is capped; else a search need not end. */
  private void requireBounded(Verifier search) {
    ComputeUnit unit = study.spec().budgets().unitOrDefault();
    Map<ComputeUnit, Amount> caps = study.spec().budgets().caps();
    boolean verifierWorks =
        search
                .quote(
                    study.prompts().get(0),
                    model(models.keySet().iterator().next()).card().width(),
                    model(models.keySet().iterator().next()).card().height(),
                    1)
                .verifierFlops()
            > 0;
    boolean flops = unit == ComputeUnit.FLOPS || capped(caps, ComputeUnit.FLOPS);
    boolean verify =
        unit == ComputeUnit.VERIFIER_CALLS
            || capped(caps, ComputeUnit.VERIFIER_CALLS)
            || (flops && verifierWorks);
    boolean expand = unit == ComputeUnit.NFE || capped(caps, ComputeUnit.NFE) || flops;
    if (!verify || !expand) {
      throw new EspalierException(
          EspalierException.Code.BUDGET,
          "Under a budget in %s %s is free and has no cap, so a search need not end."
              .formatted(lower(unit), verify ? "generating" : "verifying"),
          "Maybe add budgets.caps: {%s: 64x}, or use the unit flops."
              .formatted(verify ? "nfe" : "verifier_calls"));
    }
  }

  private static boolean capped(@Nullable Map<ComputeUnit, Amount> caps, ComputeUnit unit) {
    return caps != null && caps.containsKey(unit);
  }

  private static String lower(ComputeUnit unit) {
    return unit.name().toLowerCase(Locale.ROOT);
  }

  private void requireOneSample(Study.Arm arm, String name, Amount level) {
    Budget budget = budget(level);
    for (Prompt prompt : study.prompts()) {
      Cost cost = sampleCost(searchVerifier(arm), name, prompt);
      Map<ComputeUnit, Double> limits = new EnumMap<>(ComputeUnit.class);
      limits.put(budget.unit(), budget.limit());
      budget.caps().forEach((unit, cap) -> limits.merge(unit, cap, Math::min));
      limits.remove(ComputeUnit.SECONDS);
      limits.forEach(
          (unit, limit) -> {
            if (unit.of(cost) > limit * (1 + 1e-12)) {
              throw new EspalierException(
                  EspalierException.Code.BUDGET,
                  "The budget level (%s = %s %s) of the arm (%s) does not suffice for one sample of the model (%s), which costs %s."
                      .formatted(
                          level,
                          Amount.brief(limit),
                          lower(unit),
                          arm.label(),
                          name,
                          Amount.brief(unit.of(cost))),
                  "Maybe set levels of this arm from %sx on."
                      .formatted(
                          Amount.brief(
                              Math.ceil(10 * unit.of(cost) / oneSample(unit) - 1e-9) / 10)));
            }
          });
    }
  }

  /** The study. */
  public Study study() {
    return study;
  }

  /**
   * A model.
   *
   * @param name its name in the study
   */
  public GenerativeModel model(String name) {
    GenerativeModel model = models.get(name);
    if (model == null) {
      throw new IllegalArgumentException("no model " + name);
    }
    return model;
  }

  /** The models by name. */
  public Map<String, GenerativeModel> models() {
    return models;
  }

  /**
   * The verifiers of an arm's searches by role.
   *
   * @param arm of the study
   */
  public Map<VerifierRole, Verifier> verifiers(Study.Arm arm) {
    Map<VerifierRole, Verifier> roles = new EnumMap<>(VerifierRole.class);
    roles.put(VerifierRole.SEARCH, searchVerifier(arm));
    if (prior != null) {
      roles.put(VerifierRole.PRIOR, prior);
    }
    return roles;
  }

  /** The study's search verifier, which the budget's {@code 1x} includes. */
  public Verifier searchVerifier() {
    return loaded(study.search());
  }

  /**
   * The verifier that drives an arm's searches.
   *
   * @param arm of the study
   */
  public Verifier searchVerifier(Study.Arm arm) {
    return loaded(arm.search());
  }

  /** The screening verifier, if any. */
  public @Nullable Verifier prior() {
    return prior;
  }

  /** The judges of answers, the study's metric first. */
  public List<Verifier> evaluators() {
    return evaluators;
  }

  /**
   * The cost of one sample, judged by the study's search verifier.
   *
   * @param model its name in the study
   * @param prompt what of
   */
  public Cost sampleCost(String model, Prompt prompt) {
    return sampleCost(searchVerifier(), model, prompt);
  }

  /**
   * The cost of one sample, judged by an arm's search verifier.
   *
   * @param arm of the study
   * @param model its name in the study
   * @param prompt what of
   */
  public Cost sampleCost(Study.Arm arm, String model, Prompt prompt) {
    return sampleCost(searchVerifier(arm), model, prompt);
  }

  private Cost sampleCost(Verifier search, String model, Prompt prompt) {
    Cost cost =
        sampleCosts.getOrDefault(search, Map.of()).getOrDefault(model, Map.of()).get(prompt.id());
    if (cost == null) {
      throw new IllegalArgumentException("no cost of " + model + " for " + prompt.id());
    }
    return cost;
  }

  /**
   * What {@code 1x} means: one sample of the cheapest model, for the dearest prompt, so that it
   * suffices for every prompt.
   *
   * @param unit in which unit
   */
  public double oneSample(ComputeUnit unit) {
    return models.keySet().stream()
        .map(
            name ->
                study.prompts().stream()
                    .mapToDouble(prompt -> unit.of(sampleCost(name, prompt)))
                    .max()
                    .orElse(0))
        .min(Comparator.naturalOrder())
        .orElse(0.0);
  }

  /**
   * The budget of a level.
   *
   * @param level as it was written
   */
  public Budget budget(Amount level) {
    ComputeUnit unit = study.spec().budgets().unitOrDefault();
    Map<ComputeUnit, Double> caps = new EnumMap<>(ComputeUnit.class);
    Map<ComputeUnit, Amount> given = study.spec().budgets().caps();
    if (given != null) {
      given.forEach(
          (u, amount) -> caps.put(u, amount.absolute(u == ComputeUnit.SECONDS ? 1 : oneSample(u))));
    }
    return new Budget(unit, level.absolute(oneSample(unit)), caps);
  }

  /** Every cell of the study: by seed, prompt, arm, model and level. */
  public List<Cell> cells() {
    List<Cell> cells = new ArrayList<>();
    Map<String, Budget> budgets = new LinkedHashMap<>();
    for (int i = 0; i < study.spec().seedCount(); i++) {
      for (Prompt prompt : study.prompts()) {
        for (Study.Arm arm : study.arms()) {
          for (String model : arm.models()) {
            for (Amount level : arm.levels()) {
              long seed = study.spec().firstSeed() + i;
              Budget budget = budgets.computeIfAbsent(level.label(), label -> budget(level));
              cells.add(
                  new Cell(
                      key(arm, model, prompt, seed, budget),
                      arm,
                      model,
                      prompt,
                      seed,
                      level,
                      budget));
            }
          }
        }
      }
    }
    return cells;
  }

  private String key(Study.Arm arm, String model, Prompt prompt, long seed, Budget budget) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("schema", SCHEMA);
    all.put("version", Environment.version());
    all.put("code", code(arm, model));
    all.put("arm", arm.label());
    all.put("strategy", arm.strategy().config());
    all.put("model", fingerprint(model));
    all.put("judges", judges(arm));
    all.put(
        "prompt",
        Map.of(
            "id", prompt.id(),
            "text", prompt.text(),
            "tag", prompt.tag(),
            "metadata", prompt.metadata()));
    all.put("seed", seed);
    all.put("budget", budget);
    return Canonical.sha256(all);
  }

  /** Code of the engine and of every plugin that has a hand in a cell. */
  private Object code(Study.Arm arm, String model) {
    return fingerprints.computeIfAbsent(
        "/code/" + arm.label() + "/" + model,
        n -> {
          List<String> codes = new ArrayList<>();
          codes.add(PluginCode.fingerprint(SearchEngine.class));
          codes.add(arm.strategy().code());
          PluginRegistry.Bound<GenerativeModel> searched = study.models().get(model);
          codes.add(searched == null ? "none" : searched.code());
          codes.add(arm.search().code());
          PluginRegistry.Bound<Verifier> screen = study.prior();
          codes.add(screen == null ? "none" : screen.code());
          study.evaluators().forEach(bound -> codes.add(bound.code()));
          return codes;
        });
  }

  private final Map<String, Object> fingerprints = new LinkedHashMap<>();

  private Object fingerprint(String name) {
    return fingerprints.computeIfAbsent(
        name,
        n -> {
          Map<String, Object> map = new LinkedHashMap<>();
          PluginRegistry.Bound<GenerativeModel> bound = study.models().get(n);
          map.put("config", bound == null ? Map.of() : bound.config());
          map.put("weights", model(n).card().weightsSha256());
          map.put("program", model(n).card().programSha256());
          map.put("facts", model(n).card().facts());
          return map;
        });
  }

  private Object judges(Study.Arm arm) {
    return fingerprints.computeIfAbsent(
        "/judges/" + Canonical.json(arm.search().config()),
        n -> {
          Map<String, Object> map = new LinkedHashMap<>();
          map.put("search", judge(arm.search()));
          PluginRegistry.Bound<Verifier> screen = study.prior();
          if (screen != null) {
            map.put("prior", judge(screen));
          }
          map.put("evaluate", study.evaluators().stream().map(this::judge).toList());
          return map;
        });
  }

  private Object judge(PluginRegistry.Bound<Verifier> bound) {
    Verifier verifier = loaded(bound);
    return Map.of(
        "config", bound.config(),
        "weights", verifier.card().weightsSha256(),
        "program", verifier.card().programSha256(),
        "facts", verifier.card().facts());
  }

  /**
   * How the study's search verifier stands to its metric: {@code independent}, {@code same-metric},
   * {@code oracle} (the very same verifier), or {@code none} without an evaluator.
   */
  public String independence() {
    return independence(searchVerifier());
  }

  /**
   * Who drives an arm's searches, as kept in its records.
   *
   * @param arm of the study
   */
  public CellRecord.Driver driver(Study.Arm arm) {
    Verifier search = searchVerifier(arm);
    return new CellRecord.Driver(
        search.card().id(), Canonical.sha256(judge(arm.search())), independence(search));
  }

  private String independence(Verifier search) {
    if (evaluators.isEmpty()) {
      return "none";
    }
    Verifier metric = evaluators.get(0);
    if (metric == search) {
      return "oracle";
    }
    return metric.card().metric().equals(search.card().metric()) ? "same-metric" : "independent";
  }

  @Override
  public void close() {
    RuntimeException failure = null;
    for (int i = closeables.size() - 1; i >= 0; i--) {
      try {
        closeables.get(i).close();
      } catch (Exception e) {
        if (failure == null) {
          failure = new IllegalStateException("closing a plugin failed", e);
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    closeables.clear();
    if (failure != null) {
      throw failure;
    }
  }
}
