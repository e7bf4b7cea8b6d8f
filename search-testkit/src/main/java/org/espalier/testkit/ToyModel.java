package org.espalier.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntPredicate;
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
import org.jspecify.annotations.Nullable;

/**
 * A generator small enough to know everything about it: what each call costs, which state is open,
 * and which image would be best. A pixel's red byte is a sampled value; its blue byte is 255 where
 * the value is still open, as in the preview of an incomplete sample. {@link TargetVerifier} judges
 * such images against the {@link #target} hidden in the prompt.
 */
public abstract sealed class ToyModel implements GenerativeModel
    permits ToyScaleModel, ToyFlowModel {
  /** Numbers a step of {@link ToyScaleModel}, and coordinates of {@link ToyFlowModel}. */
  public static final int CHANNELS = 4;

  private static final long ENCODE_FLOPS_PER_CHARACTER = 100;
  private static final long DECODE_FLOPS_PER_PIXEL = 5_000;
  private final AtomicLong liveStates = new AtomicLong();
  private final ModelCard card;
  private final Prices prices = new Prices();
  private long rows;
  private long tokens;
  private long flops;
  private long images;
  private long calls;
  private long failAt = Long.MAX_VALUE;

  ToyModel(
      String id, int horizon, java.util.Set<Capability> capabilities, IntPredicate stochastic) {
    this(id, horizon, capabilities, stochastic, horizon);
  }

  ToyModel(
      String id,
      int horizon,
      java.util.Set<Capability> capabilities,
      IntPredicate stochastic,
      int width) {
    this.card =
        new ModelCard(
            id, "", "", "Apache-2.0", horizon, capabilities, stochastic, width, CHANNELS, Map.of());
  }

  /** An encoded prompt of a toy model: its text. */
  record ToyConditioning(String text) implements Conditioning {
    @Override
    public void close() {}
  }

  /**
   * Value of one position of the best image of a prompt.
   *
   * @param prompt the prompt
   * @param column of the pixel
   * @param channel row of the pixel
   * @return from 70 to 185
   */
  public static int target(Prompt prompt, int column, int channel) {
    long low =
        org.espalier.api.DrawKey.root(0).child(prompt.id()).child(column).child(channel).low();
    return 70 + (int) Math.floorMod(low, 116L);
  }

  /** States that have been made and not been closed. */
  public final long liveStates() {
    return liveStates.get();
  }

  /**
   * Makes a later call fail half-way, after it has made some of its states.
   *
   * @param call which call of begin, expand, rewind or decode from now on; 1 is the next
   */
  public final void failAt(long call) {
    failAt = calls + call;
  }

  @Override
  public final ModelCard card() {
    return card;
  }

  @Override
  public final Cost quote(Work work) {
    return work.by(prices);
  }

  private final class Prices implements Work.Prices {
    @Override
    public Cost encode(Work.Encode work) {
      return Cost.generate(0, 1, work.text().length(), encodeFlops(work.text()));
    }

    @Override
    public Cost begin(Work.Begin work) {
      return Cost.ZERO;
    }

    @Override
    public Cost step(Work.Step work) {
      return work.cached()
          ? Cost.generate(work.draws(), 0, 0, 0)
          : Cost.generate(
              work.draws(),
              rowsPerEvaluation(),
              rowsPerEvaluation() * tokens(work.step()),
              flops(work.step()));
    }

    @Override
    public Cost rewind(Work.Rewind work) {
      return Cost.ZERO;
    }

    @Override
    public Cost decode(Work.Decode work) {
      return Cost.decode(1, decodeFlops(work.step()));
    }
  }

  @Override
  public final List<Conditioning> encode(List<Prompt> batch) {
    List<Conditioning> result = new ArrayList<>();
    for (Prompt prompt : batch) {
      rows++;
      tokens += prompt.text().length();
      flops += encodeFlops(prompt.text());
      result.add(new ToyConditioning(prompt.text()));
    }
    return result;
  }

  @Override
  public final List<ModelState> begin(List<Root> batch) {
    return allOrNothing(
        batch, root -> state(0, null, root(root.noise()), logProb(null, new double[0])));
  }

  @Override
  public final List<List<ModelState>> expand(List<Branch> batch) {
    List<ModelState> made = new ArrayList<>();
    List<List<ModelState>> result = new ArrayList<>();
    allOrNothing(
        batch,
        branch -> {
          ToyState parent = ((ToyState) branch.state()).open();
          if (!parent.evaluated) {
            parent.evaluated = true;
            rows += rowsPerEvaluation();
            tokens += rowsPerEvaluation() * tokens(parent.step());
            flops += flops(parent.step());
          }
          List<ModelState> children = new ArrayList<>();
          for (Noise noise : branch.draws()) {
            double[] values = next(parent, noise);
            ModelState child = state(parent.step() + 1, parent, values, logProb(parent, values));
            children.add(child);
            made.add(child);
          }
          result.add(children);
        },
        made);
    return result;
  }

  @Override
  public final List<ModelState> rewind(List<RewindRow> batch) {
    if (!card.capabilities().contains(Capability.REWIND)) {
      throw new UnsupportedOperationException("the toy model " + card.id() + " cannot rewind");
    }
    return allOrNothing(
        batch,
        row -> {
          ToyState from = ((ToyState) row.state()).open();
          return state(row.toStep(), null, renoise(from, row.toStep(), row.noise()), Double.NaN);
        });
  }

  @Override
  public final List<Artifact> decode(List<DecodeRow> batch) {
    countCall();
    List<Artifact> result = new ArrayList<>();
    for (DecodeRow row : batch) {
      ToyState state = ((ToyState) row.state()).open();
      if (calls == failAt) {
        throw new IllegalStateException("injected failure in decode");
      }
      images++;
      flops += decodeFlops(state.step());
      result.add(Artifact.of(paint(state)));
    }
    return result;
  }

  @Override
  public final WorkCounters counters() {
    return new WorkCounters(rows, tokens, flops, images);
  }

  @Override
  public void close() {}

  @Override
  public String toString() {
    return card.id() + " of " + card.horizon() + " steps";
  }

  abstract long rowsPerEvaluation();

  abstract long tokens(int step);

  abstract long flops(int step);

  /** How many columns of the image the decoder paints. */
  abstract int painted(int step);

  abstract double[] root(Noise noise);

  abstract double[] next(ToyState parent, Noise noise);

  /**
   * Log-probability of all draws up to some values; NaN without {@link Capability#LOG_PROB}.
   *
   * @param parent null for a root
   */
  double logProb(@Nullable ToyState parent, double[] values) {
    return Double.NaN;
  }

  abstract double[] renoise(ToyState from, int toStep, Noise noise);

  abstract boolean dependent(int step);

  abstract long bytes(int step);

  /** Red value of a pixel, or -1 where it is still open. */
  abstract int pixel(ToyState state, int column, int channel);

  private long decodeFlops(int step) {
    return DECODE_FLOPS_PER_PIXEL * painted(step) * CHANNELS;
  }

  private static long encodeFlops(String text) {
    return ENCODE_FLOPS_PER_CHARACTER * text.length();
  }

  private ToyState state(int step, @Nullable ToyState parent, double[] values, double logProb) {
    return new ToyState(
        liveStates,
        step,
        bytes(step),
        parent != null && dependent(step) ? parent : null,
        values,
        logProb);
  }

  private RgbImage paint(ToyState state) {
    byte[] rgb = new byte[3 * card.width() * card.height()];
    for (int channel = 0; channel < card.height(); channel++) {
      for (int column = 0; column < card.width(); column++) {
        int at = 3 * (channel * card.width() + column);
        int value = pixel(state, column, channel);
        rgb[at] = (byte) Math.max(0, value);
        rgb[at + 2] = (byte) (value < 0 ? 255 : 0);
      }
    }
    return new RgbImage(card.width(), card.height(), rgb);
  }

  private <T> List<ModelState> allOrNothing(List<T> batch, Function<T, ModelState> make) {
    List<ModelState> made = new ArrayList<>();
    allOrNothing(batch, row -> made.add(make.apply(row)), made);
    return made;
  }

  private <T> void allOrNothing(List<T> batch, Consumer<T> make, List<ModelState> made) {
    countCall();
    try {
      for (int i = 0; i < batch.size(); i++) {
        make.accept(batch.get(i));
        if (calls == failAt && i >= batch.size() / 2) {
          throw new IllegalStateException("injected failure in call " + calls);
        }
      }
    } catch (RuntimeException e) {
      for (int i = made.size() - 1; i >= 0; i--) {
        made.get(i).close();
      }
      throw e;
    }
  }

  private void countCall() {
    calls++;
  }
}
