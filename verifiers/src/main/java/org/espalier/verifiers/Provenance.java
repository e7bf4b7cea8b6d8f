package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.espalier.spi.Lineage;
import org.espalier.spi.VerifierCard;

/**
 * Where a checkpoint comes from: what its {@code config.json} says, in fields of Espalier's own
 * ({@code licence}, {@code made_from}, {@code trained_on}), else what is known of the published
 * checkpoints of its kind.
 *
 * @param licence of the weights
 * @param lineage what they were made from
 */
record Provenance(String licence, Lineage lineage) {
  /**
   * Reads it.
   *
   * @param json {@code config.json}
   * @param licence of the published checkpoints, with their name
   * @param families that they were made from
   * @param data that they were trained on
   */
  static Provenance of(JsonNode json, String licence, Set<String> families, Set<String> data) {
    return new Provenance(
        json.path("licence").asText("not stated (" + licence + ")"),
        new Lineage(
            stated(json.path("made_from"), families), stated(json.path("trained_on"), data)));
  }

  private static Set<String> stated(JsonNode names, Set<String> otherwise) {
    if (!names.isArray()) {
      return otherwise;
    }
    Set<String> stated = new TreeSet<>();
    names.forEach(name -> stated.add(name.asText()));
    return stated;
  }

  /**
   * Facts of a card with those of the origin.
   *
   * @param sees what part of an image is seen, in words
   * @param facts others
   */
  Map<String, String> facts(String sees, Map<String, String> facts) {
    Map<String, String> all = new LinkedHashMap<>(lineage.facts());
    all.put(VerifierCard.SEES, sees);
    all.putAll(new TreeMap<>(facts));
    return all;
  }
}
