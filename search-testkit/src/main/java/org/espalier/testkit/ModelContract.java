package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelState;
import org.espalier.spi.RewindRow;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What every model must keep: rows that do not depend on their batch, forks that equal replays,
 * exact quotes, states that can be closed children first and leave nothing. Extend it and say how
 * to make the model; small weights do.
 */
@ExtendWith(SearchInvariants.class)
public abstract class ModelContract {
  private static final Prompt PROMPT = Prompt.of("contract", "two blue squares");
  private static final DrawKey KEY = DrawKey.root(11);
  private final List<ModelState> open = new ArrayList<>();
  private GenerativeModel inner = new ToyScaleModel(1);
  private TrackedModel model = new TrackedModel(inner);
  private Conditioning conditioning = new ToyModel.ToyConditioning("");

  /** A model, loaded; the contract closes it. */
  protected abstract GenerativeModel create();

  /**
   * Makes a later native call fail half-way, if this model can be made to.
   *
   * @param created what {@link #create} returned
   * @param call which call of begin, expand, rewind or decode from now on; 1 is the next
   * @return whether it will
   */
  protected boolean injectFailure(GenerativeModel created, int call) {
    if (created instanceof ToyModel toy) {
      toy.failAt(call);
      return true;
    }
    return false;
  }

  /**
   * What the model is meant to lack. By default whatever its card leaves out; a subclass that says
   * it notices when a capability gets lost.
   */
  protected Set<Capability> lacks() {
    Set<Capability> lacks = EnumSet.allOf(Capability.class);
    lacks.removeAll(model.card().capabilities());
    return lacks;
  }

  /** By how much a channel of a pixel may differ between batch sizes; 0 on a deterministic CPU. */
  protected int pixelTolerance() {
    return 0;
  }

  /**
   * Whether {@link Noise.Mode} is the most probable of all outcomes of a step: not where a step
   * draws several tokens one after the other, each the most probable one after those before it.
   */
  protected boolean modeIsTheMostProbable() {
    return true;
  }

  @BeforeEach
  final void load() {
    inner = create();
    model = new TrackedModel(inner);
    SearchInvariants.watch(model);
    conditioning = model.encode(List.of(PROMPT)).get(0);
  }

  @AfterEach
  final void unload() {
    closeAll();
    conditioning.close();
    model.close();
  }

  private void closeAll() {
    // Children first: they were made later.
    for (int i = open.size() - 1; i >= 0; i--) {
      open.get(i).close();
    }
    open.clear();
  }

  private static Noise noise(int i) {
    return new Noise.Keyed(KEY.child("sample").child(i));
  }

  private ModelState begin(Noise noise) {
    ModelState state = model.begin(List.of(new Root(conditioning, noise))).get(0);
    open.add(state);
    return state;
  }

  private List<ModelState> expand(ModelState state, Noise... noises) {
    List<ModelState> children =
        model.expand(List.of(new Branch(state, conditioning, List.of(noises)))).get(0);
    open.addAll(children);
    return children;
  }

  private ModelState rollOut(ModelState start, Noise noise) {
    ModelState state = start;
    while (state.step() < model.card().horizon()) {
      state = expand(state, noise).get(0);
    }
    return state;
  }

  private RgbImage decode(ModelState state) {
    List<Artifact> artifacts = model.decode(List.of(new DecodeRow(state, conditioning)));
    RgbImage image = artifacts.get(0).image();
    artifacts.forEach(Artifact::close);
    return image;
  }

  private void assertSame(RgbImage actual, RgbImage expected, String what) {
    assertThat(actual.width()).as(what + ": width").isEqualTo(expected.width());
    assertThat(actual.height()).as(what + ": height").isEqualTo(expected.height());
    int largest = 0;
    for (int i = 0; i < expected.rgb().length; i++) {
      largest = Math.max(largest, Math.abs((actual.rgb()[i] & 0xff) - (expected.rgb()[i] & 0xff)));
    }
    assertThat(largest)
        .as(what + ": largest pixel difference")
        .isLessThanOrEqualTo(pixelTolerance());
  }

  @Test
  void saysWhatItIs() {
    assertThat(model.card().id()).matches("[a-z][a-z0-9]*(-[a-z0-9]+)*");
    assertThat(model.card().horizon()).isPositive();
    assertThat(model.card().width()).isPositive();
    assertThat(model.card().height()).isPositive();
    boolean stochastic = false;
    for (int step = 0; step < model.card().horizon(); step++) {
      stochastic |= model.card().stochasticStep().test(step);
    }
    assertThat(model.card().capabilities().contains(Capability.STOCHASTIC_STEP))
        .as("STOCHASTIC_STEP is declared just where some step is stochastic")
        .isEqualTo(stochastic);
  }

  @Test
  void countsStepsAndPaintsItsSize() {
    ModelState root = begin(noise(0));
    assertThat(root.step()).isZero();
    assertThat(root.dependsOnParent()).isFalse();
    assertThat(root.nativeBytes()).isNotNegative();
    ModelState end = rollOut(root, noise(0));
    assertThat(end.step()).isEqualTo(model.card().horizon());
    RgbImage image = decode(end);
    assertThat(image.width()).isEqualTo(model.card().width());
    assertThat(image.height()).isEqualTo(model.card().height());
  }

  @Test
  void givesEachRowWhatItWouldHaveAlone() {
    List<RgbImage> alone = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      alone.add(decode(rollOut(begin(noise(i)), noise(i))));
      closeAll();
    }
    List<Root> roots = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      roots.add(new Root(conditioning, noise(i)));
    }
    List<ModelState> front = model.begin(roots);
    open.addAll(front);
    // The middle row is a step ahead: batches may mix steps.
    List<ModelState> mixed = new ArrayList<>(front);
    mixed.set(1, expand(front.get(1), noise(1)).get(0));
    while (mixed.get(0).step() < model.card().horizon()) {
      List<Branch> branches = new ArrayList<>();
      List<Integer> rows = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        if (mixed.get(i).step() < model.card().horizon()) {
          branches.add(new Branch(mixed.get(i), conditioning, List.of(noise(i))));
          rows.add(i);
        }
      }
      List<List<ModelState>> children = model.expand(branches);
      for (int i = 0; i < rows.size(); i++) {
        open.addAll(children.get(i));
        mixed.set(rows.get(i), children.get(i).get(0));
      }
    }
    List<DecodeRow> decoding = new ArrayList<>();
    mixed.forEach(state -> decoding.add(new DecodeRow(state, conditioning)));
    List<Artifact> artifacts = model.decode(decoding);
    for (int i = 0; i < 3; i++) {
      assertSame(artifacts.get(i).image(), alone.get(i), "row " + i + " in a batch and alone");
    }
    artifacts.forEach(Artifact::close);
    assertThat(alone.get(0).rgb())
        .as("different noise, different image")
        .isNotEqualTo(alone.get(1).rgb());
  }

  @Test
  void forksAsIfReplayedFromTheRoot() {
    int half = model.card().horizon() / 2;
    ModelState state = begin(noise(0));
    for (int step = 0; step < half; step++) {
      // Siblings, made and thrown away, must not matter.
      state = expand(state, noise(0), noise(7), noise(8)).get(0);
    }
    ModelState first = rollOut(state, noise(1));
    ModelState second = rollOut(state, noise(2));
    RgbImage firstImage = decode(first);
    RgbImage secondImage = decode(second);
    closeAll();
    for (int fork = 1; fork <= 2; fork++) {
      ModelState replay = begin(noise(0));
      for (int step = 0; step < half; step++) {
        replay = expand(replay, noise(0)).get(0);
      }
      RgbImage image = decode(rollOut(replay, noise(fork)));
      assertSame(image, fork == 1 ? firstImage : secondImage, "fork " + fork + " and its replay");
      closeAll();
    }
  }

  @Test
  void survivesTheClosingOfCousins() {
    ModelState root = begin(noise(0));
    List<ModelState> children = expand(root, noise(0), noise(1));
    RgbImage expected = decode(rollOut(children.get(0), noise(0)));
    ModelState cousin = children.get(1);
    ModelState nephew =
        cousin.step() < model.card().horizon() ? expand(cousin, noise(3)).get(0) : cousin;
    if (nephew != cousin) {
      nephew.close();
      open.remove(nephew);
    }
    cousin.close();
    open.remove(cousin);
    assertSame(
        decode(rollOut(children.get(0), noise(0))), expected, "after cousins have been closed");
  }

  @Test
  void nearAtRadiusZeroIsThePivotAndAtOneIsNot() {
    RgbImage pivot = decode(rollOut(begin(noise(0)), noise(0)));
    DrawKey direction = KEY.child("direction");
    Noise zero = new Noise.Blend(noise(0), direction, 0);
    Noise one = new Noise.Blend(noise(0), direction, 1);
    assertSame(decode(rollOut(begin(zero), zero)), pivot, "radius 0 and the pivot");
    RgbImage far = decode(rollOut(begin(one), one));
    assertThat(far.rgb()).isNotEqualTo(pivot.rgb());
    Noise elsewhere = new Noise.Blend(noise(5), direction, 1);
    assertSame(decode(rollOut(begin(elsewhere), elsewhere)), far, "radius 1 whatever the pivot");
  }

  @Test
  void mixesNoise() {
    RgbImage first = decode(rollOut(begin(noise(0)), noise(0)));
    Noise only = new Noise.Mix(List.of(noise(0), noise(1)), List.of(3.0, 0.0));
    assertSame(decode(rollOut(begin(only), only)), first, "a mix of one part and that part");
    Noise mirrored = new Noise.Mix(List.of(noise(0)), List.of(-1.0));
    assertThat(decode(rollOut(begin(mirrored), mirrored)).rgb())
        .as("an antithetic draw and its original")
        .isNotEqualTo(first.rgb());
    Noise twice = new Noise.Mix(List.of(mirrored), List.of(-1.0));
    assertSame(decode(rollOut(begin(twice), twice)), first, "a draw mirrored twice");
    Noise child = new Noise.Mix(List.of(noise(0), noise(1)), List.of(1.0, 1.0));
    RgbImage crossed = decode(rollOut(begin(child), child));
    assertSame(decode(rollOut(begin(child), child)), crossed, "a crossover, twice");
    assertThat(crossed.rgb()).as("a crossover and its parent").isNotEqualTo(first.rgb());
  }

  @Test
  void hasAMode() {
    Noise mode = new Noise.Mode();
    RgbImage first = decode(rollOut(begin(mode), mode));
    assertSame(decode(rollOut(begin(mode), mode)), first, "the most probable outcome, twice");
    assertThat(decode(rollOut(begin(noise(0)), noise(0))).rgb())
        .as("the most probable outcome and a sample")
        .isNotEqualTo(first.rgb());
  }

  /**
   * Following one noise to the end and taking a new one at each step must give images of the same
   * distribution. Where the numbers of a noise do not depend on the step, all steps of the former
   * move in the same direction, and such images spread wider.
   */
  @Test
  void usesNewNumbersAtEachStep() {
    long stochastic =
        IntStream.range(0, model.card().horizon()).filter(model.card().stochasticStep()).count();
    assumeThat(stochastic).as("stochastic steps").isGreaterThan(1);
    double followed = spread((row, step) -> noise(row));
    double fresh = spread((row, step) -> noise(1_000 + 100 * row + step));
    assertThat(followed / fresh)
        .as("spread of images that follow one noise, by that of new noise at each step")
        .isBetween(0.4, 2.5);
  }

  /** The variance of the mean brightness of some samples. */
  private double spread(IntFunction2<Noise> noises) {
    int rows = 32;
    List<Root> roots = new ArrayList<>();
    for (int row = 0; row < rows; row++) {
      roots.add(new Root(conditioning, noises.apply(row, 0)));
    }
    List<ModelState> front = model.begin(roots);
    open.addAll(front);
    for (int step = 0; step < model.card().horizon(); step++) {
      List<Branch> branches = new ArrayList<>();
      for (int row = 0; row < rows; row++) {
        branches.add(
            new Branch(front.get(row), conditioning, List.of(noises.apply(row, step + 1))));
      }
      List<ModelState> next = new ArrayList<>();
      model.expand(branches).forEach(next::addAll);
      open.addAll(next);
      front = next;
    }
    List<DecodeRow> decoding = new ArrayList<>();
    front.forEach(state -> decoding.add(new DecodeRow(state, conditioning)));
    List<Artifact> artifacts = model.decode(decoding);
    double[] means = artifacts.stream().mapToDouble(image -> mean(image.image())).toArray();
    artifacts.forEach(Artifact::close);
    closeAll();
    double mean = Arrays.stream(means).average().orElseThrow();
    return Arrays.stream(means).map(value -> (value - mean) * (value - mean)).sum() / (rows - 1);
  }

  private static double mean(RgbImage image) {
    double sum = 0;
    for (byte value : image.rgb()) {
      sum += value & 0xff;
    }
    return sum / image.rgb().length;
  }

  @FunctionalInterface
  private interface IntFunction2<T> {
    T apply(int first, int second);
  }

  @Test
  void logProbabilitiesAreThoseOfTheDraws() {
    assumeThat(model.card().capabilities()).as("capabilities").contains(Capability.LOG_PROB);
    ModelState root = begin(noise(0));
    assertThat(logProb(root)).as("log-probability of a root, which has drawn nothing").isZero();
    Noise[] draws = new Noise[9];
    draws[0] = new Noise.Mode();
    for (int i = 1; i < draws.length; i++) {
      draws[i] = noise(i);
    }
    List<ModelState> children = expand(root, draws);
    double mode = modeIsTheMostProbable() ? logProb(children.get(0)) : 0;
    Set<Double> different = new HashSet<>();
    for (ModelState child : children) {
      assertThat(logProb(child))
          .as("log-probability of a draw: not above 0, nor above that of the most probable draw")
          .isLessThanOrEqualTo(Math.min(0, mode) + 1e-6);
      different.add(logProb(child));
    }
    assertThat(different).as("log-probabilities of different draws").hasSizeGreaterThan(1);
    ModelState state = children.get(1);
    while (state.step() < model.card().horizon()) {
      ModelState next = expand(state, noise(1)).get(0);
      assertThat(logProb(next))
          .as("log-probability of all draws up to step " + next.step())
          .isLessThanOrEqualTo(logProb(state) + 1e-6);
      state = next;
    }
  }

  private static double logProb(ModelState state) {
    OptionalDouble value = state.logProb();
    assertThat(value).as("log-probability of a state at step " + state.step()).isPresent();
    assertThat(value.getAsDouble()).isFinite();
    return value.getAsDouble();
  }

  @Test
  void quotesExactlyWhatItCounts() {
    Prompt other = Prompt.of("other", "a rather longer prompt with many more words");
    for (Prompt prompt : List.of(PROMPT, other)) {
      WorkCounters before = model.counters();
      List<Conditioning> encoded = model.encode(List.of(prompt));
      assertCounted(before, model.quote(new Work.Encode(prompt.text())), "encode");
      encoded.forEach(Conditioning::close);
    }
    ModelState state = begin(noise(0));
    while (state.step() < model.card().horizon()) {
      int step = state.step();
      WorkCounters before = model.counters();
      List<ModelState> children = expand(state, noise(0), noise(1));
      Cost fresh = model.quote(new Work.Step(PROMPT, step, 2, false));
      assertCounted(before, fresh, "expand at step " + step);
      long each = model.quote(new Work.Step(PROMPT, step, 1, false)).nfe();
      assertThat(each).as("evaluations of one draw").isPositive();
      assertThat(fresh.nfe()).as("siblings count each").isEqualTo(2 * each);
      before = model.counters();
      expand(state, noise(3));
      Cost again = model.quote(new Work.Step(PROMPT, step, 1, true));
      assertCounted(before, again, "second expand at step " + step);
      assertThat(again.nfe()).isEqualTo(each);
      state = children.get(0);
      boolean last = state.step() == model.card().horizon();
      if (last || model.card().capabilities().contains(Capability.PREVIEW)) {
        // The sibling: a preview may keep an evaluation, which a later expand would reuse.
        ModelState shown = children.get(1);
        before = model.counters();
        decode(shown);
        Cost decoded = model.quote(new Work.Decode(PROMPT, shown.step()));
        assertCounted(before, decoded, "decode at step " + shown.step());
        assertThat(decoded.decodes()).isEqualTo(1);
        assertThat(model.counters().since(before).images()).isEqualTo(1);
        if (!last && decoded.rows() > 0) {
          before = model.counters();
          expand(shown, noise(4));
          Cost reused = model.quote(new Work.Step(PROMPT, shown.step(), 1, true));
          assertCounted(before, reused, "expand after its preview at step " + shown.step());
        }
      }
    }
  }

  private void assertCounted(WorkCounters before, Cost quote, String what) {
    WorkCounters work = model.counters().since(before);
    assertThat(List.of(work.rows(), work.tokens(), work.flops()))
        .as("rows, tokens and FLOPs of " + what + ": counted and quoted")
        .isEqualTo(List.of(quote.rows(), quote.tokens(), quote.flops()));
  }

  @Test
  void evaluatesAStateOnceInABatch() {
    ModelState root = begin(noise(0));
    WorkCounters before = model.counters();
    List<List<ModelState>> children =
        model.expand(
            List.of(
                new Branch(root, conditioning, List.of(noise(0))),
                new Branch(root, conditioning, List.of(noise(1)))));
    children.forEach(open::addAll);
    Cost once = model.quote(new Work.Step(PROMPT, 0, 1, false));
    Cost draw = model.quote(new Work.Step(PROMPT, 0, 1, true));
    assertCounted(before, once.plus(draw), "one state twice in a batch");
  }

  @Test
  void siblingsDifferJustWhereStepsAreStochastic() {
    ModelState state = begin(noise(0));
    for (int step = 0; step < model.card().horizon(); step++) {
      if (!model.card().stochasticStep().test(step)) {
        List<ModelState> children = expand(state, noise(1), noise(2));
        assertSame(
            decode(rollOut(children.get(0), noise(4))),
            decode(rollOut(children.get(1), noise(4))),
            "siblings at the deterministic step " + step);
      }
      state = expand(state, noise(0)).get(0);
    }
  }

  /** A capability is there, or a strategy that needs it is refused. */
  @TestFactory
  Stream<DynamicTest> hasOrIsRefused() {
    return Arrays.stream(Capability.values())
        .map(
            capability ->
                DynamicTest.dynamicTest(
                    (lacks().contains(capability) ? "lacks " : "has ") + capability,
                    () -> hasOrIsRefused(capability)));
  }

  private void hasOrIsRefused(Capability capability) {
    assertThat(model.card().capabilities().contains(capability))
        .as("the card has " + capability)
        .isEqualTo(!lacks().contains(capability));
    if (!lacks().contains(capability)) {
      return;
    }
    SearchStrategy needy =
        new SearchStrategy() {
          @Override
          public StrategyCard card() {
            return StrategyCard.of(
                "needy", "Needs a capability.", "https://example.org", capability);
          }

          @Override
          public Candidate search(SearchContext context) {
            throw new AssertionError("a pairing that cannot work was searched");
          }
        };
    assertThatThrownBy(() -> SearchTestKit.strategy(needy).model(model).run())
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[CAPABILITY]")
        .hasMessageContaining(capability.toString());
    if (capability == Capability.LOG_PROB) {
      assertThat(begin(noise(0)).logProb()).as("log-probability").isEmpty();
    }
  }

  @Test
  void rewindsOrRefuses() {
    ModelState end = rollOut(begin(noise(0)), noise(0));
    RewindRow row = new RewindRow(end, conditioning, 0, noise(9));
    if (!model.card().capabilities().contains(Capability.REWIND)) {
      assertThatThrownBy(() -> model.rewind(List.of(row)))
          .isInstanceOf(UnsupportedOperationException.class);
      return;
    }
    int to = model.card().horizon() / 2;
    Cost quote = model.quote(new Work.Rewind(end.step(), to));
    WorkCounters before = model.counters();
    List<ModelState> back =
        model.rewind(
            List.of(
                new RewindRow(end, conditioning, to, noise(9)),
                new RewindRow(end, conditioning, to, noise(10))));
    open.addAll(back);
    assertCounted(before, quote.times(2), "two rewinds");
    assertThat(back.get(0).step()).isEqualTo(to);
    RgbImage first = decode(rollOut(back.get(0), noise(9)));
    assertThat(first.rgb()).isNotEqualTo(decode(rollOut(back.get(1), noise(10))).rgb());
    ModelState again = model.rewind(List.of(new RewindRow(end, conditioning, to, noise(9)))).get(0);
    open.add(again);
    assertSame(decode(rollOut(again, noise(9))), first, "the same rewind, alone");
  }

  @Test
  void leavesNothingWhenACallFails() {
    assumeThat(injectFailure(inner, Integer.MAX_VALUE)).as("failures can be injected").isTrue();
    ModelState root = begin(noise(0));
    ModelState other = begin(noise(1));
    long before = model.liveStates();
    injectFailure(inner, 1);
    try {
      List<List<ModelState>> children =
          model.expand(
              List.of(
                  new Branch(root, conditioning, List.of(noise(0), noise(1))),
                  new Branch(other, conditioning, List.of(noise(2)))));
      children.forEach(open::addAll);
      fail("the injected failure did not come through");
    } catch (RuntimeException e) {
      assertThat(model.liveStates()).isEqualTo(before);
    }
    if (inner instanceof ToyModel toy) {
      assertThat(toy.liveStates()).isEqualTo(before);
    }
    // The model is still of use, with the same result.
    assertThat(decode(rollOut(root, noise(0))).rgb()).isNotEmpty();
  }
}
