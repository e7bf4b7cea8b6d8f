package org.espalier.study;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
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
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.StrategyCard;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.engine.Pairing;
import org.espalier.engine.SearchEngine;
import org.espalier.plugins.Canonical;
import org.espalier.plugins.ConfigTree;
import org.espalier.plugins.PluginRegistry;
import org.espalier.plugins.PluginSpec;
import org.espalier.plugins.RecordBinder;
import org.espalier.records.Amount;
import org.espalier.spi.Closing;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelCard;
import org.espalier.spi.NativeMemory;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.VerifierLoader;
import org.jspecify.annotations.Nullable;

/** A study whose models and verifiers are loaded, each once. Owns and closes them. */
public final class LoadedStudy implements AutoCloseable {
  private final Study study;
  private final LoadContext machine;
  private final Map<String, GenerativeModel> models = new LinkedHashMap<>();
  private final Map<PluginRegistry.Bound<?>, Verifier> loadedVerifiers = new IdentityHashMap<>();
  private final Map<PluginRegistry.Bound<?>, List<String>> codes = new IdentityHashMap<>();
  private final List<AutoCloseable> closeables = new ArrayList<>();
  private @Nullable Verifier prior;
  private final List<Verifier> evaluators = new ArrayList<>();
  private final Map<Verifier, Set<String>> skipped = new IdentityHashMap<>();
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
      loaded.check(registry.loader());
      return loaded;
    } catch (RuntimeException | Error e) {
      Closing.after(List.of(loaded), e);
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
   * @param seen receives every member before it is loaded
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
              code.addAll(bound.members());
              code.addAll(members);
              return new Loaded<>(plugin, code);
            });
    codes.put(bound, loaded.code());
    return loaded.plugin();
  }

  /**
   * A verifier that the study names.
   *
   * @param bound of the study
   */
  Verifier loaded(PluginRegistry.Bound<Verifier> bound) {
    return required(loadedVerifiers.get(bound));
  }

  /**
   * Fingerprints of a loaded plugin's code and of its members'.
   *
   * @param bound of the study
   */
  List<String> code(PluginRegistry.Bound<?> bound) {
    return required(codes.get(bound));
  }

  private static <T> T required(@Nullable T loaded) {
    if (loaded == null) {
      throw new IllegalStateException("a plugin is not loaded");
    }
    return loaded;
  }

  private void check(ClassLoader sets) {
    for (Study.Arm arm : study.arms()) {
      try {
        checkPairings(arm);
      } catch (EspalierException e) {
        throw e.at(arm.place());
      }
    }
    requireSupported(sets);
    quoteSamples(searchVerifier());
    for (Study.Arm arm : study.arms()) {
      quoteSamples(searchVerifier(arm));
    }
    for (Study.Arm arm : study.arms()) {
      for (String name : arm.models()) {
        for (Amount level : arm.levels()) {
          requireOneSample(arm, name, level);
        }
      }
    }
  }

  private void checkPairings(Study.Arm arm) {
    StrategyCard card = arm.strategy().strategy().card();
    for (String name : arm.models()) {
      ModelCard searched = model(name).card();
      Pairing.requireCapabilities(
          card,
          searched,
          "strategy (%s) of the arm (%s)".formatted(card.id(), arm.label()),
          name.equals(searched.id())
              ? "model (" + name + ")"
              : "model (%s, which is %s)".formatted(name, searched.id()));
    }
    for (VerifierRole role : card.roles()) {
      Pairing.requireRole(verifiers(arm), role, "The arm (" + arm.label() + ")");
    }
  }

  /** Verifiers can judge what they will be asked about. */
  private void requireSupported(ClassLoader sets) {
    Set<Verifier> searching = Collections.newSetFromMap(new IdentityHashMap<>());
    searching.add(searchVerifier());
    study.arms().forEach(arm -> searching.add(searchVerifier(arm)));
    if (prior != null) {
      searching.add(prior);
    }
    for (Verifier verifier : searching) {
      List<Prompt> none = unsupported(verifier);
      if (!none.isEmpty()) {
        throw unsupported(verifier, "verifier", none, sets);
      }
    }
    boolean skips = study.spec().verifiers().skipsUnsupported();
    for (Verifier evaluator : evaluators) {
      List<Prompt> none = unsupported(evaluator);
      if (!none.isEmpty() && (!skips || none.size() == study.prompts().size())) {
        throw unsupported(evaluator, "evaluator", none, sets);
      }
      skipped.put(evaluator, none.stream().map(Prompt::id).collect(Collectors.toSet()));
    }
  }

  private List<Prompt> unsupported(Verifier verifier) {
    return study.prompts().stream().filter(prompt -> !verifier.supports(prompt)).toList();
  }

  private EspalierException unsupported(
      Verifier verifier, String what, List<Prompt> none, ClassLoader sets) {
    Prompt first = none.get(0);
    int all = study.prompts().size();
    EspalierException error =
        new EspalierException(
            EspalierException.Code.CAPABILITY,
            "The %s (%s) cannot judge %d of %d prompts, such as \"%s\": %s"
                .formatted(
                    what,
                    verifier.card().id(),
                    none.size(),
                    all,
                    first.text(),
                    verifier.unsupported(first).orElse("it does not say why.")),
            what.equals("evaluator") && none.size() < all
                ? "Maybe set verifiers.unsupported: skip to leave such prompts to other evaluators,"
                    + " or choose prompts by prompts.tags."
                : "Maybe use prompts with the metadata that it needs, or another verifier.");
    try {
      return error.at(
          PromptFiles.place(study.spec().prompts(), study.source().base(), sets, first.id()));
    } catch (EspalierException e) { // the prompts of a run, whose file is gone or has changed
      error.addSuppressed(e);
      return error;
    }
  }

  /**
   * Whether an evaluator is not asked about images of a prompt, since it cannot judge them and the
   * study says to skip such prompts.
   *
   * @param evaluator of the study
   * @param prompt of the study
   */
  boolean skips(Verifier evaluator, Prompt prompt) {
    return skipped.getOrDefault(evaluator, Set.of()).contains(prompt.id());
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

  private static String lower(ComputeUnit unit) {
    return unit.name().toLowerCase(Locale.ROOT);
  }

  private void requireOneSample(Study.Arm arm, String name, Amount level) {
    Budget budget = budget(arm, name, level);
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
   * What {@code 1x} means: one sample of the cheapest model, for the most expensive prompt, so that
   * it suffices for every prompt.
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
   * The budget of an arm's searches of a model at a level: with default caps where the study's own
   * do not bound some verb.
   *
   * @param arm of the study
   * @param model its name in the study
   * @param level as it was written
   */
  public Budget budget(Study.Arm arm, String model, Amount level) {
    return SearchEngine.bounded(
        budget(level),
        model(model),
        verifiers(arm),
        arm.strategy().strategy().card().roles(),
        study.prompts().get(0));
  }

  /** What a reader of the study should know before it runs, one sentence each; often nothing. */
  public List<String> remarks() {
    Map<String, Verifier> judges = new LinkedHashMap<>();
    for (Study.Arm arm : study.arms()) {
      Verifier search = searchVerifier(arm);
      judges.put(search.card().id(), search);
    }
    evaluators.forEach(evaluator -> judges.put(evaluator.card().id(), evaluator));
    List<String> remarks = new ArrayList<>();
    models.forEach(
        (name, model) -> {
          int width = model.card().width();
          int height = model.card().height();
          judges.forEach(
              (id, judge) -> {
                String sees = judge.card().facts().getOrDefault(VerifierCard.SEES, "");
                if (width != height && sees.contains(VerifierCard.MIDDLE_SQUARE)) {
                  remarks.add(
                      "The verifier %s sees only the middle square of the images of %s (%d x %d)."
                          .formatted(id, name, width, height));
                }
              });
        });
    return remarks;
  }

  @Override
  public void close() {
    List<AutoCloseable> open = List.copyOf(closeables);
    closeables.clear();
    Closing.all(open);
  }
}
