package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.Capability;
import org.espalier.api.DrawKey;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelState;
import org.espalier.spi.RewindRow;
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.TorchTensor;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The model adapter, on a complete model of toy size. */
@NullUnmarked
class FluxModelTest {
  @TempDir static Path directory;
  private static GenerativeModel ode;
  private static GenerativeModel sde;
  private static long bytesBefore;

  /** Text lengths are fixed, so that costs do not depend on the prompt. */
  private static final Prompt RED = Prompt.of("p", "a red circle");

  @BeforeAll
  static void load() {
    TinyFlux.bundle(directory.resolve("tiny-dev"), TinyFlux.parity("weights"), "{\"steps\": 4}");
    TinyFlux.bundle(
        directory.resolve("tiny-cfg"),
        TinyFlux.withoutGuidance(),
        "{\"steps\": 30, \"true_cfg\": 3.0, \"shift\": 2.0}");
    bytesBefore = TorchTensor.liveBytes();
    ode = TinyFlux.load(TinyFlux.config("tiny-cfg", sampler("ode", 5), null), directory);
    sde = TinyFlux.load(TinyFlux.config("tiny-dev", sampler("sde", 5), null), directory);
  }

  @AfterAll
  static void closeAll() {
    ode.close();
    sde.close();
    assertThat(TorchTensor.liveBytes()).isEqualTo(bytesBefore);
  }

  private static FlowSamplerConfig sampler(String kind, Integer steps) {
    return new FlowSamplerConfig(kind, steps, null, null, null);
  }

  private static Noise noise(long i) {
    return new Noise.Keyed(DrawKey.root(9).child(i));
  }

  private static Conditioning encode(GenerativeModel model, String text) {
    return model.encode(List.of(Prompt.of("p", text))).get(0);
  }

  private static float[] latent(ModelState state) {
    return ((FlowState) state).latent();
  }

  private static ModelState begin(GenerativeModel model, Conditioning conditioning, long i) {
    return model.begin(List.of(new Root(conditioning, noise(i)))).get(0);
  }

  private static ModelState step(
      GenerativeModel model, ModelState state, Conditioning conditioning, Noise noise) {
    return model.expand(List.of(new Branch(state, conditioning, List.of(noise)))).get(0).get(0);
  }

  private static ModelState roll(
      GenerativeModel model, ModelState start, Conditioning conditioning, Noise noise, int to) {
    ModelState state = start;
    while (state.step() < to) {
      state = step(model, state, conditioning, noise);
    }
    return state;
  }

  private static byte[] image(GenerativeModel model, ModelState state, Conditioning conditioning) {
    return model.decode(List.of(new DecodeRow(state, conditioning))).get(0).image().rgb();
  }

  private static void assertCounted(GenerativeModel model, WorkCounters before, Cost quote) {
    WorkCounters work = model.counters().since(before);
    assertThat(work)
        .isEqualTo(new WorkCounters(quote.rows(), quote.tokens(), quote.flops(), quote.decodes()));
  }

  @Test
  void cardsTellWhatTheSamplersCan() {
    assertThat(ode.card().id()).isEqualTo("flux");
    assertThat(ode.card().horizon()).isEqualTo(5);
    assertThat(ode.card().width()).isEqualTo(64);
    assertThat(ode.card().capabilities())
        .containsExactlyInAnyOrder(Capability.PREVIEW, Capability.REWIND);
    assertThat(ode.card().stochasticStep().test(0)).isFalse();
    assertThat(ode.card().facts())
        .containsEntry("variant", "nano")
        .containsEntry("trueCfg", "3.0")
        .containsEntry("shift", "2.0");
    assertThat(ode.card().licence()).isEqualTo("Apache-2.0");
    assertThat(ode.card().weightsSha256()).hasSize(64);
    assertThat(sde.card().capabilities()).contains(Capability.STOCHASTIC_STEP);
    assertThat(sde.card().stochasticStep().test(3)).isTrue();
    assertThat(sde.card().stochasticStep().test(4)).isFalse();
    assertThat(sde.card().facts())
        .containsEntry("variant", "dev")
        .containsEntry("guidance", "3.5")
        .containsEntry("noiseScale", "3.0");
  }

  @Test
  void quotesAreTheCountersOfEachKindOfWork() {
    for (GenerativeModel model : List.of(ode, sde)) {
      WorkCounters before = model.counters();
      Conditioning conditioning = encode(model, "a red circle");
      assertCounted(model, before, model.quote(new Work.Encode("a red circle")));
      before = model.counters();
      ModelState root = begin(model, conditioning, 0);
      assertCounted(model, before, model.quote(new Work.Begin()));
      before = model.counters();
      List<Noise> draws = List.of(noise(1), noise(2), noise(3));
      ModelState child = model.expand(List.of(new Branch(root, conditioning, draws))).get(0).get(2);
      Cost three = model.quote(new Work.Step(RED, 0, 3, false));
      assertThat(three.nfe()).isEqualTo(3);
      assertCounted(model, before, three);
      before = model.counters();
      step(model, root, conditioning, noise(4));
      Cost cached = model.quote(new Work.Step(RED, 0, 1, true));
      assertThat(cached.nfe()).isEqualTo(1);
      assertCounted(model, before, cached);
      before = model.counters();
      image(model, child, conditioning);
      Cost preview = model.quote(new Work.Decode(RED, 1));
      assertThat(preview.nfe()).isZero();
      assertCounted(model, before, preview);
      before = model.counters();
      ModelState second = step(model, child, conditioning, noise(5));
      assertCounted(model, before, Cost.ZERO); // the preview's evaluation is reused
      before = model.counters();
      model.rewind(List.of(new RewindRow(second, conditioning, 1, noise(6))));
      assertCounted(model, before, model.quote(new Work.Rewind(2, 1)));
      ModelState end = roll(model, second, conditioning, noise(5), 5);
      before = model.counters();
      image(model, end, conditioning);
      Cost decode = model.quote(new Work.Decode(RED, 5));
      assertThat(decode.decodes()).isEqualTo(1);
      assertCounted(model, before, decode);
      conditioning.close();
    }
  }

  @Test
  void thirtyEulerStepsAreThirtyNfeAndWithClassifierFreeGuidanceSixtyRows() {
    try (GenerativeModel model =
            TinyFlux.load(TinyFlux.config("tiny-cfg", sampler("ode", 30), 4.), directory);
        Conditioning conditioning = encode(model, "a green square")) {
      WorkCounters before = model.counters();
      roll(model, begin(model, conditioning, 0), conditioning, noise(0), 30);
      WorkCounters work = model.counters().since(before);
      Cost sample = model.quote(new Work.Begin());
      for (int step = 0; step < 30; step++) {
        sample = sample.plus(model.quote(new Work.Step(RED, step, 1, false)));
      }
      assertThat(sample.nfe()).isEqualTo(30);
      assertThat(sample.times(96).nfe()).isEqualTo(2880);
      assertThat(sample.rows()).isEqualTo(60).isEqualTo(work.rows());
      assertThat(sample.tokens()).isEqualTo(60 * (16 + 6)).isEqualTo(work.tokens());
      assertThat(sample.flops()).isEqualTo(work.flops());
    }
  }

  @Test
  void withoutClassifierFreeGuidanceAnEvaluationIsOneRow() {
    assertThat(sde.quote(new Work.Step(RED, 0, 1, false)).rows()).isEqualTo(1);
  }

  @Test
  void rowsAreWhatTheyWouldBeAlone() {
    Conditioning red = encode(ode, "a red circle");
    Conditioning green = encode(ode, "a green square and a red circle");
    List<ModelState> together =
        ode.begin(
            List.of(new Root(red, noise(0)), new Root(green, noise(0)), new Root(red, noise(1))));
    List<Conditioning> texts = List.of(red, green, red);
    List<Branch> branches = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      branches.add(new Branch(together.get(i), texts.get(i), List.of(noise(i))));
    }
    List<List<ModelState>> children = ode.expand(branches);
    List<DecodeRow> rows = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      rows.add(new DecodeRow(children.get(i).get(0), texts.get(i)));
    }
    List<byte[]> images =
        ode.decode(rows).stream().map(artifact -> artifact.image().rgb()).toList();
    long[] seeds = {0, 0, 1};
    for (int i = 0; i < 3; i++) {
      Conditioning alone = encode(ode, i == 1 ? "a green square and a red circle" : "a red circle");
      ModelState root = begin(ode, alone, seeds[i]);
      ModelState child = step(ode, root, alone, noise(i));
      assertThat(latent(child)).isEqualTo(latent(children.get(i).get(0)));
      assertThat(image(ode, child, alone)).isEqualTo(images.get(i));
      alone.close();
    }
    assertThat(latent(children.get(0).get(0))).isNotEqualTo(latent(children.get(1).get(0)));
    red.close();
    green.close();
  }

  @Test
  void statesAtDifferentStepsShareABatch() {
    Conditioning conditioning = encode(sde, "a red circle");
    ModelState early = begin(sde, conditioning, 0);
    ModelState late = roll(sde, begin(sde, conditioning, 1), conditioning, noise(1), 3);
    List<List<ModelState>> children =
        sde.expand(
            List.of(
                new Branch(early, conditioning, List.of(noise(2))),
                new Branch(late, conditioning, List.of(noise(3))),
                new Branch(early, conditioning, List.of(noise(4)))));
    assertThat(children.get(0).get(0).step()).isEqualTo(1);
    assertThat(children.get(1).get(0).step()).isEqualTo(4);
    ModelState again = begin(sde, conditioning, 0);
    assertThat(latent(step(sde, again, conditioning, noise(4))))
        .isEqualTo(latent(children.get(2).get(0)));
    conditioning.close();
  }

  @Test
  void siblingsDifferOnAnSdeAndAreTheSameOnAnOde() {
    for (GenerativeModel model : List.of(ode, sde)) {
      Conditioning conditioning = encode(model, "a red circle");
      ModelState root = begin(model, conditioning, 0);
      List<ModelState> siblings =
          model.expand(List.of(new Branch(root, conditioning, List.of(noise(1), noise(2))))).get(0);
      if (model == ode) {
        assertThat(latent(siblings.get(0))).isEqualTo(latent(siblings.get(1)));
      } else {
        assertThat(latent(siblings.get(0))).isNotEqualTo(latent(siblings.get(1)));
      }
      conditioning.close();
    }
  }

  @Test
  void theSameDrawsAreTheSameSampleFromAFork() {
    Conditioning conditioning = encode(sde, "a red circle");
    ModelState fork = roll(sde, begin(sde, conditioning, 0), conditioning, noise(1), 2);
    ModelState one = roll(sde, fork, conditioning, noise(1), 5);
    step(sde, fork, conditioning, noise(2)).close();
    ModelState two = roll(sde, fork, conditioning, noise(1), 5);
    ModelState replayed = roll(sde, begin(sde, conditioning, 0), conditioning, noise(1), 5);
    assertThat(latent(one)).isEqualTo(latent(two)).isEqualTo(latent(replayed));
    conditioning.close();
  }

  @Test
  void thePreviewBeforeTheLastStepIsTheFinalImage() {
    Conditioning conditioning = encode(ode, "a red circle");
    ModelState last = roll(ode, begin(ode, conditioning, 0), conditioning, noise(0), 4);
    byte[] preview = image(ode, last, conditioning);
    ModelState end = step(ode, last, conditioning, noise(0));
    assertThat(image(ode, end, conditioning)).isEqualTo(preview);
    ModelState first = roll(ode, begin(ode, conditioning, 0), conditioning, noise(0), 1);
    assertThat(image(ode, first, conditioning)).isNotEqualTo(preview);
    conditioning.close();
  }

  @Test
  void previewsOfSdeSiblingsDiffer() {
    Conditioning conditioning = encode(sde, "a red circle");
    ModelState root = begin(sde, conditioning, 0);
    List<ModelState> siblings =
        sde.expand(List.of(new Branch(root, conditioning, List.of(noise(1), noise(2))))).get(0);
    assertThat(image(sde, siblings.get(0), conditioning))
        .isNotEqualTo(image(sde, siblings.get(1), conditioning));
    conditioning.close();
  }

  @Test
  void rewindingToTheRootIsANewRootAndIsReproducible() {
    Conditioning conditioning = encode(ode, "a red circle");
    ModelState end = roll(ode, begin(ode, conditioning, 0), conditioning, noise(0), 5);
    ModelState root = ode.rewind(List.of(new RewindRow(end, conditioning, 0, noise(8)))).get(0);
    assertThat(root.step()).isZero();
    assertThat(latent(root)).isEqualTo(latent(begin(ode, conditioning, 8)));
    ModelState middle = ode.rewind(List.of(new RewindRow(end, conditioning, 2, noise(8)))).get(0);
    ModelState again = ode.rewind(List.of(new RewindRow(end, conditioning, 2, noise(8)))).get(0);
    assertThat(middle.step()).isEqualTo(2);
    assertThat(latent(middle)).isEqualTo(latent(again)).isNotEqualTo(latent(end));
    conditioning.close();
  }

  @Test
  void theModeOfTheRootIsTheMeanOfNoise() {
    Conditioning conditioning = encode(ode, "a red circle");
    ModelState root = ode.begin(List.of(new Root(conditioning, new Noise.Mode()))).get(0);
    assertThat(latent(root)).containsOnly(0f);
    conditioning.close();
  }

  @Test
  void classifierFreeGuidanceIsTheExtrapolationFromTheNegativePrompt() {
    // v(scale) is linear in the scale, so three scales lie on a line.
    float[][] latents = new float[3][];
    double[] scales = {1, 2, 4};
    for (int i = 0; i < 3; i++) {
      try (GenerativeModel model =
              TinyFlux.load(TinyFlux.config("tiny-cfg", sampler("ode", 5), scales[i]), directory);
          Conditioning conditioning = encode(model, "a red circle")) {
        latents[i] = latent(step(model, begin(model, conditioning, 0), conditioning, noise(0)));
      }
    }
    double largest = 0;
    for (int i = 0; i < latents[0].length; i++) {
      double predicted = latents[0][i] + 3 * (latents[1][i] - latents[0][i]);
      largest = Math.max(largest, Math.abs(predicted - latents[2][i]));
    }
    assertThat(largest).isLessThan(1e-4);
    assertThat(latents[0]).isNotEqualTo(latents[1]);
  }

  @Test
  void statesHoldNoNativeMemoryAndConditioningsGiveTheirsBack() {
    long before = TorchTensor.liveBytes();
    Conditioning conditioning = encode(sde, "a red circle");
    assertThat(TorchTensor.liveBytes())
        .isEqualTo(before + 4L * (TinyFlux.TEXT_TOKENS * TinyFlux.T5_WIDTH + TinyFlux.CLIP_WIDTH));
    ModelState end = roll(sde, begin(sde, conditioning, 0), conditioning, noise(0), 5);
    image(sde, end, conditioning);
    assertThat(end.nativeBytes()).isZero();
    assertThat(end.dependsOnParent()).isFalse();
    end.close();
    conditioning.close();
    assertThat(TorchTensor.liveBytes()).isEqualTo(before);
  }

  @Test
  void floatingPointOperationsAreTheHandCount() {
    // Toy sizes: width 64, 2 heads of 32, feed-forward 256, 2 double and 2 single blocks, 16 image
    // and 6 text tokens of widths 64 and 48, pooled width 32; dev, so with guidance.
    long madds = 0;
    madds += 16 * 64 * 64; // img_in
    madds += 6 * 48 * 64; // txt_in
    madds += 256 * 64 + 64 * 64; // time_in
    madds += 256 * 64 + 64 * 64; // guidance_in
    madds += 32 * 64 + 64 * 64; // vector_in
    for (int block = 0; block < 2; block++) {
      madds += 64 * 384 * 2; // modulations of both streams
      madds += 22 * 64 * 192; // query, key, value
      madds += 2 * 22 * 22 * 64; // scores and weighted sum, over both heads
      madds += 22 * 64 * 64; // output projections
      madds += 22 * 64 * 256 * 2; // feed-forward
    }
    for (int block = 0; block < 2; block++) {
      madds += 64 * 192; // modulation
      madds += 22 * 64 * (192 + 256); // linear1
      madds += 2 * 22 * 22 * 64; // attention
      madds += 22 * (64 + 256) * 64; // linear2
    }
    madds += 64 * 128; // final modulation
    madds += 16 * 64 * 64; // final linear
    assertThat(sde.quote(new Work.Step(RED, 0, 1, false)).flops()).isEqualTo(2 * madds);

    // Decoder: 32 channels throughout, 4 levels of 2 residual blocks, latent 8 x 8 x 16.
    long decode = 0;
    decode += 64L * 9 * 16 * 32; // conv_in
    decode += 2 * 2 * 64L * 9 * 32 * 32; // two middle residual blocks
    decode += 4 * 64L * 32 * 32 + 2 * 64L * 64 * 32; // middle attention
    for (long side : new long[] {8, 16, 32, 64}) {
      decode += 2 * 2 * side * side * 9 * 32 * 32; // residual blocks
      if (side > 8) {
        decode += side * side * 9 * 32 * 32; // the up-sampling that led here
      }
    }
    decode += 64L * 64 * 9 * 32 * 3; // conv_out
    assertThat(sde.quote(new Work.Decode(RED, 5)).flops()).isEqualTo(2 * decode);
  }
}
