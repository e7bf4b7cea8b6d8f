package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.ServiceLoader;
import java.util.function.UnaryOperator;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelProvider;
import org.espalier.spi.ModelState;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Root;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.Device;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InfinityLoaderTest {
  @TempDir Path directory;

  private GenerativeModel load(InfinityConfig config) {
    return new InfinityProvider().load(config, TinyModel.context(directory));
  }

  /** One sample of a fixed noise. */
  private static byte[] sample(GenerativeModel model) {
    Noise noise = new Noise.Keyed(DrawKey.root(1));
    Conditioning prompt = model.encode(List.of(Prompt.of("p", "a red star"))).get(0);
    ModelState state = model.begin(List.of(new Root(prompt, noise))).get(0);
    List<ModelState> states = new java.util.ArrayList<>(List.of(state));
    while (state.step() < model.card().horizon()) {
      state = model.expand(List.of(new Branch(state, prompt, List.of(noise)))).get(0).get(0);
      states.add(state);
    }
    byte[] rgb = model.decode(List.of(new DecodeRow(state, prompt))).get(0).image().rgb();
    states.forEach(ModelState::close);
    prompt.close();
    return rgb;
  }

  @Test
  void isFoundByTheServiceLoader() {
    assertThat(ServiceLoader.load(ModelProvider.class))
        .anySatisfy(provider -> assertThat(provider.id()).isEqualTo("infinity"));
    assertThat(new InfinityProvider().configType()).isEqualTo(InfinityConfig.class);
  }

  @Test
  void everyLayoutOfBlocksIsTheSameModel() {
    byte[] expected = null;
    List<UnaryOperator<String>> layouts =
        List.of(
            TinyModel::chunked,
            UnaryOperator.identity(),
            name -> name.startsWith("blocks.") ? "unregistered_" + name : name);
    for (int i = 0; i < layouts.size(); i++) {
      Path weights =
          TinyModel.write(
              directory.resolve("layout" + i),
              TinyModel.TRANSFORMER,
              TinyModel.VAE,
              layouts.get(i));
      try (GenerativeModel model = load(InfinityConfig.of(weights.toString()))) {
        byte[] pixels = sample(model);
        assertThat(pixels).isEqualTo(expected == null ? pixels : expected);
        expected = pixels;
      }
    }
  }

  @Test
  void patchifiedTokensCoverFourElementsOfTheCode() {
    InfinityArchitecture transformer = new InfinityArchitecture(2, 32, 2, 48, 32, 24, 6, 2, 15);
    Path weights = TinyModel.write(directory, transformer, TinyModel.VAE, UnaryOperator.identity());
    try (GenerativeModel model = load(InfinityConfig.of(weights.toString()))) {
      assertThat(model.card().width()).isEqualTo(16);
      assertThat(model.card().height()).isEqualTo(12);
      WorkCounters before = model.counters();
      assertThat(sample(model)).hasSize(16 * 12 * 3);
      assertThat(model.counters().since(before).tokens()).isEqualTo(2 * (1 + 4 + 12));
    }
  }

  @Test
  void configurationOverridesTheFile() {
    TinyModel.write(directory);
    InfinityConfig config =
        new InfinityConfig(
            directory.toString(),
            null,
            null,
            "0.06M",
            2.,
            List.of(1., 1., 1., 1., 1., 1., 2.),
            List.of(0),
            List.of(0.7),
            0,
            0.5,
            false);
    try (GenerativeModel model = load(config)) {
      assertThat(model.card().horizon()).isEqualTo(7);
      assertThat(model.card().height()).isEqualTo(2 * 22);
      assertThat(model.card().width()).isEqualTo(2 * 11);
      assertThat(model.card().facts())
          .containsEntry("topP", "0.5")
          .hasEntrySatisfying(
              "untrained", said -> assertThat(said).startsWith("7 scales, 4 of them"));
    }
  }

  @Test
  void levelEmbeddingsMayComeBeforeEveryChunk() {
    TinyModel.write(directory);
    byte[] usual;
    try (GenerativeModel model = load(InfinityConfig.of(directory.toString()))) {
      usual = sample(model);
    }
    InfinityConfig everywhere =
        new InfinityConfig(
            directory.toString(), null, null, null, null, null, null, null, null, null, true);
    try (GenerativeModel model = load(everywhere)) {
      assertThat(sample(model)).isNotEqualTo(usual);
    }
  }

  private void refused(InfinityConfig config, String... parts) {
    long live = TorchTensor.liveBytes();
    ThrowingCallable check =
        () -> new InfinityProvider().check(config, TinyModel.context(directory));
    for (ThrowingCallable refused : List.of(check, () -> load(config).close())) {
      assertThatThrownBy(refused)
          .isInstanceOf(EspalierException.class)
          .hasMessageStartingWith("[CONFIG] ")
          .hasMessageContaining("\nMaybe ")
          .hasMessageContainingAll(parts);
    }
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  private InfinityConfig here() {
    return InfinityConfig.of(directory.toString());
  }

  @Test
  void refusesMissingAndDamagedFiles() throws IOException {
    refused(InfinityConfig.of("nowhere"), "nowhere");
    refused(here(), "vae.safetensors");
    TinyModel.write(directory);
    Path transformer = directory.resolve("transformer.safetensors");
    byte[] whole = Files.readAllBytes(transformer);
    Files.write(transformer, Arrays.copyOf(whole, whole.length / 2));
    refused(here(), "truncated", "transformer.safetensors");
    Files.copy(
        directory.resolve("vae.safetensors"),
        transformer,
        java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    refused(here(), "pos_start", "exchanged");
    Files.delete(transformer);
    refused(here(), "transformer.safetensors");
    TinyModel.write(directory);
    Files.delete(directory.resolve("text_encoder/tokenizer.json"));
    refused(here(), "tokenizer.json");
    Files.writeString(directory.resolve("config.json"), "{");
    refused(here(), "config.json");
  }

  @Test
  void refusesWeightsThatDoNotFitTogether() throws IOException {
    InfinityArchitecture bits = new InfinityArchitecture(1, 32, 2, 48, 12, 24, 6, 2, 15);
    TinyModel.write(directory, bits, TinyModel.VAE, UnaryOperator.identity());
    refused(here(), "12 bits", "8 channels");
    InfinityArchitecture text = new InfinityArchitecture(1, 32, 2, 48, 8, 20, 6, 2, 15);
    TinyModel.write(directory, text, TinyModel.VAE, UnaryOperator.identity());
    refused(here(), "width 24", "reads 20");
    InfinityArchitecture levels = new InfinityArchitecture(1, 32, 2, 48, 8, 24, 6, 2, 2);
    TinyModel.write(directory, levels, TinyModel.VAE, UnaryOperator.identity());
    refused(here(), "3 scales", "knows 2");
    TinyModel.write(
        directory,
        TinyModel.TRANSFORMER,
        TinyModel.VAE,
        name -> name.replace("blocks.2.ffn.fc1.bias", "blocks.2.ffn.fc1.bios"));
    refused(here(), "blocks.2.ffn.fc1.bias", "blocks.2.ffn.fc1.bios");
    TinyModel.write(
        directory,
        TinyModel.TRANSFORMER,
        new BsqArchitecture(8, List.of(20, 20), 2, List.of(false, true), List.of(), 0, List.of()),
        UnaryOperator.identity());
    refused(here(), "20 channels");
  }

  @Test
  void refusesBadConfigurations() {
    TinyModel.write(directory);
    String weights = directory.toString();
    refused(
        new InfinityConfig(
            weights, null, null, null, null, List.of(1., 2.), null, null, null, null, null),
        "cfg has 2 numbers for 3 scales");
    refused(
        new InfinityConfig(
            weights, null, null, null, null, null, List.of(-4), null, null, null, null),
        "(-4)");
    refused(
        new InfinityConfig(weights, null, null, "3M", null, null, null, null, null, null, null),
        "3M");
    refused(
        new InfinityConfig(
            weights, null, "no-such-text", null, null, null, null, null, null, null, null),
        "no-such-text");
    assertThatThrownBy(() -> InfinityConfig.of(" ")).hasMessageContaining("no weights");
    assertThatThrownBy(
            () ->
                new InfinityConfig(
                    weights, null, null, null, -1., null, null, null, null, null, null))
        .hasMessageContaining("(-1.0");
    assertThatThrownBy(
            () ->
                new InfinityConfig(
                    weights, null, null, null, null, List.of(-2.), null, null, null, null, null))
        .hasMessageContaining("(-2.0)");
    assertThatThrownBy(
            () ->
                new InfinityConfig(
                    weights, null, null, null, null, null, List.of(1), null, null, null, null))
        .hasMessageContaining("(1)");
    assertThatThrownBy(
            () ->
                new InfinityConfig(
                    weights, null, null, null, null, null, null, List.of(0.), null, null, null))
        .hasMessageContaining("(0.0)");
    assertThatThrownBy(
            () ->
                new InfinityConfig(
                    weights, null, null, null, null, null, null, null, -1, null, null))
        .hasMessageContaining("(-1)");
    assertThatThrownBy(
            () ->
                new InfinityConfig(
                    weights, null, null, null, null, null, null, null, null, 1.5, null))
        .hasMessageContaining("(1.5)");
  }

  /** The quantiser against one written down in plain loops. */
  @Test
  void quantisationEqualsItsDefinition() {
    TinyModel.write(directory);
    ScaleSchedule schedule =
        ScaleSchedule.of(
            List.of(
                new ScaleSchedule.Grid(1, 1),
                new ScaleSchedule.Grid(2, 2),
                new ScaleSchedule.Grid(3, 4)));
    int height = 3;
    int width = 4;
    int channels = 8;
    Random random = new Random(3);
    float[] code = new float[channels * height * width];
    for (int i = 0; i < code.length; i++) {
      code[i] = (float) random.nextGaussian();
    }
    double[] rest = new double[code.length];
    double[] total = new double[code.length];
    for (int i = 0; i < code.length; i++) {
      rest[i] = code[i];
    }
    for (ScaleSchedule.Grid grid : schedule.scales()) {
      for (int c = 0; c < channels; c++) {
        double[][] signs = new double[grid.height()][grid.width()];
        for (int y = 0; y < grid.height(); y++) {
          for (int x = 0; x < grid.width(); x++) {
            signs[y][x] = area(rest, c, y, x, grid, height, width) > 0 ? 1 : -1;
          }
        }
        for (int y = 0; y < height; y++) {
          for (int x = 0; x < width; x++) {
            double step = bilinear(signs, y, x, height, width) / Math.sqrt(channels);
            total[(c * height + y) * width + x] += step;
            rest[(c * height + y) * width + x] -= step;
          }
        }
      }
    }
    try (SafetensorsFile weights = new SafetensorsFile(directory.resolve("vae.safetensors"));
        BsqTokenizer tokenizer = new BsqTokenizer(weights, Device.cpu(), true);
        TorchTensor input = TorchTensor.of(Device.cpu(), code, 1, channels, height, width);
        TorchTensor quantized =
            tokenizer.program().call("quantize", input, new long[] {1, 1, 2, 2, 3, 4})) {
      float[] actual = quantized.toFloats();
      for (int i = 0; i < actual.length; i++) {
        assertThat((double) actual[i])
            .isCloseTo(total[i], org.assertj.core.api.Assertions.within(1e-5));
      }
      RgbImage image = new RgbImage(8, 6, new byte[8 * 6 * 3]);
      RgbImage again = tokenizer.reconstruct(image, schedule);
      assertThat(again.width()).isEqualTo(8);
      assertThat(again.height()).isEqualTo(6);
      assertThat(tokenizer.reconstruct(image, schedule).rgb()).isEqualTo(again.rgb());
      assertThatThrownBy(
              () -> tokenizer.reconstruct(new RgbImage(16, 6, new byte[16 * 6 * 3]), schedule))
          .hasMessageContaining("16 x 6 pixels");
    }
  }

  private static double area(
      double[] code, int c, int y, int x, ScaleSchedule.Grid grid, int height, int width) {
    int y0 = y * height / grid.height();
    int y1 = -Math.floorDiv(-(y + 1) * height, grid.height());
    int x0 = x * width / grid.width();
    int x1 = -Math.floorDiv(-(x + 1) * width, grid.width());
    double sum = 0;
    for (int j = y0; j < y1; j++) {
      for (int i = x0; i < x1; i++) {
        sum += code[(c * height + j) * width + i];
      }
    }
    return sum / ((y1 - y0) * (x1 - x0));
  }

  private static double bilinear(double[][] grid, int y, int x, int height, int width) {
    double v = Math.max(0, (y + 0.5) * grid.length / height - 0.5);
    double u = Math.max(0, (x + 0.5) * grid[0].length / width - 0.5);
    int y0 = (int) v;
    int x0 = (int) u;
    int y1 = Math.min(y0 + 1, grid.length - 1);
    int x1 = Math.min(x0 + 1, grid[0].length - 1);
    double b = v - y0;
    double a = u - x0;
    return (1 - b) * ((1 - a) * grid[y0][x0] + a * grid[y0][x1])
        + b * ((1 - a) * grid[y1][x0] + a * grid[y1][x1]);
  }

  @Test
  void tellsOfAllMissingPartsAtOnce() throws IOException {
    Path empty = Files.createDirectory(directory.resolve("empty"));
    refused(
        InfinityConfig.of(empty.toString()),
        "transformer.safetensors",
        "text encoder (" + empty.resolve("text_encoder"),
        "vae.safetensors",
        "espalier weights get hf:google/flan-t5-xl");
  }

  /** Writes a model and renames its files as the published repository has them. */
  private Path published(String transformer, String... tokenizers) throws IOException {
    Path weights = TinyModel.write(directory.resolve("repository"));
    Path own = weights.resolve("vae.safetensors");
    for (String tokenizer : tokenizers) {
      Files.copy(own, weights.resolve(tokenizer));
    }
    Files.delete(own);
    Files.move(weights.resolve("transformer.safetensors"), weights.resolve(transformer));
    return weights;
  }

  @Test
  void choosesTheTokenizerByTheModel() throws IOException {
    int bits = TinyModel.TRANSFORMER.bits();
    String regular = "infinity_vae_d" + bits + ".safetensors";
    String regularised = "infinity_vae_d" + bits + "reg.safetensors";
    Path weights =
        published(
            "infinity_2b_reg.safetensors", regular, regularised, "infinity_vae_d999.safetensors");
    Path transformer = weights.resolve("infinity_2b_reg.safetensors");
    assertThat(TokenizerFile.beside(transformer, bits)).isEqualTo(weights.resolve(regularised));
    assertThat(TokenizerFile.beside(weights.resolve("infinity_2b.safetensors"), bits))
        .isEqualTo(weights.resolve(regular));
    assertThat(TokenizerFile.beside(transformer, 999))
        .isEqualTo(weights.resolve("infinity_vae_d999.safetensors"));
    load(InfinityConfig.of(weights.toString())).close();
    Files.delete(weights.resolve(regularised));
    Files.delete(weights.resolve(regular));
    Files.copy(
        weights.resolve("infinity_vae_d999.safetensors"),
        weights.resolve("infinity_vae_d998.safetensors"));
    refused(InfinityConfig.of(weights.toString()), "none is of its " + bits + " bits", "set vae");
  }

  @Test
  void findsTheTokenizerBesideAFolderOfShards() throws IOException {
    Path weights = published("model.safetensors", "infinity_vae_d7.safetensors");
    Path shards = Files.createDirectory(weights.resolve("infinity_8b_weights"));
    Files.move(weights.resolve("model.safetensors"), shards.resolve("model.safetensors"));
    Files.move(weights.resolve("config.json"), shards.resolve("config.json"));
    InfinityConfig config =
        new InfinityConfig(
            shards.toString(),
            null,
            weights.resolve("text_encoder").toString(),
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null);
    load(config).close();
  }

  @Test
  void refusesTwoCopiesOfTheTransformer() throws IOException {
    Path weights =
        TinyModel.write(
            directory.resolve("copies"),
            TinyModel.TRANSFORMER,
            TinyModel.VAE,
            name -> "state_dict.module." + name);
    load(InfinityConfig.of(weights.toString())).close();
    Path both = TinyModel.write(directory.resolve("both"));
    TinyModel.twice(both.resolve("transformer.safetensors"), "state_dict.", "ema.");
    refused(
        InfinityConfig.of(both.toString()),
        "several copies of an Infinity transformer: ema.*, state_dict.*");
  }
}
