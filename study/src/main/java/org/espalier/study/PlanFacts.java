package org.espalier.study;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.espalier.api.Prompt;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.spi.ModelCard;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;

/** What is known before any search: cards, costs of one sample, levels. Kept with the run. */
final class PlanFacts {
  private PlanFacts() {}

  static Map<String, Object> of(LoadedStudy loaded) {
    Study study = loaded.study();
    Map<String, Object> map = new LinkedHashMap<>();
    StudyCells cells = new StudyCells(loaded);
    map.put("cells", cells.all().size());
    map.put("prompts", study.prompts().size());
    map.put("seeds", study.spec().seedCount());
    ComputeUnit unit = study.spec().budgets().unitOrDefault();
    map.put("unit", unit.name().toLowerCase(Locale.ROOT));
    map.put("oneSample", loaded.oneSample(unit));
    map.put("tolerance", study.spec().budgets().toleranceOrDefault());
    map.put("independence", cells.independence());
    Map<String, Object> models = new LinkedHashMap<>();
    loaded
        .models()
        .forEach(
            (name, model) -> {
              Map<String, Object> card = card(model.card());
              // Doubles: a sum over many prompts of a large model is beyond a long.
              double flops = 0;
              double nfe = 0;
              for (Prompt prompt : study.prompts()) {
                Cost cost = loaded.sampleCost(name, prompt);
                flops += (double) cost.flops() + cost.verifierFlops();
                nfe += cost.nfe();
              }
              card.put("sampleFlops", (long) (flops / study.prompts().size()));
              card.put("sampleNfe", (long) (nfe / study.prompts().size()));
              models.put(name, card);
            });
    map.put("models", models);
    Map<String, Object> verifiers = new LinkedHashMap<>();
    verifiers.put("search", card(loaded.searchVerifier().card()));
    Verifier prior = loaded.prior();
    if (prior != null) {
      verifiers.put("prior", card(prior.card()));
    }
    List<Object> evaluators = new ArrayList<>();
    loaded.evaluators().forEach(v -> evaluators.add(card(v.card())));
    verifiers.put("evaluate", evaluators);
    map.put("verifiers", verifiers);
    List<Object> arms = new ArrayList<>();
    for (Study.Arm arm : study.arms()) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("name", arm.label());
      line.put("strategy", arm.strategy().config());
      line.put("summary", arm.strategy().strategy().card().summary());
      line.put("paper", arm.strategy().strategy().card().paper().toString());
      line.put("models", arm.models());
      if (loaded.searchVerifier(arm) != loaded.searchVerifier()) {
        line.put("verifier", card(loaded.searchVerifier(arm).card()));
      }
      line.put("independence", cells.driver(arm).independence());
      line.put("evaluators", cells.relations(arm));
      Map<String, Object> levels = new LinkedHashMap<>();
      arm.levels().forEach(level -> levels.put(level.label(), loaded.budget(level).limit()));
      line.put("levels", levels);
      arms.add(line);
    }
    map.put("arms", arms);
    return map;
  }

  private static Map<String, Object> card(ModelCard card) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("id", card.id());
    map.put("weightsSha256", card.weightsSha256());
    map.put("programSha256", card.programSha256());
    map.put("licence", card.licence());
    map.put("horizon", card.horizon());
    map.put("capabilities", card.capabilities().stream().sorted().toList());
    map.put("width", card.width());
    map.put("height", card.height());
    map.put("facts", card.facts());
    return map;
  }

  private static Map<String, Object> card(VerifierCard card) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("id", card.id());
    map.put("weightsSha256", card.weightsSha256());
    map.put("programSha256", card.programSha256());
    map.put("licence", card.licence());
    map.put("preprocessing", card.preprocessing());
    map.put("textLimit", card.textLimit());
    map.put("range", card.range());
    map.put("metric", card.metric());
    map.put("facts", card.facts());
    return map;
  }
}
