package org.espalier.api;

import java.net.URI;
import java.util.Set;

/**
 * What a strategy is and needs.
 *
 * @param id kebab-case identifier, kept in records permanently
 * @param summary one sentence
 * @param paper where the method was published
 * @param requires what a model must be able to do; the pairing is refused at validation otherwise
 * @param roles which verifiers it asks besides {@link VerifierRole#SEARCH}
 */
public record StrategyCard(
    String id, String summary, URI paper, Set<Capability> requires, Set<VerifierRole> roles) {
  public StrategyCard {
    requires = Set.copyOf(requires);
    roles = Set.copyOf(roles);
  }

  /**
   * A card of a strategy that asks the search verifier only.
   *
   * @param id kebab-case identifier
   * @param summary one sentence
   * @param paper where the method was published
   * @param requires what a model must be able to do
   */
  public static StrategyCard of(String id, String summary, String paper, Capability... requires) {
    return new StrategyCard(
        id, summary, URI.create(paper), Set.of(requires), Set.of(VerifierRole.SEARCH));
  }
}
