package org.espalier.spi;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a verifier was made from, as far as its card says: a judge of a search's answers that is kin
 * to the judge that searched for them shares its mistakes, and gains measured by it are partly the
 * search's skill in exploiting them. Kept among the card's facts.
 *
 * @param families networks that it is or was tuned from, such as {@code clip}; sorted
 * @param data sets on which it was trained, such as {@code pick-a-pic}; sorted
 */
public record Lineage(Set<String> families, Set<String> data) {
  /** The card's fact with the families. */
  public static final String FAMILIES = "made-from";

  /** The card's fact with the data. */
  public static final String DATA = "trained-on";

  private static final String NONE = "nothing";
  private static final String SEPARATOR = ", ";

  public Lineage {
    families = Collections.unmodifiableSet(new TreeSet<>(families));
    data = Collections.unmodifiableSet(new TreeSet<>(data));
  }

  /**
   * How a judge of answers stands to the judge that searched for them. The nearest relation counts.
   */
  public enum Relation {
    /** The same metric, be it with other weights. */
    SAME_METRIC,
    /** Made from the same network. */
    SAME_FAMILY,
    /** Trained on the same data. */
    SHARED_DATA,
    /** Neither, as far as both cards say. */
    INDEPENDENT,
    /** One of the cards does not say. */
    UNKNOWN;

    /** As records and reports call it, such as {@code same-family}. */
    public String label() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /** The facts for a card. */
  public Map<String, String> facts() {
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put(FAMILIES, families.isEmpty() ? NONE : String.join(SEPARATOR, families));
    facts.put(DATA, data.isEmpty() ? NONE : String.join(SEPARATOR, data));
    return facts;
  }

  /**
   * What a card says, or nothing where it does not say.
   *
   * @param card of a verifier
   */
  public static Optional<Lineage> of(VerifierCard card) {
    String families = card.facts().get(FAMILIES);
    String data = card.facts().get(DATA);
    return families == null || data == null
        ? Optional.empty()
        : Optional.of(new Lineage(parse(families), parse(data)));
  }

  private static Set<String> parse(String fact) {
    return fact.equals(NONE) ? Set.of() : new TreeSet<>(List.of(fact.split(SEPARATOR)));
  }

  /**
   * All that several verifiers were made from.
   *
   * @param parts of a composed verifier
   * @return nothing where one of them does not say
   */
  public static Optional<Lineage> together(List<VerifierCard> parts) {
    Set<String> families = new TreeSet<>();
    Set<String> data = new TreeSet<>();
    for (VerifierCard part : parts) {
      Optional<Lineage> lineage = of(part);
      if (lineage.isEmpty()) {
        return Optional.empty();
      }
      families.addAll(lineage.get().families);
      data.addAll(lineage.get().data);
    }
    return Optional.of(new Lineage(families, data));
  }

  /**
   * How one verifier stands to another.
   *
   * @param one card
   * @param other card
   */
  public static Relation relation(VerifierCard one, VerifierCard other) {
    if (one.metric().equals(other.metric())) {
      return Relation.SAME_METRIC;
    }
    Optional<Lineage> a = of(one);
    Optional<Lineage> b = of(other);
    if (a.isEmpty() || b.isEmpty()) {
      return Relation.UNKNOWN;
    }
    if (!Collections.disjoint(a.get().families, b.get().families)) {
      return Relation.SAME_FAMILY;
    }
    return Collections.disjoint(a.get().data, b.get().data)
        ? Relation.INDEPENDENT
        : Relation.SHARED_DATA;
  }
}
