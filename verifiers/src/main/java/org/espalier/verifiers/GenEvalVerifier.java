package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.atomic.LongAdder;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.Judgement;
import org.espalier.spi.Lineage;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.Device;
import org.espalier.torch.RowExecutor;
import org.jspecify.annotations.Nullable;

/**
 * GenEval: 1 where the image shows all that the prompt's metadata ask for, else 0. Parts: {@code
 * satisfied}, the share of clauses that hold, and {@code found.NAME}, how many objects of each
 * class that is asked for were found.
 */
final class GenEvalVerifier implements Verifier {
  private final GenEvalRules rules;
  private final Mask2FormerArchitecture architecture;
  private final Mask2FormerNetwork detector;
  private final DetectorInput input;
  private final List<String> names;
  private final @Nullable GenEvalColors colors;
  private final Device device;
  private final VerifierCard card;
  private final LongAdder rows = new LongAdder();
  private final LongAdder tokens = new LongAdder();
  private final LongAdder flops = new LongAdder();
  private final LongAdder images = new LongAdder();

  /**
   * The detector and what goes with it.
   *
   * @param architecture of the detector
   * @param network loaded
   * @param input how pictures are prepared
   * @param names of its classes
   * @param sha256 over its weights and those of CLIP
   * @param licence of the weights
   */
  record Detector(
      Mask2FormerArchitecture architecture,
      Mask2FormerNetwork network,
      DetectorInput input,
      List<String> names,
      String sha256,
      String licence) {}

  GenEvalVerifier(
      GenEvalRules rules, Detector detector, @Nullable GenEvalColors colors, Device device) {
    this.rules = rules;
    this.architecture = detector.architecture;
    this.detector = detector.network;
    this.input = detector.input;
    this.names = detector.names;
    this.colors = colors;
    this.device = device;
    Lineage lineage =
        colors == null
            ? new Lineage(Set.of("mask2former"), Set.of("imagenet", "coco"))
            : new Lineage(Set.of("mask2former", "clip"), Set.of("imagenet", "coco", "openai-wit"));
    Map<String, String> facts = new LinkedHashMap<>(lineage.facts());
    facts.put(VerifierCard.SEES, "the whole image, scaled");
    facts.put("thresholds", rules.toString());
    facts.put("classes", String.valueOf(names.size()));
    facts.put("colors", colors == null ? "cannot be told: clip is not set" : "zero-shot by CLIP");
    facts.put("cost", "exact; quoted is the most, as fewer objects need fewer looks at colours");
    facts.put("dtype", "float32");
    this.card =
        new VerifierCard(
            "geneval",
            detector.sha256,
            detector.network.programSha256() + (colors == null ? "" : colors.programSha256()),
            detector.licence,
            detector.input.describe(),
            OptionalInt.empty(),
            "0 or 1: whether all that was asked for is there",
            "geneval",
            facts);
  }

  @Override
  public VerifierCard card() {
    return card;
  }

  @Override
  public Optional<String> unsupported(Prompt prompt) {
    try {
      GenEvalTask task = GenEvalTask.of(prompt);
      for (String name : asked(task)) {
        if (!names.contains(name)) {
          return Optional.of("The detector knows no class (" + name + ").");
        }
      }
      if (colors == null && task.include().stream().anyMatch(c -> c.color() != null)) {
        return Optional.of("It asks for colours, for which geneval needs clip.");
      }
      return Optional.empty();
    } catch (UnfitMetadata e) {
      return Optional.of(e.what());
    }
  }

  private static List<String> asked(GenEvalTask task) {
    List<String> names = new ArrayList<>();
    task.include().forEach(clause -> names.add(clause.name()));
    task.exclude().forEach(clause -> names.add(clause.name()));
    return names.stream().distinct().toList();
  }

  @Override
  public Cost quote(Prompt prompt, int width, int height, int count) {
    if (unsupported(prompt).isPresent()) {
      return Cost.verify(count, 0);
    }
    long most = detection(height, width).flops();
    try {
      for (GenEvalTask.Include clause : GenEvalTask.of(prompt).include()) {
        if (colors != null && clause.color() != null) {
          most += colors.work(clause.name(), clause.count()).flops();
        }
      }
    } catch (UnfitMetadata e) {
      throw new IllegalStateException("it is supported", e);
    }
    return Cost.verify(count, Math.multiplyExact(count, most));
  }

  private NetworkVerifier.Work detection(int height, int width) {
    long[] sides = input.sides(height, width);
    int h = Math.toIntExact(sides[0]);
    int w = Math.toIntExact(sides[1]);
    return new NetworkVerifier.Work(1, architecture.tokens(h, w), architecture.flops(h, w));
  }

  @Override
  public WorkCounters counters() {
    return new WorkCounters(rows.sum(), tokens.sum(), flops.sum(), images.sum());
  }

  private void count(NetworkVerifier.Work work) {
    rows.add(work.rows());
    tokens.add(work.tokens());
    flops.add(work.flops());
  }

  @Override
  public List<Verdict> verify(List<Judgement> batch) {
    return RowExecutor.map(device, batch, this::judge);
  }

  private Verdict judge(Judgement judgement) {
    Prompt prompt = judgement.prompt();
    Optional<String> unsupported = unsupported(prompt);
    if (unsupported.isPresent()) {
      return new Verdict.Failed("The prompt cannot be judged: " + unsupported.get());
    }
    RgbImage image;
    DetectorInput.Prepared prepared;
    try {
      image = judgement.artifact().image();
      VerifierImages.requireSize(image.width(), image.height(), judgement.candidateId());
      prepared = input.prepare(image);
    } catch (RuntimeException e) {
      return new Verdict.Failed("The image cannot be read: " + e.getMessage());
    }
    List<Instance> found =
        detector.detect(prepared.pixels(), prepared.padded(), prepared.shown(), prepared.size());
    count(detection(image.height(), image.width()));
    images.increment();
    if (found.stream().anyMatch(instance -> !Double.isFinite(instance.score()))) {
      return new Verdict.Failed("The detector's score is no finite number.");
    }
    try {
      return verdict(GenEvalTask.of(prompt), image, found);
    } catch (UnfitMetadata e) {
      throw new IllegalStateException("it is supported", e);
    } catch (EspalierException e) {
      if (e.code() == EspalierException.Code.CONFIG) {
        return new Verdict.Failed("The colours cannot be told: " + e.getMessage());
      }
      throw e;
    }
  }

  private Verdict verdict(GenEvalTask task, RgbImage image, List<Instance> found) {
    Map<String, List<Instance>> objects = rules.select(found, names, task.counting());
    GenEvalRules.Result result =
        rules.judge(
            task,
            objects,
            (name, some) -> {
              GenEvalColors clip = java.util.Objects.requireNonNull(colors);
              List<String> seen = clip.of(image, name, some);
              count(clip.work(name, some.size()));
              return seen;
            });
    Map<String, Double> parts = new LinkedHashMap<>();
    parts.put("satisfied", (double) result.satisfied() / result.clauses());
    for (String name : asked(task)) {
      parts.put("found." + name, (double) objects.getOrDefault(name, List.of()).size());
    }
    return new Verdict.Scored(result.correct() ? 1 : 0, parts);
  }

  @Override
  public void close() {
    try {
      detector.close();
    } finally {
      if (colors != null) {
        colors.close();
      }
    }
  }
}
