package org.espalier.study.toys;

import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.locks.LockSupport;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Judgement;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.VerifierProvider;
import org.espalier.spi.WorkCounters;
import org.espalier.testkit.TargetVerifier;
import org.espalier.testkit.ToyFlowModel;
import org.espalier.testkit.ToyScaleModel;
import org.jspecify.annotations.Nullable;

/** The test kit's toys as plugins of a study; found by ServiceLoader in this module's tests. */
public final class ToyModels {
  private ToyModels() {}

  /**
   * @param steps of the toy, at least 1
   * @param failsToLoad for tests of what must be found before anything is loaded
   */
  public record ScaleConfig(@Nullable Integer steps, @Nullable Boolean failsToLoad) {
    public ScaleConfig {
      if (steps != null && steps < 1) {
        throw EspalierException.config(
                "The number of steps (" + steps + ") must be positive.", "Maybe set steps: 4.")
            .about("steps");
      }
      steps = steps == null ? Integer.valueOf(4) : steps;
    }
  }

  /** The next-scale toy. */
  public static final class Scale implements ModelProvider<ScaleConfig> {
    @Override
    public String id() {
      return "toy-scale";
    }

    @Override
    public Class<ScaleConfig> configType() {
      return ScaleConfig.class;
    }

    @Override
    public GenerativeModel load(ScaleConfig config, LoadContext context) {
      if (Boolean.TRUE.equals(config.failsToLoad())) {
        throw EspalierException.config(
                "The toy was loaded although it fails.", "Maybe leave failsToLoad out.")
            .about("failsToLoad");
      }
      int[] scales = new int[config.steps() == null ? 4 : config.steps()];
      for (int i = 0; i < scales.length; i++) {
        scales[i] = i + 1;
      }
      return new ToyScaleModel(scales);
    }
  }

  /**
   * @param sampler ode or sde
   * @param steps of the toy
   */
  public record FlowConfig(ToyFlowModel.Sampler sampler, @Nullable Integer steps) {}

  /** The flow toy. */
  public static final class Flow implements ModelProvider<FlowConfig> {
    @Override
    public String id() {
      return "toy-flow";
    }

    @Override
    public Class<FlowConfig> configType() {
      return FlowConfig.class;
    }

    @Override
    public GenerativeModel load(FlowConfig config, LoadContext context) {
      return new ToyFlowModel(config.sampler(), config.steps() == null ? 4 : config.steps());
    }
  }

  /**
   * @param pauseMillis waits so long a batch, for tests that kill a run
   */
  public record TargetConfig(@Nullable Integer pauseMillis) {}

  /** The toys' verifier. */
  public static final class Target implements VerifierProvider<TargetConfig> {
    @Override
    public String id() {
      return "toy-target";
    }

    @Override
    public Class<TargetConfig> configType() {
      return TargetConfig.class;
    }

    @Override
    public Verifier load(TargetConfig config, LoadContext context) {
      return new Paused(
          new TargetVerifier(1000), config.pauseMillis() == null ? 0 : config.pauseMillis());
    }
  }

  private record Paused(Verifier inner, int pauseMillis) implements Verifier {
    @Override
    public VerifierCard card() {
      return inner.card();
    }

    @Override
    public Cost quote(Prompt prompt, int width, int height, int images) {
      return inner.quote(prompt, width, height, images);
    }

    @Override
    public java.util.List<Verdict> verify(java.util.List<Judgement> batch) {
      if (pauseMillis > 0) {
        LockSupport.parkNanos(pauseMillis * 1_000_000L);
      }
      return inner.verify(batch);
    }

    @Override
    public WorkCounters counters() {
      return inner.counters();
    }

    @Override
    public void close() {
      inner.close();
    }
  }

  /**
   * @param failOn prompts with this word get a failed verdict
   */
  public record BrightConfig(@Nullable String failOn) {}

  /** Whether the first pixel is bright: a metric that the search does not see. */
  public static final class Bright implements VerifierProvider<BrightConfig> {
    @Override
    public String id() {
      return "toy-bright";
    }

    @Override
    public Class<BrightConfig> configType() {
      return BrightConfig.class;
    }

    @Override
    public Verifier load(BrightConfig config, LoadContext context) {
      return new BrightVerifier(config.failOn());
    }
  }

  private static final class BrightVerifier implements Verifier {
    private final @Nullable String failOn;
    private long images;

    BrightVerifier(@Nullable String failOn) {
      this.failOn = failOn;
    }

    @Override
    public VerifierCard card() {
      return new VerifierCard(
          "toy-bright",
          "",
          "",
          "Apache-2.0",
          "none",
          OptionalInt.empty(),
          "{0, 1}",
          "brightness",
          Map.of());
    }

    @Override
    public Cost quote(Prompt prompt, int width, int height, int count) {
      return Cost.verify(count, 0);
    }

    @Override
    public java.util.List<Verdict> verify(java.util.List<Judgement> batch) {
      images += batch.size();
      return batch.stream().map(this::judge).toList();
    }

    private Verdict judge(Judgement judgement) {
      if (failOn != null && judgement.prompt().text().toLowerCase(Locale.ROOT).contains(failOn)) {
        return new Verdict.Failed("told to fail");
      }
      return Verdict.scored(judgement.artifact().image().at(0, 0, 0) >= 128 ? 1 : 0);
    }

    @Override
    public WorkCounters counters() {
      return new WorkCounters(images, 0, 0, images);
    }

    @Override
    public void close() {}
  }

  /**
   * @param member id and configuration of another verifier
   */
  public record DelegateConfig(Map<String, Object> member) {}

  /** Judges as a verifier that it has loaded for it, as an ensemble has its members. */
  public static final class Delegate implements VerifierProvider<DelegateConfig> {
    @Override
    public String id() {
      return "toy-delegate";
    }

    @Override
    public Class<DelegateConfig> configType() {
      return DelegateConfig.class;
    }

    @Override
    public Verifier load(DelegateConfig config, LoadContext context) {
      return context.verifiers().load(config.member());
    }
  }

  /** A model whose library is missing. */
  public static final class Unlinked implements ModelProvider<ScaleConfig> {
    @Override
    public String id() {
      return "toy-unlinked";
    }

    @Override
    public Class<ScaleConfig> configType() {
      return ScaleConfig.class;
    }

    @Override
    public GenerativeModel load(ScaleConfig config, LoadContext context) {
      throw new NoClassDefFoundError("org/example/Missing");
    }
  }
}
