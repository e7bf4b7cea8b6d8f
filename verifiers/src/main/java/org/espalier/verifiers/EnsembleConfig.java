package org.espalier.verifiers;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.spi.PluginRef;
import org.espalier.spi.Verifier;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link EnsembleProvider}.
 *
 * @param members the verifiers: each {@code id} and its own configuration, and optionally {@code
 *     name} (by default its id; must be unique) and {@code weight} (by default 1; positive)
 * @param aggregation how their scores are joined; by default {@link Aggregation#RANK}
 * @param calibration {@code nano}, or a file written by {@link Calibration#write}
 */
public record EnsembleConfig(List<Member> members, Aggregation aggregation, String calibration) {

  /**
   * A member, written as one mapping with its verifier: {@code {id: clip, weights: nano, weight:
   * 2}}.
   *
   * @param plugin the verifier
   * @param name what its parts are called; its id if left out
   * @param weight of its scores, positive; 1 if left out
   */
  public record Member(PluginRef<Verifier> plugin, String name, Double weight) {
    public Member(PluginRef<Verifier> plugin, @Nullable String name, @Nullable Double weight) {
      this.plugin = plugin;
      this.name = name == null ? plugin.id() : name;
      this.weight = weight == null ? 1 : weight;
      if (!(this.weight > 0)) {
        throw EspalierException.config(
                "The weight (%s) of the ensemble's member %s must be a positive number."
                    .formatted(this.weight, this.name),
                "Maybe leave the member out instead.")
            .about("weight");
      }
    }

    /**
     * A member of its own name and weight.
     *
     * @param plugin the verifier
     */
    public static Member of(PluginRef<Verifier> plugin) {
      return new Member(plugin, null, null);
    }
  }

  /** How the scores of verifiers, which have nothing in common, become one. */
  public enum Aggregation {
    /** The weighted mean of each score's percentile among the calibration images' scores. */
    RANK,
    /** The weighted mean of z-scores: distance from the calibration images' mean in deviations. */
    Z_SCORE
  }

  public EnsembleConfig(
      @Nullable List<Member> members,
      @Nullable Aggregation aggregation,
      @Nullable String calibration) {
    if (members == null || members.isEmpty()) {
      throw EspalierException.config(
              "The ensemble has no members.",
              "Maybe set members: [{id: clip, weights: nano}, {id: image-reward, weights: nano}].")
          .about("members");
    }
    Set<String> names = new HashSet<>();
    for (Member member : members) {
      if (!names.add(member.name())) {
        throw EspalierException.config(
                "Two members of the ensemble are named " + member.name() + ".",
                "Maybe give one of them a name of its own: {id: clip, name: clip-large, ...}.")
            .about("members");
      }
    }
    if (calibration == null || calibration.isBlank()) {
      throw EspalierException.config(
              "The ensemble has no calibration, without which scores of different verifiers cannot be"
                  + " compared.",
              "Maybe set calibration: nano, or a file with the members' scores on a set of images.")
          .about("calibration");
    }
    this.members = List.copyOf(members);
    this.aggregation = aggregation == null ? Aggregation.RANK : aggregation;
    this.calibration = calibration;
  }
}
