package org.espalier.study;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.espalier.api.NearestNames;
import org.espalier.api.Prompt;
import org.espalier.plugins.Canonical;
import org.espalier.plugins.PluginRegistry;
import org.espalier.plugins.PluginSpec;
import org.espalier.records.Amount;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Verifier;
import org.jspecify.annotations.Nullable;

/**
 * A study whose every plugin is found and configured and whose prompts are read, before any network
 * is loaded.
 *
 * @param source its text
 * @param spec what the text says
 * @param prompts what is searched for
 * @param arms what is compared
 * @param models by name
 * @param search the search verifier
 * @param prior the screening verifier, if any
 * @param evaluators judges of the answers, the study's metric first
 */
public record Study(
    StudySource source,
    StudySpec spec,
    List<Prompt> prompts,
    List<Arm> arms,
    Map<String, PluginRegistry.Bound<GenerativeModel>> models,
    PluginRegistry.Bound<Verifier> search,
    PluginRegistry.@Nullable Bound<Verifier> prior,
    List<PluginRegistry.Bound<Verifier>> evaluators) {

  /**
   * An arm whose strategy is configured.
   *
   * @param label what tables call it
   * @param strategy what searches
   * @param models names of the models searched
   * @param levels budget levels
   * @param search drives its searches: its own verifier, or the study's
   * @param place where it stands, for errors
   */
  public record Arm(
      String label,
      PluginRegistry.BoundStrategy strategy,
      List<String> models,
      List<Amount> levels,
      PluginRegistry.Bound<Verifier> search,
      String place) {}

  /**
   * Binds a study.
   *
   * @param source its text
   * @param registry the plugins
   */
  public static Study bind(StudySource source, PluginRegistry registry) {
    StudySpec spec = source.bind();
    return bind(
        source,
        spec,
        registry,
        () -> PromptFiles.load(spec.prompts(), source.base(), registry.loader()));
  }

  /**
   * Binds a study whose prompts are known, whatever its text says of them.
   *
   * @param source its text
   * @param registry the plugins
   * @param prompts what is searched for
   */
  static Study bind(StudySource source, PluginRegistry registry, List<Prompt> prompts) {
    return bind(source, source.bind(), registry, () -> prompts);
  }

  private static Study bind(
      StudySource source, StudySpec spec, PluginRegistry registry, Supplier<List<Prompt>> prompts) {
    Map<String, PluginRegistry.Bound<GenerativeModel>> models = new LinkedHashMap<>();
    spec.models().forEach((name, plugin) -> models.put(name, registry.model(plugin)));
    PluginRegistry.Bound<Verifier> search = registry.verifier(spec.verifiers().search());
    PluginSpec priorSpec = spec.verifiers().prior();
    PluginRegistry.Bound<Verifier> prior = priorSpec == null ? null : registry.verifier(priorSpec);
    List<PluginRegistry.Bound<Verifier>> evaluators = new ArrayList<>();
    List<PluginSpec> evaluate = spec.verifiers().evaluate();
    if (evaluate != null) {
      evaluate.forEach(plugin -> evaluators.add(registry.verifier(plugin)));
    }
    List<Arm> arms = new ArrayList<>();
    Set<String> labels = new HashSet<>();
    for (StudySpec.Arm arm : spec.arms()) {
      PluginSpec place = arm.strategy();
      if (!labels.add(arm.label())) {
        throw place
            .tree()
            .error(
                place.idNode(),
                "Two arms have the name (" + arm.label() + ").",
                "Maybe give one of them a name: ....");
      }
      List<String> names = arm.models() == null ? List.copyOf(models.keySet()) : arm.models();
      for (String name : names) {
        if (!models.containsKey(name)) {
          throw place
              .tree()
              .error(
                  place.node(),
                  "The arm (" + arm.label() + ") refers to an unknown model (" + name + ").",
                  NearestNames.advice(name, models.keySet()));
        }
      }
      List<Amount> levels = arm.levels();
      PluginSpec own = arm.verifier();
      arms.add(
          new Arm(
              arm.label(),
              registry.strategy(place),
              List.copyOf(names),
              levels == null ? spec.budgets().levels() : levels,
              own == null ? search : registry.verifier(own),
              place.tree().at(place.node())));
    }
    return new Study(source, spec, prompts.get(), arms, models, search, prior, evaluators);
  }

  /** The resolved configuration: defaults filled in, what cannot change a result left out. */
  public Map<String, Object> resolved() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("study", spec.study());
    map.put("seed", spec.firstSeed());
    map.put("seeds", spec.seedCount());
    List<Object> texts = new ArrayList<>();
    prompts.forEach(prompt -> texts.add(Map.of("id", prompt.id(), "text", prompt.text())));
    map.put("prompts", Map.of("count", prompts.size(), "sha256", Canonical.sha256(texts)));
    Map<String, Object> budgets = new LinkedHashMap<>();
    budgets.put("unit", spec.budgets().unitOrDefault());
    budgets.put("levels", spec.budgets().levels());
    budgets.put("tolerance", spec.budgets().toleranceOrDefault());
    if (spec.budgets().caps() != null) {
      budgets.put("caps", spec.budgets().caps());
    }
    map.put("budgets", budgets);
    Map<String, Object> bound = new LinkedHashMap<>();
    models.forEach((name, model) -> bound.put(name, model.key()));
    map.put("models", bound);
    Map<String, Object> judges = new LinkedHashMap<>();
    judges.put("search", search.key());
    if (prior != null) {
      judges.put("prior", prior.key());
    }
    judges.put("evaluate", evaluators.stream().map(PluginRegistry.Bound::config).toList());
    map.put("verifiers", judges);
    List<Object> lines = new ArrayList<>();
    for (Arm arm : arms) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("name", arm.label());
      line.put("strategy", arm.strategy().key());
      line.put("models", arm.models());
      line.put("levels", arm.levels());
      if (arm.search() != search) {
        line.put("verifier", arm.search().key());
      }
      lines.add(line);
    }
    map.put("arms", lines);
    return map;
  }

  /** Directory in which run directories are made. */
  public Path output() {
    String output = spec.output();
    return Path.of(output == null ? "runs" : output);
  }
}
