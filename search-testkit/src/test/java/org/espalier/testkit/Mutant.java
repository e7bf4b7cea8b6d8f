package org.espalier.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import org.espalier.api.Capability;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelCard;
import org.espalier.spi.ModelState;
import org.espalier.spi.RewindRow;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;

/** A model of four steps that is honest but for one fault. Each step paints one column. */
final class Mutant implements GenerativeModel {
  private static final int STEPS = 4;
  private static final int ROWS = 8;

  /** What is wrong with it. */
  enum Fault {
    NONE,
    JUMPS,
    STANDS_STILL,
    COUNTS_NOTHING,
    COUNTS_BACKWARDS,
    QUOTES_NO_EVALUATION,
    ANSWERS_NULL,
    THROWS_A_CHECKED_EXCEPTION,
    THROWS_AN_ERROR,
    INTERRUPTS,
    IGNORES_THE_STEP,
    NEGATES_LOG_PROBABILITIES,
    CONSTANT_LOG_PROBABILITIES
  }

  private final Fault fault;
  private long rows;
  private long flops;
  private long images;

  Mutant(Fault fault) {
    this.fault = fault;
  }

  private record State(int step, double[] values, double sum) implements ModelState {
    @Override
    public boolean dependsOnParent() {
      return false;
    }

    @Override
    public long nativeBytes() {
      return 0;
    }

    @Override
    public OptionalDouble logProb() {
      return OptionalDouble.of(sum);
    }

    @Override
    public void close() {}
  }

  @Override
  public ModelCard card() {
    return new ModelCard(
        "mutant",
        "",
        "",
        "Apache-2.0",
        STEPS,
        Set.of(Capability.STOCHASTIC_STEP, Capability.LOG_PROB),
        step -> true,
        STEPS,
        ROWS,
        Map.of());
  }

  @Override
  public Cost quote(Work work) {
    if (work instanceof Work.Step step) {
      int nfe = fault == Fault.QUOTES_NO_EVALUATION ? 0 : step.draws();
      return Cost.generate(nfe, step.draws(), step.draws(), 1000L * step.draws());
    }
    return work instanceof Work.Decode ? Cost.decode(1, 100) : Cost.ZERO;
  }

  @Override
  public List<Conditioning> encode(List<Prompt> batch) {
    List<Conditioning> encoded = new ArrayList<>();
    batch.forEach(prompt -> encoded.add(() -> {}));
    return encoded;
  }

  @Override
  public List<ModelState> begin(List<Root> batch) {
    List<ModelState> states = new ArrayList<>();
    batch.forEach(root -> states.add(new State(0, new double[0], 0)));
    return states;
  }

  private static <T extends Throwable> void sneak(Throwable e) throws T {
    @SuppressWarnings("unchecked")
    T sneaked = (T) e;
    throw sneaked;
  }

  @Override
  public List<List<ModelState>> expand(List<Branch> batch) {
    switch (fault) {
      case THROWS_A_CHECKED_EXCEPTION ->
          Mutant.<RuntimeException>sneak(new java.io.IOException("on fire"));
      case THROWS_AN_ERROR -> throw new OutOfMemoryError("on fire");
      case INTERRUPTS -> Thread.currentThread().interrupt();
      default -> {}
    }
    List<List<ModelState>> result = new ArrayList<>();
    for (Branch branch : batch) {
      List<ModelState> children = new ArrayList<>();
      for (Noise noise : branch.draws()) {
        children.add(child((State) branch.state(), noise));
      }
      result.add(children);
    }
    return result;
  }

  @SuppressWarnings("NullAway") // that is the fault
  private ModelState child(State parent, Noise noise) {
    rows += fault == Fault.COUNTS_BACKWARDS ? -1 : fault == Fault.COUNTS_NOTHING ? 0 : 1;
    flops += fault == Fault.COUNTS_NOTHING ? 0 : 1000;
    int step =
        switch (fault) {
          case JUMPS -> STEPS;
          case STANDS_STILL -> parent.step();
          default -> parent.step() + 1;
        };
    double[] values = java.util.Arrays.copyOf(parent.values(), parent.values().length + ROWS);
    int at = fault == Fault.IGNORES_THE_STEP ? 0 : parent.step();
    double[] uniforms = ToyNoise.uniforms(noise, at, ROWS);
    double logProb = parent.sum();
    for (int i = 0; i < ROWS; i++) {
      // A coin that shows 1 in nine of ten cases, so that the mode is the most probable draw.
      boolean one = noise instanceof Noise.Mode || uniforms[i] < 0.9;
      values[parent.values().length + i] = one ? 1 : 0;
      logProb += Math.log(one ? 0.9 : 0.1);
    }
    return fault == Fault.ANSWERS_NULL
        ? null
        : new State(
            step,
            values,
            switch (fault) {
              case NEGATES_LOG_PROBABILITIES -> -logProb;
              case CONSTANT_LOG_PROBABILITIES -> -1;
              default -> logProb;
            });
  }

  @Override
  public List<ModelState> rewind(List<RewindRow> batch) {
    throw new UnsupportedOperationException("a mutant does not rewind");
  }

  @Override
  public List<Artifact> decode(List<DecodeRow> batch) {
    List<Artifact> artifacts = new ArrayList<>();
    for (DecodeRow row : batch) {
      images++;
      flops += 100;
      double[] values = ((State) row.state()).values();
      byte[] rgb = new byte[3 * STEPS * ROWS];
      for (int i = 0; i < values.length; i++) {
        rgb[3 * i] = (byte) (200 * values[i]);
      }
      artifacts.add(Artifact.of(new RgbImage(STEPS, ROWS, rgb)));
    }
    return artifacts;
  }

  @Override
  public WorkCounters counters() {
    return new WorkCounters(rows, rows, flops, images);
  }

  @Override
  public void close() {}
}
