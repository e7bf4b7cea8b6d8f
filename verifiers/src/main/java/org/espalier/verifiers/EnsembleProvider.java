package org.espalier.verifiers;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.WeightsLocation;

/**
 * Several verifiers as one. Scores of different kinds are joined by their ranks (as in <a
 * href="https://arxiv.org/abs/2501.09732">arXiv:2501.09732</a>), here among the scores of a stored
 * set of images instead of the other candidates, so that the score of an image does not depend on
 * what else is judged.
 */
public final class EnsembleProvider implements VerifierProvider<EnsembleConfig> {
  @Override
  public String id() {
    return "ensemble";
  }

  @Override
  public Class<EnsembleConfig> configType() {
    return EnsembleConfig.class;
  }

  @Override
  public void check(EnsembleConfig config, LoadContext context) {
    calibration(config, context);
    config.members().forEach(spec -> context.verifiers().check(own(spec)));
  }

  /** The calibration; members must have names and weights by which it can be read. */
  private Calibration calibration(EnsembleConfig config, LoadContext context) {
    Path file = WeightsLocation.resolve(id(), config.calibration(), context);
    Calibration calibration =
        Calibration.read(Files.isDirectory(file) ? file.resolve("calibration.json") : file);
    Set<String> names = new HashSet<>();
    for (Map<String, Object> spec : config.members()) {
      if (!names.add(name(spec))) {
        throw EspalierException.config(
            "Two members of the ensemble are named " + name(spec) + ".",
            "Maybe give one of them a name of its own: {id: clip, name: clip-large, ...}.");
      }
      weight(spec);
    }
    return calibration;
  }

  /** A member's configuration without what is the ensemble's. */
  private static Map<String, Object> own(Map<String, Object> spec) {
    Map<String, Object> own = new LinkedHashMap<>(spec);
    own.remove("name");
    own.remove("weight");
    return Collections.unmodifiableMap(own);
  }

  @Override
  public Verifier load(EnsembleConfig config, LoadContext context) {
    Calibration calibration = calibration(config, context);
    List<EnsembleVerifier.Member> members = new ArrayList<>();
    try {
      for (Map<String, Object> spec : config.members()) {
        Verifier verifier = context.verifiers().load(own(spec));
        try {
          members.add(
              new EnsembleVerifier.Member(
                  name(spec),
                  weight(spec),
                  verifier,
                  calibration.of(name(spec), verifier.card().weightsSha256())));
        } catch (RuntimeException e) {
          closing(verifier, e);
          throw e;
        }
      }
      return new EnsembleVerifier(config.aggregation(), members);
    } catch (RuntimeException e) {
      members.forEach(member -> closing(member.verifier(), e));
      throw e;
    }
  }

  private static void closing(Verifier verifier, RuntimeException cause) {
    try {
      verifier.close();
    } catch (Exception e) {
      cause.addSuppressed(e);
    }
  }

  private static String name(Map<String, Object> spec) {
    return String.valueOf(spec.getOrDefault("name", spec.get("id")));
  }

  private static double weight(Map<String, Object> spec) {
    Object weight = spec.getOrDefault("weight", 1);
    if (weight instanceof Number number
        && number.doubleValue() > 0
        && Double.isFinite(number.doubleValue())) {
      return number.doubleValue();
    }
    throw EspalierException.config(
        "The weight ("
            + weight
            + ") of the ensemble's member "
            + name(spec)
            + " must be a positive number.",
        "Maybe leave the member out instead.");
  }
}
