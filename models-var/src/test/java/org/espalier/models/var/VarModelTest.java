package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Work;
import org.espalier.torch.Device;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VarModelTest {
  @TempDir Path directory;

  private GenerativeModel load(VarConfig config) {
    return new VarProvider().load(config, TinyModel.context(directory));
  }

  private void refused(VarConfig config, String... parts) {
    long live = TorchTensor.liveBytes();
    assertThatThrownBy(() -> new VarProvider().check(config, TinyModel.context(directory)))
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[CONFIG] ")
        .hasMessageContaining("\nMaybe ")
        .hasMessageContainingAll(parts);
    assertThatThrownBy(() -> load(config).close()).hasMessageContainingAll(parts);
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  @Test
  void cardTellsWhatItIs() {
    try (GenerativeModel model = load(TinyVar.config(TinyVar.write(directory), 1.5, 900, 0.96))) {
      assertThat(model.card().id()).isEqualTo("var");
      assertThat(model.card().horizon()).isEqualTo(3);
      assertThat(model.card().width()).isEqualTo(6);
      assertThat(model.card().licence()).isEqualTo("MIT");
      assertThat(model.card().facts())
          .containsEntry("sides", "[1, 2, 3]")
          .containsEntry("classes", "5")
          .containsEntry("topK", "900");
    }
  }

  /** A count of its own, by hand, of every matrix product, attention and convolution. */
  @Test
  void flopsEqualAHandCount() {
    Prompt prompt = Prompt.of("1", "star");
    try (GenerativeModel model = load(TinyVar.config(TinyVar.write(directory), 1.5, 0, 0))) {
      // two rows, two blocks: six-fold modulation each, two-fold before the head
      long condition = 2 * 2 * (2 * 32 * 192 + 32 * 64);
      assertThat(model.quote(new Work.Encode(prompt.text())).flops()).isEqualTo(condition);
      long convolution = 2 * 9 * (4 * 9) * 4; // 3 x 3 places, 4 channels, kernel 3 x 3
      long[] tokens = {1, 4, 9};
      long[] seen = {1, 5, 14};
      for (int scale = 0; scale < 3; scale++) {
        long n = tokens[scale];
        long products = 2 * n * (32 * 96 + 32 * 32 + 32 * 48 + 48 * 32);
        long attention = 4 * 2 * n * seen[scale] * 16;
        long embed = scale == 0 ? 0 : 2 * n * 4 * 32;
        long head = (scale == 0 ? 1 : 2) * 2 * n * 32 * 16; // nothing is mixed at the first scale
        long once = embed + 2 * 2 * (products + attention) + head;
        assertThat(model.quote(new Work.Step(prompt, scale, 3, false)).flops())
            .isEqualTo(once + 3 * convolution);
        assertThat(model.quote(new Work.Step(prompt, scale, 2, true)).flops())
            .isEqualTo(2 * convolution);
      }
      long coarse = 9;
      long fine = 36;
      long block64 = 2 * 2 * coarse * 64 * 9 * 64;
      long attention64 = 4 * 2 * coarse * 64 * 64 + 4 * coarse * coarse * 64;
      long decode =
          2 * coarse * 4 * 9 * 32 // after the codebook
              + 2 * coarse * 32 * 9 * 64
              + 2 * block64
              + attention64
              + 2 * (block64 + attention64)
              + 2 * fine * 64 * 9 * 64 // after doubling
              + (2 * fine * 64 * 9 * 32 + 2 * fine * 32 * 9 * 32 + 2 * fine * 64 * 32)
              + 2 * 2 * fine * 32 * 9 * 32
              + 2 * fine * 32 * 9 * 3;
      assertThat(model.quote(new Work.Decode(prompt, 3)).flops()).isEqualTo(decode);
    }
  }

  @Test
  void withoutGuidanceThereIsOneRow() {
    Prompt prompt = Prompt.of("1", "star");
    try (GenerativeModel model = load(TinyVar.config(TinyVar.write(directory), 0, 0, 0))) {
      assertThat(model.quote(new Work.Step(prompt, 2, 1, false)).rows()).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @CsvSource({"d16, 310", "d20, 600", "d24, 1030", "d30, 2010", "d36, 2350"})
  void publishedSizesHaveTheParametersOfThePaper(String name, long millions) {
    long parameters = VarArchitecture.published(name).weights().parameters();
    assertThat(parameters / 1e6).isCloseTo(millions, within(0.03 * millions));
    VarConfig config = VarConfig.of("random:" + name);
    new VarProvider().check(config, TinyModel.context(directory));
    assertThat(VqArchitecture.publishedVar().stride()).isEqualTo(16);
  }

  @Test
  void promptsAreClassesByNumberOrName() {
    ClassPrompts classes = ClassPrompts.of(null, 1000);
    assertThat(classes.label("207")).isEqualTo(207);
    assertThat(classes.label("Golden_Retriever")).isEqualTo(207);
    assertThat(classes.label("a photo of a  golden retriever.")).isEqualTo(207);
    assertThat(classes.label("tench")).isZero();
    assertThat(classes.label("Tinca tinca")).isZero();
    assertThat(classes.label("bathroom tissue")).isEqualTo(999);
    // two classes bear the name
    assertThat(classes.label("crane")).isEqualTo(134);
    assertThatThrownBy(() -> classes.label("a red circle"))
        .hasMessageStartingWith("[CONFIG] The prompt (\"a red circle\") names no class")
        .hasMessageContaining("\nMaybe use ");
    assertThatThrownBy(() -> classes.label("golden retreiver"))
        .hasMessageContaining("\"golden retriever\"");
    assertThat(classes.ofAnyPrompt().label("a red circle")).isBetween(0, 999);
    assertThatThrownBy(() -> classes.label("1000")).hasMessageContaining("up to 999");
    ClassPrompts numbers = ClassPrompts.of(null, 10);
    assertThat(numbers.label("9")).isEqualTo(9);
    assertThatThrownBy(() -> numbers.label("tench")).hasMessageContaining("from 0 to 9");
  }

  @Test
  void refusesWhatDoesNotFit() throws IOException {
    refused(VarConfig.of("random:d17"), "d17");
    refused(VarConfig.of("nowhere"), "nowhere");
    Path empty = Files.createDirectories(directory.resolve("empty"));
    refused(VarConfig.of(empty.toString()), "vae.safetensors", "transformer.safetensors");
    assertThat(
            new VarProvider().companions(Map.of("weights", "hf:FoundationVision/var/var_d16.pth")))
        .containsExactly("hf:FoundationVision/var/vae_ch160v4096z32.pth");
    TinyVar.write(directory);
    VarConfig here = VarConfig.of(directory.toString());
    Files.writeString(directory.resolve("classes.txt"), "one\n");
    refused(TinyVar.config(directory, 1.5, 0, 0), "names 1 classes", "knows 5");
    Files.writeString(directory.resolve("config.json"), "{\"patch_nums\": [1, 2, 4]}");
    refused(here, "[1, 2, 4]", "14");
    Files.writeString(directory.resolve("config.json"), "{}");
    refused(here, "lvl_1L", "14 tokens");
    TinyVar.write(
        directory,
        TinyVar.TRANSFORMER,
        new VqArchitecture(
            8, 4, 32, 3, TinyVar.DECODER.levels(), 2, true, true, TinyVar.DECODER.convolutions()));
    refused(here, "16 vectors", "8 of 4");
    TinyVar.write(directory);
    byte[] vae = Files.readAllBytes(directory.resolve("vae.safetensors"));
    Files.write(directory.resolve("vae.safetensors"), Arrays.copyOf(vae, vae.length / 2));
    refused(here, "vae.safetensors");
    Files.write(directory.resolve("transformer.safetensors"), vae);
    refused(here, "pos_start", "exchanged");
    assertThatThrownBy(() -> new VarConfig("w", null, null, -1., null, null, null))
        .hasMessageContaining("(-1.0)");
    assertThatThrownBy(() -> new VarConfig("w", null, null, null, 0., null, null))
        .hasMessageContaining("(0.0)");
    assertThatThrownBy(() -> new VarConfig("w", null, null, null, null, -1, null))
        .hasMessageContaining("(-1)");
    assertThatThrownBy(() -> new VarConfig("w", null, null, null, null, null, 2.))
        .hasMessageContaining("(2.0)");
  }

  @Test
  void keysThatAreMissingOrUnknownAreNamed() throws IOException {
    TinyVar.write(directory);
    VarConfig here = VarConfig.of(directory.toString());
    TinyModel.weights(
        directory.resolve("transformer.safetensors"),
        renamed("blocks.1.attn.q_bias", "blocks.1.attn.q_bios"),
        name -> name);
    refused(here, "blocks.1.attn.q_bias", "blocks.1.attn.q_bios");
  }

  private static Map<String, List<Long>> renamed(String from, String to) {
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    TinyVar.TRANSFORMER
        .weights()
        .shapes()
        .forEach((name, shape) -> shapes.put(name.equals(from) ? to : name, shape));
    return shapes;
  }

  /** All blocks may share the layer that makes their modulation, as in the deepest model. */
  @Test
  void sharedModulationIsThatOfBlocksWithEqualLayers() throws IOException {
    VarArchitecture shared = new VarArchitecture(2, 32, 2, 48, 16, 4, 5, List.of(1, 2, 3), true);
    TinyVar.write(directory.resolve("shared"), shared, TinyVar.DECODER);
    Path own = TinyVar.write(directory.resolve("own"));
    Map<String, float[]> values = new LinkedHashMap<>();
    Map<String, List<Long>> shapes = TinyVar.TRANSFORMER.weights().shapes();
    try (WeightSource source =
        WeightSource.open(directory.resolve("shared/transformer.safetensors"))) {
      for (String name : shapes.keySet()) {
        if (name.contains("ada_lin") && name.startsWith("blocks.")) {
          boolean bias = name.endsWith("bias");
          float[] layer = source.floats("shared_ada_lin.1." + (bias ? "bias" : "weight"));
          if (bias) {
            float[] block = source.floats(name.substring(0, 9) + "ada_gss");
            for (int i = 0; i < layer.length; i++) {
              layer[i] += block[i];
            }
          }
          values.put(name, layer);
        } else {
          values.put(name, source.floats(name));
        }
      }
    }
    TinyModel.write(own.resolve("transformer.safetensors"), values, shapes);
    float[] expected = firstLogits(own, TinyVar.TRANSFORMER);
    float[] actual = firstLogits(directory.resolve("shared"), shared);
    for (int i = 0; i < expected.length; i++) {
      assertThat(actual[i]).isCloseTo(expected[i], within(1e-5f));
    }
  }

  private static float[] firstLogits(Path weights, VarArchitecture architecture) {
    try (WeightSource source = WeightSource.open(weights.resolve("transformer.safetensors"));
        WeightSource vae = WeightSource.open(weights.resolve("vae.safetensors"));
        VqDecoder decoder =
            new VqDecoder(VqArchitecture.coarsestFirst(vae), false, 0.5, Device.cpu(), false);
        VarNetwork network =
            new VarNetwork(source, architecture, decoder, 1e-6, Device.cpu(), false);
        VarNetwork.Shared shared = network.condition(3, true);
        TorchTensor code = network.emptyCode();
        VarNetwork.Evaluation made =
            network.step(
                shared,
                new VarNetwork.Row(code, List.of()),
                0,
                VarLoader.guidance(1.5, 1, network.steps()))) {
      return made.logits();
    }
  }

  /** Draws of the program against the definition in plain loops. */
  @Test
  void drawsEqualTheirDefinition() {
    TinyVar.write(directory);
    Random random = new Random(5);
    int vocabulary = 16;
    float[] logits = new float[4 * vocabulary];
    float[] uniform = new float[4];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = (float) (2 * random.nextGaussian());
    }
    for (int i = 0; i < 4; i++) {
      uniform[i] = random.nextFloat();
    }
    try (WeightSource source = WeightSource.open(directory.resolve("transformer.safetensors"));
        WeightSource vae = WeightSource.open(directory.resolve("vae.safetensors"));
        VqDecoder decoder =
            new VqDecoder(VqArchitecture.coarsestFirst(vae), false, 0.5, Device.cpu(), false);
        VarNetwork network =
            new VarNetwork(source, TinyVar.TRANSFORMER, decoder, 1e-6, Device.cpu(), false)) {
      for (TokenSampler sampler :
          List.of(
              new TokenSampler(0, 0),
              new TokenSampler(5, 0),
              new TokenSampler(1, 0),
              new TokenSampler(0, 0.8),
              new TokenSampler(7, 0.6))) {
        for (boolean mode : List.of(false, true)) {
          try (TorchTensor given = TorchTensor.of(Device.cpu(), logits, 1, 4, vocabulary);
              TorchTensor numbers =
                  mode
                      ? TorchTensor.of(Device.cpu(), new float[0], 1, 0)
                      : TorchTensor.of(Device.cpu(), uniform, 1, 4)) {
            List<TorchTensor> drawn =
                network
                    .program()
                    .run("draw", given, new long[] {0}, numbers, sampler.topK(), sampler.topP());
            try (TorchTensor logProb = drawn.get(0);
                TorchTensor tokens = drawn.get(1)) {
              double sum = 0;
              for (int i = 0; i < 4; i++) {
                float[] row = Arrays.copyOfRange(logits, i * vocabulary, (i + 1) * vocabulary);
                double[] left = left(row, sampler);
                int expected = mode ? largest(row) : drawn(left, uniform[i]);
                assertThat(tokens.toLongs()[i]).isEqualTo(expected);
                sum += Math.log(left[expected]);
              }
              assertThat(logProb.toDoubles()[0]).isCloseTo(sum, within(1e-6));
            }
          }
        }
      }
    }
  }

  /** Probabilities of what is kept. */
  private static double[] left(float[] logits, TokenSampler sampler) {
    Integer[] order = new Integer[logits.length];
    for (int i = 0; i < order.length; i++) {
      order[i] = i;
    }
    Arrays.sort(order, (a, b) -> Float.compare(logits[b], logits[a]));
    int keep = sampler.topK() == 0 ? order.length : Math.min(sampler.topK(), order.length);
    double[] kept = new double[logits.length];
    double total = 0;
    for (int i = 0; i < keep; i++) {
      kept[order[i]] = Math.exp(logits[order[i]]);
      total += kept[order[i]];
    }
    if (sampler.topP() > 0) {
      double before = 0;
      double sum = total;
      for (int i = 0; i < keep; i++) {
        double share = kept[order[i]] / sum;
        if (before >= sampler.topP()) {
          total -= kept[order[i]];
          kept[order[i]] = 0;
        }
        before += share;
      }
    }
    for (int i = 0; i < kept.length; i++) {
      kept[i] /= total;
    }
    return kept;
  }

  private static int drawn(double[] probabilities, double uniform) {
    double sum = 0;
    for (int i = 0; i < probabilities.length; i++) {
      sum += probabilities[i];
      if (sum > uniform) {
        return i;
      }
    }
    throw new AssertionError("probabilities add up to " + sum);
  }

  private static int largest(float[] logits) {
    int largest = 0;
    for (int i = 0; i < logits.length; i++) {
      largest = logits[i] > logits[largest] ? i : largest;
    }
    return largest;
  }
}
