package org.espalier.engine;

import java.util.EnumMap;
import java.util.Map;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.SearchStrategy;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Verifier;

/**
 * One search: everything that can change its result, and nothing else but the options.
 *
 * @param id of the search; candidate ids start with it
 * @param strategy what searches
 * @param model what is searched
 * @param verifiers by role; {@link VerifierRole#SEARCH} is required
 * @param prompt what is searched for
 * @param budget what may be spent
 * @param key the study's root key; the engine derives the prompt's from it
 * @param options how it is run; must not change the result
 */
public record SearchRequest(
    String id,
    SearchStrategy strategy,
    GenerativeModel model,
    Map<VerifierRole, Verifier> verifiers,
    Prompt prompt,
    Budget budget,
    DrawKey key,
    EngineOptions options) {
  public SearchRequest {
    if (!verifiers.containsKey(VerifierRole.SEARCH)) {
      throw EspalierException.config(
          "The search (" + id + ") has no search verifier.", "Maybe set verifiers.search.");
    }
    verifiers = Map.copyOf(new EnumMap<>(verifiers));
  }

  /**
   * The same search under another budget.
   *
   * @param other what may be spent
   */
  public SearchRequest withBudget(Budget other) {
    return new SearchRequest(id, strategy, model, verifiers, prompt, other, key, options);
  }
}
