package org.espalier.study.toys;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.Judgement;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.VerifierProvider;
import org.espalier.spi.WorkCounters;
import org.espalier.testkit.TargetVerifier;
import org.jspecify.annotations.Nullable;

/** A verifier that judges as {@code toy-target} does, but for one image. */
public final class ToyEvil implements VerifierProvider<ToyEvil.Config> {
  /** What it does. */
  public enum Misdeed {
    /** Ends the process with code 0. */
    EXIT,
    /** Throws a checked exception that it does not declare, as Kotlin and Scala may. */
    SNEAKY,
    /** Throws an {@link AssertionError}. */
    ASSERTION,
    /** Throws a {@link NoClassDefFoundError}. */
    MISSING_CLASS,
    /** Throws an {@link OutOfMemoryError}. */
    MEMORY,
    /** Leaves its thread interrupted. */
    INTERRUPT,
    /** Paints the images that it judges. */
    PAINT,
    /** Says that the image cannot be judged. */
    FAIL,
    /** Throws when it is closed. */
    CLOSE
  }

  /**
   * @param does what it does
   * @param at number of the first image at which it does, counted from 0; 0 if left out
   * @param times at how many images from there on; all if left out
   */
  public record Config(Misdeed does, @Nullable Integer at, @Nullable Integer times) {}

  @Override
  public String id() {
    return "toy-evil";
  }

  @Override
  public Class<Config> configType() {
    return Config.class;
  }

  @Override
  public Verifier load(Config config, LoadContext context) {
    return new Evil(config, new TargetVerifier(1000), new AtomicInteger());
  }

  private record Evil(Config config, Verifier inner, AtomicInteger seen) implements Verifier {
    @Override
    public VerifierCard card() {
      return inner.card();
    }

    @Override
    public Cost quote(Prompt prompt, int width, int height, int images) {
      return inner.quote(prompt, width, height, images);
    }

    @Override
    public List<Verdict> verify(List<Judgement> batch) {
      List<Verdict> verdicts = new ArrayList<>(inner.verify(batch));
      int first = config.at() == null ? 0 : config.at();
      int last = config.times() == null ? Integer.MAX_VALUE : first + config.times();
      for (int i = 0; i < batch.size(); i++) {
        int number = seen.getAndIncrement();
        if (number >= first && number < last) {
          verdicts.set(i, misbehave(batch.get(i), verdicts.get(i)));
        }
      }
      return verdicts;
    }

    private Verdict misbehave(Judgement judgement, Verdict honest) {
      switch (config.does()) {
        case EXIT -> System.exit(0);
        case SNEAKY -> Evil.<RuntimeException>sneak(new java.io.IOException("sneaked"));
        case ASSERTION -> throw new AssertionError("asserted");
        case MISSING_CLASS -> throw new NoClassDefFoundError("org/example/Missing");
        case MEMORY -> throw new OutOfMemoryError("for one cell");
        case INTERRUPT -> Thread.currentThread().interrupt();
        case PAINT -> Arrays.fill(judgement.artifact().image().rgb(), (byte) 0);
        case FAIL -> {
          return new Verdict.Failed("refused");
        }
        case CLOSE -> {}
      }
      return honest;
    }

    @SuppressWarnings("unchecked")
    private static <E extends Throwable> void sneak(Throwable e) throws E {
      throw (E) e;
    }

    @Override
    public WorkCounters counters() {
      return inner.counters();
    }

    @Override
    public void close() {
      inner.close();
      if (config.does() == Misdeed.CLOSE) {
        throw new IllegalStateException("close failed");
      }
    }
  }
}
