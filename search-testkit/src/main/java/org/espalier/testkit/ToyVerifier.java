package org.espalier.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.Judgement;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.WorkCounters;

/** What the toy verifiers share: exact costs and counters. */
abstract class ToyVerifier implements Verifier {
  private final VerifierCard card;
  private final long flopsPerImage;
  private long images;

  ToyVerifier(String id, String range, long flopsPerImage) {
    this.card =
        new VerifierCard(
            id, "", "", "Apache-2.0", "none", OptionalInt.empty(), range, id, Map.of());
    this.flopsPerImage = flopsPerImage;
  }

  abstract Verdict judge(Judgement judgement);

  @Override
  public final VerifierCard card() {
    return card;
  }

  @Override
  public final Cost quote(Prompt prompt, int width, int height, int count) {
    return Cost.verify(count, flopsPerImage * count);
  }

  @Override
  public final List<Verdict> verify(List<Judgement> batch) {
    List<Verdict> verdicts = new ArrayList<>();
    for (Judgement judgement : batch) {
      images++;
      try {
        verdicts.add(judge(judgement));
      } catch (RuntimeException e) {
        verdicts.add(new Verdict.Failed("the image cannot be judged: " + e.getMessage()));
      }
    }
    return verdicts;
  }

  @Override
  public final WorkCounters counters() {
    return new WorkCounters(images, 0, flopsPerImage * images, images);
  }

  @Override
  public void close() {}
}
