package org.espalier.shapes;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.shapes.ShapesExactConfig.Score;
import org.espalier.spi.Judgement;
import org.espalier.spi.Lineage;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.WorkCounters;
import org.jspecify.annotations.Nullable;

/**
 * The exact evaluator: a detector sees the objects, and GenEval's check compares them with the
 * prompt's metadata. Parts of a verdict: {@code correct} and {@code strict} (0 or 1) and {@code
 * fraction}, as in {@link SceneCheck}. A prompt without metadata, and an image of another size, get
 * {@link Verdict.Failed}.
 */
public final class ShapesExactVerifier implements Verifier {
  private final ShapesDetector detector;
  private final Score score;
  private WorkCounters counters = WorkCounters.ZERO;

  /**
   * An evaluator; it closes its detector.
   *
   * @param detector sees the objects
   * @param score what the value is
   */
  public ShapesExactVerifier(ShapesDetector detector, Score score) {
    this.detector = detector;
    this.score = score;
  }

  @Override
  public VerifierCard card() {
    return new VerifierCard(
        ShapesExactProvider.ID,
        detector.weightsSha256(),
        detector.programSha256(),
        detector.licence(),
        "8-bit RGB of %d x %d pixels, / 127.5 - 1".formatted(detector.side(), detector.side()),
        OptionalInt.empty(),
        score == Score.CORRECT || score == Score.STRICT ? "0 or 1" : "[0, 1]",
        ShapesExactProvider.ID,
        facts());
  }

  private Map<String, String> facts() {
    Map<String, String> facts =
        new LinkedHashMap<>(new Lineage(Set.of("shapes-detector"), Set.of("shapes-world")).facts());
    facts.put("sees", "all of the image");
    facts.put("score", score.name().toLowerCase(Locale.ROOT));
    return facts;
  }

  @Override
  public Cost quote(Prompt prompt, int width, int height, int images) {
    return Cost.verify(images, Math.multiplyExact(detector.flops(), (long) images));
  }

  @Override
  public List<Verdict> verify(List<Judgement> batch) {
    List<@Nullable SceneRequirement> requirements = new ArrayList<>();
    Verdict[] verdicts = new Verdict[batch.size()];
    List<RgbImage> images = new ArrayList<>();
    for (int i = 0; i < batch.size(); i++) {
      Judgement judgement = batch.get(i);
      SceneRequirement requirement = null;
      try {
        requirement = requirement(judgement.prompt());
        RgbImage image = judgement.artifact().image();
        detector.requireSize(image);
        images.add(image);
      } catch (RuntimeException e) {
        // Also of an image that cannot be read: it fails alone.
        requirement = null;
        verdicts[i] = new Verdict.Failed(String.valueOf(e.getMessage()));
      }
      requirements.add(requirement);
    }
    List<List<DetectedObject>> seen = detector.detect(images);
    int next = 0;
    for (int i = 0; i < verdicts.length; i++) {
      SceneRequirement requirement = requirements.get(i);
      if (requirement != null) {
        verdicts[i] = verdict(SceneCheck.of(requirement, seen.get(next++)));
      }
    }
    int count = images.size();
    counters = counters.plus(new WorkCounters(count, 0, count * detector.flops(), count));
    return Arrays.asList(verdicts);
  }

  @Override
  public Optional<String> unsupported(Prompt prompt) {
    try {
      requirement(prompt);
      return Optional.empty();
    } catch (EspalierException e) {
      return Optional.of(e.what());
    }
  }

  private static SceneRequirement requirement(Prompt prompt) {
    if (!prompt.metadata().containsKey("include")) {
      throw EspalierException.config(
          "The prompt (" + prompt.id() + ": \"" + prompt.text() + "\") has no metadata to check.",
          "Maybe use prompts in GenEval's form, such as prompts.set: " + ShapesPrompts.TEST + ".");
    }
    return SceneRequirement.of(prompt);
  }

  private Verdict verdict(SceneCheck check) {
    double correct = check.correct() ? 1 : 0;
    double strict = check.strict() ? 1 : 0;
    double value =
        switch (score) {
          case CORRECT -> correct;
          case GRADED -> check.fraction();
          case STRICT -> strict;
          case CONSTRAINTS -> check.constraints();
        };
    return new Verdict.Scored(
        value,
        Map.of(
            "correct",
            // The question that is asked: in the second world nothing else may be there.
            score == Score.STRICT || score == Score.CONSTRAINTS ? strict : correct,
            "strict",
            strict,
            "fraction",
            check.fraction()));
  }

  @Override
  public WorkCounters counters() {
    return counters;
  }

  @Override
  public void close() {
    detector.close();
  }
}
