package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.espalier.api.DrawKey;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelState;
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.TorchTensor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InfinityModelTest {
  private static final Prompt CIRCLE = Prompt.of("1", "a red circle");
  private static final Prompt LONG = Prompt.of("2", "a blue square left of");
  private static final int HORIZON = 3;

  @TempDir Path directory;
  private long baseline;
  private GenerativeModel model;
  private final List<AutoCloseable> open = new ArrayList<>();

  @BeforeEach
  void load() {
    baseline = TorchTensor.liveBytes();
    model = load(InfinityConfig.of(TinyModel.write(directory).toString()));
  }

  private GenerativeModel load(InfinityConfig config) {
    return new InfinityProvider().load(config, TinyModel.context(directory));
  }

  private static InfinityConfig config(
      Path weights,
      @Nullable List<Double> cfg,
      @Nullable List<Integer> layers,
      @Nullable Integer topK) {
    return new InfinityConfig(
        weights.toString(), null, null, null, null, cfg, layers, null, topK, null, null);
  }

  @AfterEach
  void everythingIsFreed() throws Exception {
    for (int i = open.size() - 1; i >= 0; i--) {
      open.get(i).close();
    }
    model.close();
    assertThat(TorchTensor.liveBytes()).isEqualTo(baseline);
  }

  private <T extends AutoCloseable> T keep(T part) {
    open.add(part);
    return part;
  }

  private Conditioning encode(Prompt prompt) {
    return keep(model.encode(List.of(prompt)).get(0));
  }

  private ModelState begin(Conditioning conditioning) {
    return keep(model.begin(List.of(new Root(conditioning, noise(0)))).get(0));
  }

  private static Noise noise(long index) {
    return new Noise.Keyed(DrawKey.root(7).child(index));
  }

  private List<ModelState> expand(ModelState state, Conditioning conditioning, Noise... draws) {
    List<ModelState> children =
        model.expand(List.of(new Branch(state, conditioning, List.of(draws)))).get(0);
    children.forEach(this::keep);
    return children;
  }

  private ModelState rollOut(ModelState state, Conditioning conditioning, Noise noise) {
    ModelState last = state;
    while (last.step() < HORIZON) {
      last = expand(last, conditioning, noise).get(0);
    }
    return last;
  }

  private byte[] pixels(ModelState state, Conditioning conditioning) {
    Artifact artifact = model.decode(List.of(new DecodeRow(state, conditioning))).get(0);
    return artifact.image().rgb();
  }

  @Test
  void cardTellsWhatItIs() {
    assertThat(model.card().id()).isEqualTo("infinity");
    assertThat(model.card().horizon()).isEqualTo(HORIZON);
    assertThat(model.card().width()).isEqualTo(8);
    assertThat(model.card().height()).isEqualTo(6);
    assertThat(model.card().licence()).isEqualTo("Apache-2.0");
    assertThat(model.card().weightsSha256()).matches("[0-9a-f]{64}");
    assertThat(model.card().facts()).containsEntry("depth", "4").containsEntry("topP", "0.0");
  }

  @Test
  void sameNoiseGivesTheSameImageAndOtherNoiseAnother() {
    Conditioning prompt = encode(CIRCLE);
    byte[] first = pixels(rollOut(begin(prompt), prompt, noise(1)), prompt);
    assertThat(pixels(rollOut(begin(prompt), prompt, noise(1)), prompt)).isEqualTo(first);
    assertThat(pixels(rollOut(begin(prompt), prompt, noise(2)), prompt)).isNotEqualTo(first);
    Conditioning other = encode(LONG);
    assertThat(pixels(rollOut(begin(other), other, noise(1)), other)).isNotEqualTo(first);
  }

  @Test
  void forkEqualsReplayFromTheRoot() {
    Conditioning prompt = encode(CIRCLE);
    ModelState prefix = expand(begin(prompt), prompt, noise(1)).get(0);
    List<ModelState> fork = expand(prefix, prompt, noise(2), noise(3), noise(4));
    for (int i = 0; i < fork.size(); i++) {
      ModelState replayed = expand(begin(prompt), prompt, noise(1)).get(0);
      replayed = expand(replayed, prompt, noise(2 + i)).get(0);
      assertThat(pixels(fork.get(i), prompt)).isEqualTo(pixels(replayed, prompt));
      assertThat(fork.get(i).logProb()).isEqualTo(replayed.logProb());
      assertThat(pixels(rollOut(fork.get(i), prompt, noise(9)), prompt))
          .isEqualTo(pixels(rollOut(replayed, prompt, noise(9)), prompt));
    }
  }

  @Test
  void rowsDoNotDependOnTheirBatch() {
    List<Prompt> prompts = List.of(CIRCLE, LONG, CIRCLE, Prompt.of("3", "star"));
    List<Conditioning> encoded = model.encode(prompts);
    encoded.forEach(this::keep);
    List<ModelState> states =
        model.begin(encoded.stream().map(c -> new Root(c, noise(0))).toList());
    states.forEach(this::keep);
    for (int step = 0; step < HORIZON; step++) {
      List<Branch> batch = new ArrayList<>();
      for (int i = 0; i < states.size(); i++) {
        batch.add(new Branch(states.get(i), encoded.get(i), List.of(noise(i))));
      }
      states = model.expand(batch).stream().map(children -> children.get(0)).toList();
      states.forEach(this::keep);
    }
    List<DecodeRow> rows = new ArrayList<>();
    for (int i = 0; i < states.size(); i++) {
      rows.add(new DecodeRow(states.get(i), encoded.get(i)));
    }
    List<Artifact> together = model.decode(rows);
    for (int i = 0; i < prompts.size(); i++) {
      Conditioning alone = encode(prompts.get(i));
      assertThat(together.get(i).image().rgb())
          .isEqualTo(pixels(rollOut(begin(alone), alone, noise(i)), alone));
    }
  }

  @Test
  void mixedStepsMayShareABatch() {
    Conditioning prompt = encode(CIRCLE);
    ModelState root = begin(prompt);
    ModelState child = expand(begin(prompt), prompt, noise(1)).get(0);
    List<List<ModelState>> children =
        model.expand(
            List.of(
                new Branch(root, prompt, List.of(noise(1))),
                new Branch(child, prompt, List.of(noise(2), noise(3))),
                new Branch(root, prompt, List.of(noise(4)))));
    children.forEach(list -> list.forEach(this::keep));
    assertThat(children.stream().map(List::size)).containsExactly(1, 2, 1);
    assertThat(pixels(children.get(0).get(0), prompt)).isEqualTo(pixels(child, prompt));
    assertThat(children.get(1).get(1).step()).isEqualTo(2);
  }

  @Test
  void siblingsDoNotTouchEachOther() {
    Conditioning prompt = encode(CIRCLE);
    ModelState root = begin(prompt);
    List<ModelState> siblings = expand(root, prompt, noise(1), noise(2));
    byte[] second = pixels(siblings.get(1), prompt);
    rollOut(siblings.get(0), prompt, noise(5));
    siblings.get(0).close();
    assertThat(pixels(siblings.get(1), prompt)).isEqualTo(second);
    Conditioning again = encode(CIRCLE);
    ModelState alone = expand(begin(again), again, noise(2)).get(0);
    assertThat(pixels(rollOut(siblings.get(1), prompt, noise(6)), prompt))
        .isEqualTo(pixels(rollOut(alone, again, noise(6)), again));
  }

  @Test
  void countersGrowByExactlyWhatWasQuoted() {
    WorkCounters before = model.counters();
    Cost quoted = model.quote(new Work.Encode(LONG.text()));
    Conditioning prompt = encode(LONG);
    ModelState state = begin(prompt);
    quoted = quoted.plus(model.quote(new Work.Begin()));
    for (int step = 0; step < HORIZON; step++) {
      quoted = quoted.plus(model.quote(new Work.Step(LONG, step, 3, false)));
      ModelState parent = state;
      state = expand(parent, prompt, noise(1), noise(2), noise(3)).get(0);
      quoted = quoted.plus(model.quote(new Work.Step(LONG, step, 2, true)));
      expand(parent, prompt, noise(4), noise(5));
      quoted = quoted.plus(model.quote(new Work.Decode(LONG, step + 1)));
      pixels(state, prompt);
    }
    WorkCounters done = model.counters().since(before);
    assertThat(quoted.nfe()).isEqualTo(5L * HORIZON);
    assertThat(quoted.decodes()).isEqualTo(HORIZON).isEqualTo(done.images());
    assertThat(done.rows()).isEqualTo(quoted.rows()).isEqualTo(2L * HORIZON);
    assertThat(done.tokens()).isEqualTo(quoted.tokens()).isEqualTo(2L * (1 + 4 + 12));
    assertThat(done.flops()).isEqualTo(quoted.flops());
  }

  /** A count of its own, by hand, of every matrix product, attention and convolution. */
  @Test
  void flopsEqualAHandCount() {
    Conditioning prompt = encode(CIRCLE);
    long text = 4; // a red circle </s>
    // T5: 2 layers, width 24, 3 heads of 8, feed-forward 40 gated
    long t5 = 2 * (2 * text * 24 * 24 * 4 + 4 * 3 * text * text * 8 + 2 * text * 24 * 40 * 3);
    // conditioning of 2 rows: pool (24 -> 64), pooling attention (2 heads of 16, one query),
    // projection, 6- and 2-fold modulation, two layers on the words, keys and values of 4 blocks
    long pool = 2 * 2 * text * 24 * 64 + 2 * 4 * 2 * text * 16;
    long sentence = 2 * 2 * (32 * 32 + 32 * 192 + 32 * 64);
    long words = 2 * 2 * text * (24 * 32 + 32 * 32 + 4 * 32 * 64);
    assertThat(model.quote(new Work.Encode(CIRCLE.text())).flops())
        .isEqualTo(t5 + pool + sentence + words);
    int[] tokens = {1, 4, 12};
    int[] seen = {1, 5, 17};
    for (int scale = 0; scale < 3; scale++) {
      long n = tokens[scale];
      // per block and row: qkv 32 -> 96, proj, q and proj of cross-attention, feed-forward 48
      long products = 2 * n * (32 * 96 + 32 * 32 + 32 * 32 + 32 * 32 + 32 * 48 + 48 * 32);
      long attention = 4 * 2 * n * seen[scale] * 16 + 4 * 2 * n * text * 16;
      long embed = scale == 0 ? 0 : 2 * n * 8 * 32;
      long head = 2 * 2 * n * 32 * 16;
      assertThat(model.quote(new Work.Step(CIRCLE, scale, 1, false)).flops())
          .isEqualTo(embed + 2 * 4 * (products + attention) + head);
    }
    // decoder at 3 x 4: in 8 -> 48, two residual blocks in the middle, two at 48, doubling, then at
    // 6 x 8 two blocks 48 -> 24 and 24 -> 24 with one shortcut, out 24 -> 3
    long low = 12;
    long high = 48;
    long decode =
        2 * low * 9 * 8 * 48
            + 4 * 2 * low * 2 * 9 * 48 * 48
            + 2 * high * 9 * 48 * 48
            + 2 * high * (9 * 48 * 24 + 9 * 24 * 24 + 48 * 24)
            + 2 * high * 2 * 9 * 24 * 24
            + 2 * high * 9 * 24 * 3;
    assertThat(model.quote(new Work.Decode(CIRCLE, 3)).flops()).isEqualTo(decode);
  }

  @Test
  void logProbabilityIsThatOfTheBits() {
    Conditioning prompt = encode(CIRCLE);
    List<ModelState> many =
        expand(
            begin(prompt),
            prompt,
            IntStream.range(0, 200).mapToObj(InfinityModelTest::noise).toArray(Noise[]::new));
    ModelState mode = expand(begin(prompt), prompt, new Noise.Mode()).get(0);
    for (ModelState state : many) {
      assertThat(state.logProb().getAsDouble()).isNegative();
      assertThat(state.logProb().getAsDouble()).isLessThanOrEqualTo(mode.logProb().getAsDouble());
    }
    assertThat(many.stream().map(s -> s.logProb().getAsDouble()).distinct().count())
        .isGreaterThan(5);
  }

  @Test
  void greedySamplingIgnoresTheNoise() {
    try (GenerativeModel greedy = load(config(directory, null, null, 1))) {
      Conditioning prompt = greedy.encode(List.of(CIRCLE)).get(0);
      ModelState root = greedy.begin(List.of(new Root(prompt, noise(0)))).get(0);
      List<ModelState> children =
          greedy
              .expand(
                  List.of(new Branch(root, prompt, List.of(noise(1), noise(2), new Noise.Mode()))))
              .get(0);
      List<Artifact> images =
          greedy.decode(children.stream().map(s -> new DecodeRow(s, prompt)).toList());
      assertThat(images.get(0).image().rgb())
          .isEqualTo(images.get(1).image().rgb())
          .isEqualTo(images.get(2).image().rgb());
      assertThat(children.get(0).logProb()).hasValue(0);
      children.forEach(ModelState::close);
      root.close();
      prompt.close();
    }
  }

  @Test
  void withoutGuidanceOneRowSuffices() {
    try (GenerativeModel plain = load(config(directory, List.of(1.0), null, null))) {
      Conditioning prompt = plain.encode(List.of(CIRCLE)).get(0);
      assertThat(plain.quote(new Work.Step(CIRCLE, 1, 1, false)).rows()).isEqualTo(1);
      assertThat(plain.quote(new Work.Step(CIRCLE, 1, 1, false)).tokens()).isEqualTo(4);
      prompt.close();
    }
  }

  @Test
  void guidanceAtALayerDiffersFromGuidanceOnTheLogits() {
    try (GenerativeModel layered = load(config(directory, null, List.of(-2), null))) {
      Conditioning prompt = layered.encode(List.of(CIRCLE)).get(0);
      ModelState root = layered.begin(List.of(new Root(prompt, noise(0)))).get(0);
      WorkCounters before = layered.counters();
      ModelState child =
          layered.expand(List.of(new Branch(root, prompt, List.of(noise(1))))).get(0).get(0);
      assertThat(layered.counters().since(before).flops())
          .isEqualTo(layered.quote(new Work.Step(CIRCLE, 0, 1, false)).flops());
      Conditioning own = encode(CIRCLE);
      assertThat(child.logProb()).isNotEqualTo(expand(begin(own), own, noise(1)).get(0).logProb());
      child.close();
      root.close();
      prompt.close();
    }
  }

  @Test
  void nativeBytesAreThoseFreedByClosing() {
    Conditioning prompt = encode(CIRCLE);
    ModelState root = begin(prompt);
    ModelState child = expand(root, prompt, noise(1)).get(0);
    for (ModelState state : List.of(child, root)) {
      long held = TorchTensor.liveBytes();
      long bytes = state.nativeBytes();
      assertThat(bytes).isPositive();
      state.close();
      state.close();
      assertThat(TorchTensor.liveBytes()).isEqualTo(held - bytes);
    }
  }

  @Test
  void refusesWhatBreaksItsContract() {
    Conditioning prompt = encode(CIRCLE);
    ModelState root = begin(prompt);
    assertThatThrownBy(() -> pixels(root, prompt)).hasMessageContaining("[PLUGIN_CONTRACT]");
    ModelState last = rollOut(root, prompt, noise(1));
    assertThatThrownBy(() -> expand(last, prompt, noise(2)))
        .hasMessageContaining("[PLUGIN_CONTRACT]")
        .hasMessageContaining("step 3");
    assertThatThrownBy(() -> model.rewind(List.of()))
        .isInstanceOf(UnsupportedOperationException.class);
    Conditioning foreign = () -> {};
    long held = TorchTensor.liveBytes();
    ModelState fresh = begin(prompt);
    long withRoot = TorchTensor.liveBytes();
    assertThatThrownBy(() -> expand(fresh, foreign, noise(1)))
        .hasMessageContaining("[PLUGIN_CONTRACT]");
    assertThat(TorchTensor.liveBytes()).isEqualTo(withRoot).isGreaterThan(held);
  }
}
