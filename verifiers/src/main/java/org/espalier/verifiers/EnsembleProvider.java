package org.espalier.verifiers;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.spi.Closing;
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
    config.members().forEach(member -> member.plugin().check(context));
  }

  private Calibration calibration(EnsembleConfig config, LoadContext context) {
    Path file = WeightsLocation.resolve(id(), config.calibration(), context);
    return Calibration.read(Files.isDirectory(file) ? file.resolve("calibration.json") : file);
  }

  @Override
  public Verifier load(EnsembleConfig config, LoadContext context) {
    Calibration calibration = calibration(config, context);
    List<EnsembleVerifier.Member> members = new ArrayList<>();
    try {
      for (EnsembleConfig.Member member : config.members()) {
        Verifier verifier = member.plugin().load(context);
        try {
          members.add(
              new EnsembleVerifier.Member(
                  member.name(),
                  member.weight(),
                  verifier,
                  calibration.of(member.name(), verifier.card().weightsSha256())));
        } catch (RuntimeException e) {
          Closing.after(List.of(verifier), e);
          throw e;
        }
      }
      return new EnsembleVerifier(config.aggregation(), members);
    } catch (RuntimeException e) {
      Closing.after(members.stream().map(EnsembleVerifier.Member::verifier).toList(), e);
      throw e;
    }
  }
}
