package org.espalier.study;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.engine.SearchEngine;
import org.espalier.plugins.Canonical;
import org.espalier.plugins.ConfigTree;
import org.espalier.plugins.PluginCode;
import org.espalier.plugins.PluginRegistry;
import org.espalier.plugins.PluginSpec;
import org.espalier.plugins.RecordBinder;
import org.espalier.records.Amount;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.NativeMemory;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierLoader;
import org.jspecify.annotations.Nullable;

/** A study whose models and verifiers are loaded, each once. Owns and closes them. */
public final class LoadedStudy implements AutoCloseable {
  /** What differs between the keys of one arm, model and level. */
  private static final List<String> VARIED = List.of("prompt", "seed");

  private final Study study;
  private final LoadContext machine;
  private final Map<String, GenerativeModel> models = new LinkedHashMap<>();
  private final Map<PluginRegistry.Bound<?>, Verifier> loadedVerifiers = new IdentityHashMap<>();
  private final Map<PluginRegistry.Bound<?>, List<String>> codes = new IdentityHashMap<>();
  private final List<AutoCloseable> closeables = new ArrayList<>();
  private @Nullable Verifier prior;
  private final List<Verifier> evaluators = new ArrayList<>();
  private final Map<Verifier, Map<String, Map<String, Cost>>> sampleCosts = new IdentityHashMap<>();

  private LoadedStudy(Study study) {
    this.study = study;
    StudySpec.Engine engine = study.spec().engineOrDefault();
    LoadContext.Builder builder = machine(engine.deviceOrDefault(), study.source().base());
    if (engine.memory() != null) {
      builder.memory(NativeMemory.of(engine.memory()));
    }
    machine = builder.build();
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
   * The context in which plugins of this machine are loaded, with as much memory as there is.
   *
   * @param device where networks run
   * @param base against which relative weight paths are resolved
   * @param registry the plugins, for composed verifiers
   */
  public static LoadContext context(String device, Path base, PluginRegistry registry) {
    return new Members(machine(device, base).build(), registry, member -> {}).context();
  }

  /**
   * The same with a limit.
   *
   * @param device where networks run
   * @param base against which relative weight paths are resolved
   * @param registry the plugins, for composed verifiers
   * @param memory that what is loaded may take together
   */
  public static LoadContext context(
      String device, Path base, PluginRegistry registry, NativeMemory memory) {
    return new Members(machine(device, base).memory(memory).build(), registry, member -> {})
        .context();
  }

  private static LoadContext.Builder machine(String device, Path base) {
    LoadContext.Builder builder = LoadContext.builder().device(device).baseDirectory(base);
    String kernels = System.getenv("ESPALIER_KERNELS");
    return kernels == null ? builder : builder.kernels(Path.of(kernels));
  }

  /**
   * Loads members of composed verifiers, members' members too.
   *
   * @param machine where
   * @param registry the plugins
   * @param seen told of every member before it is loaded
   */
  private record Members(
      LoadContext machine, PluginRegistry registry, Consumer<PluginRegistry.Bound<Verifier>> seen)
      implements VerifierLoader {
    LoadContext context() {
      return machine.withVerifiers(this);
    }

    @Override
    public Verifier load(Map<String, Object> spec) {
      PluginRegistry.Bound<Verifier> bound = member(registry, spec);
      seen.accept(bound);
      return bound.loader().apply(context());
    }

    @Override
    public void check(Map<String, Object> spec) {
      member(registry, spec).check().accept(context());
    }
  }

  private static PluginRegistry.Bound<Verifier> member(
      PluginRegistry registry, Map<String, Object> spec) {
    record Member(PluginSpec member) {}
    ConfigTree tree = ConfigTree.of("member of a verifier", Map.of("member", spec));
    return registry.verifier(
        RecordBinder.bind(tree, tree.root(), "", Member.class, Set.of()).member());
  }

  private void loadAll(PluginRegistry registry) {
    LoadContext plain = context(registry, member -> {});
    check(study.models().values(), plain);
    check(verifiers(), plain);
    Map<String, Loaded<GenerativeModel>> modelsByConfig = new HashMap<>();
    study
        .models()
        .forEach((name, bound) -> models.put(name, load(bound, registry, modelsByConfig)));
    Map<String, Loaded<Verifier>> verifiersByConfig = new HashMap<>();
    for (PluginRegistry.Bound<Verifier> bound : verifiers()) {
      loadedVerifiers.put(bound, load(bound, registry, verifiersByConfig));
    }
    prior = study.prior() == null ? null : loaded(study.prior());
    study.evaluators().forEach(bound -> evaluators.add(loaded(bound)));
  }

  /** All of the study share one account of memory. */
  private LoadContext context(
      PluginRegistry registry, Consumer<PluginRegistry.Bound<Verifier>> members) {
    return new Members(machine, registry, members).context();
  }

  /** Every verifier that the study names, as often as it does. */
  private List<PluginRegistry.Bound<Verifier>> verifiers() {
    List<PluginRegistry.Bound<Verifier>> all = new ArrayList<>();
    all.add(study.search());
    PluginRegistry.Bound<Verifier> screen = study.prior();
    if (screen != null) {
      all.add(screen);
    }
    all.addAll(study.evaluators());
    study.arms().forEach(arm -> all.add(arm.search()));
    return all;
  }

  /** Checks plugins, those of one configuration once. */
  private static void check(
      Collection<? extends PluginRegistry.Bound<?>> plugins, LoadContext context) {
    Set<String> checked = new HashSet<>();
    for (PluginRegistry.Bound<?> bound : plugins) {
      if (checked.add(Canonical.json(bound.config()))) {
        bound.check().accept(context);
      }
    }
  }

  private record Loaded<T>(T plugin, List<String> code) {}

  /** Loads a plugin, unless one of the same configuration is loaded already. */
  private <T extends AutoCloseable> T load(
      PluginRegistry.Bound<T> bound, PluginRegistry registry, Map<String, Loaded<T>> byConfig) {
    Loaded<T> loaded =
        byConfig.computeIfAbsent(
            Canonical.json(bound.config()),
            config -> {
              Set<String> members = new TreeSet<>();
              T plugin =
                  bound.loader().apply(context(registry, member -> members.add(member.code())));
              closeables.add(plugin);
              List<String> code = new ArrayList<>(List.of(bound.code()));
              code.addAll(members);
              return new Loaded<>(plugin, code);
            });
    codes.put(bound, loaded.code());
    return loaded.plugin();
  }

  private Verifier loaded(PluginRegistry.Bound<Verifier> bound) {
    return required(loadedVerifiers.get(bound));
  }

  /** Fingerprints of a loaded plugin's code and of its members'. */
  private List<String> code(PluginRegistry.Bound<?> bound) {
    return required(codes.get(bound));
  }

  private static <T> T required(@Nullable T loaded) {
    if (loaded == null) {
      throw new IllegalStateException("a plugin is not loaded");
    }
    return loaded;
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
      if (budget.unit().of(cost) > budget.limit() * (1 + 1e-12)) {
        List<String> apart = Amount.apart(budget.limit(), budget.unit().of(cost));
        throw tooSmall(
            "The budget level (%s = %s %s)".formatted(level, apart.get(0), lower(budget.unit())),
            arm,
            name,
            apart.get(1),
            "Maybe set this arm's levels to %sx or more."
                .formatted(
                    Amount.brief(
                        Math.ceil(10 * budget.unit().of(cost) / oneSample(budget.unit()) - 1e-9)
                            / 10)));
      }
      budget
          .caps()
          .forEach(
              (unit, cap) -> {
                if (unit != ComputeUnit.SECONDS && unit.of(cost) > cap * (1 + 1e-12)) {
                  List<String> apart = Amount.apart(cap, unit.of(cost));
                  throw tooSmall(
                      "The cap of %s %s".formatted(apart.get(0), lower(unit)),
                      arm,
                      name,
                      apart.get(1),
                      "Maybe set budgets.caps.%s to %s or more."
                          .formatted(lower(unit), apart.get(1)));
                }
              });
    }
  }

  private static EspalierException tooSmall(
      String budget, Study.Arm arm, String model, String cost, String advice) {
    return new EspalierException(
        EspalierException.Code.BUDGET,
        "%s of the arm (%s) does not suffice for one sample of the model (%s), which costs %s."
            .formatted(budget, arm.label(), model, cost),
        advice);
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

  /**
   * Every cell of the study: by seed, prompt, arm, model and level. Prompts come from all tags in
   * turn, so that a run that is stopped early has searched about as many of each.
   */
  public List<Cell> cells() {
    List<Searcher> searchers = new ArrayList<>();
    for (Study.Arm arm : study.arms()) {
      for (String model : arm.models()) {
        SortedMap<String, String> key = key(arm, model);
        for (Amount level : arm.levels()) {
          Budget budget = budget(level);
          key.put("budget", Canonical.json(budget));
          searchers.add(
              new Searcher(arm, model, level, budget, new Canonical.Template(key, VARIED)));
        }
      }
    }
    List<Prompt> prompts = PromptFiles.interleaved(study.prompts());
    List<String> promptJson = prompts.stream().map(LoadedStudy::json).toList();
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
    all.put("strategy", Canonical.json(arm.strategy().config()));
    all.put("model", Canonical.json(fingerprint(model)));
    all.put("judges", Canonical.json(judges(arm)));
    return all;
  }

  /** Code of the engine and of every plugin that has a hand in a cell, members too. */
  private List<String> code(Study.Arm arm, String model) {
    List<String> all = new ArrayList<>();
    all.add(PluginCode.fingerprint(SearchEngine.class));
    all.add(arm.strategy().code());
    all.addAll(code(required(study.models().get(model))));
    all.addAll(code(arm.search()));
    all.addAll(study.prior() == null ? List.of("none") : code(study.prior()));
    study.evaluators().forEach(bound -> all.addAll(code(bound)));
    return all;
  }

  private Map<String, Object> fingerprint(String name) {
    GenerativeModel model = model(name);
    return Map.of(
        "config", required(study.models().get(name)).config(),
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
      } catch (Throwable e) {
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
