package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.espalier.api.EspalierException;
import org.espalier.models.diffusion.TinyFlux.Array;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelProvider;
import org.espalier.torch.TorchTensor;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is refused, and that it is refused before weights are loaded. */
@NullUnmarked
class FluxProviderTest {
  @TempDir Path directory;
  private long bytesBefore;

  @BeforeEach
  void remember() {
    bytesBefore = TorchTensor.liveBytes();
  }

  @AfterEach
  void nothingIsLeftLoaded() {
    assertThat(TorchTensor.liveBytes()).isEqualTo(bytesBefore);
  }

  private Path schnell() {
    return TinyFlux.bundle(directory.resolve("m"), TinyFlux.withoutGuidance(), "{}");
  }

  private Path dev() {
    return TinyFlux.bundle(directory.resolve("m"), TinyFlux.parity("weights"), "{}");
  }

  private void assertRefused(FluxConfig config, String... messageParts) {
    ThrowingCallable check = () -> new FluxProvider().check(config, TinyFlux.context(directory));
    for (ThrowingCallable refused : List.of(check, () -> TinyFlux.load(config, directory))) {
      assertThatThrownBy(refused)
          .isInstanceOf(EspalierException.class)
          .hasMessageStartingWith("[CONFIG] ")
          .hasMessageContaining("\nMaybe ")
          .hasMessageContainingAll(messageParts);
    }
  }

  private static FluxConfig sized(Integer width, Integer height) {
    return new FluxConfig(
        "m", null, null, null, null, null, width, height, null, null, null, null, null, null);
  }

  @Test
  void isFoundByTheServiceLoader() {
    assertThat(ServiceLoader.load(ModelProvider.class))
        .anySatisfy(
            provider -> {
              assertThat(provider.id()).isEqualTo("flux");
              assertThat(provider.configType()).isEqualTo(FluxConfig.class);
            });
  }

  @Test
  void schnellTakesFourEvenStepsAndOneRow() {
    schnell();
    try (GenerativeModel model = TinyFlux.load(FluxConfig.of("m"), directory)) {
      assertThat(model.card().horizon()).isEqualTo(4);
      assertThat(model.card().facts())
          .containsEntry("variant", "schnell")
          .containsEntry("shift", "1.0")
          .doesNotContainKey("guidance");
    }
  }

  @Test
  void devTakesTheResolutionsShift() {
    dev();
    try (GenerativeModel model = TinyFlux.load(sized(128, 64), directory)) {
      assertThat(model.card().facts())
          .containsEntry("shift", Double.toString(FlowSchedule.resolutionShift(32)));
      assertThat(model.card().width()).isEqualTo(128);
      assertThat(model.card().height()).isEqualTo(64);
    }
  }

  @Test
  void refusesGuidanceForWeightsWithoutItsEmbedding() {
    schnell();
    assertRefused(
        new FluxConfig(
            "m", null, null, 3.5, null, null, null, null, null, null, null, null, null, null),
        "variant schnell have no guidance embedding",
        "(3.5)");
  }

  @Test
  void refusesAVariantThatTheWeightsAreNot() {
    dev();
    assertRefused(
        new FluxConfig(
            "m", "schnell", null, null, null, null, null, null, null, null, null, null, null, null),
        "The variant (schnell) does not fit the weights",
        "(dev)");
  }

  @Test
  void refusesALatentThatIsNoMultipleOfThePatch() {
    schnell();
    assertRefused(
        sized(72, 64),
        "The width (72) gives a latent of 9 pixels, which is not a multiple of the patch size 2.",
        "Maybe set width to 80.");
    assertRefused(sized(64, 70), "The height (70) gives a latent of 8.75 pixels");
  }

  @Test
  void refusesAMissingTextEncoder() throws IOException {
    Path root = schnell();
    Files.move(root.resolve("text_encoder"), root.resolve("elsewhere"));
    assertRefused(
        FluxConfig.of("m"),
        "The text encoder (T5) (" + root.resolve("text_encoder") + ") does not exist.",
        "Maybe set textEncoder");
    FluxConfig explicit =
        new FluxConfig(
            "m",
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            "m/elsewhere",
            null,
            null,
            null,
            null);
    TinyFlux.load(explicit, directory).close();
    Files.delete(root.resolve("text_encoder_clip").resolve("config.json"));
    assertRefused(explicit, "The text encoder (CLIP)", "has no config.json");
  }

  @Test
  void refusesAMissingTokenizer() throws IOException {
    Path root = schnell();
    Files.delete(root.resolve("text_encoder").resolve("tokenizer.json"));
    assertRefused(FluxConfig.of("m"), "No tokenizer.json was found in", "Maybe set tokenizer to");
  }

  @Test
  void refusesAMissingAutoencoder() throws IOException {
    Path root = schnell();
    Files.delete(root.resolve("ae.safetensors"));
    assertRefused(FluxConfig.of("m"), "The autoencoder", "ae.safetensors", "does not exist");
  }

  @Test
  void findsTheAutoencoderThatBundlesShare() throws IOException {
    Path root = schnell();
    Path shared = Files.createDirectories(directory.resolve("shared-ae"));
    Files.move(root.resolve("ae.safetensors"), shared.resolve("ae.safetensors"));
    TinyFlux.write(
        shared.resolve("config.json"), "{\"ae\": {\"scale_factor\": 0.5, \"shift_factor\": 0}}");
    TinyFlux.write(
        root.resolve("config.json"),
        "{\"ae_id\": \"shared-ae\", \"image_size\": 64, \"params\": {\"axes_dim\": [8, 12, 12]}}");
    TinyFlux.load(FluxConfig.of("m"), directory).close();
    Files.delete(shared.resolve("ae.safetensors"));
    assertRefused(FluxConfig.of("m"), shared.resolve("ae.safetensors").toString());
  }

  @Test
  void refusesTextEncodersThatAreExchangedOrOfAnotherWidth() {
    Path root = schnell();
    TinyFlux.write(
        root.resolve("text_encoder_clip").resolve("config.json"),
        "{\"hidden_size\": 40, \"num_attention_heads\": 2}");
    assertRefused(FluxConfig.of("m"), "reads a CLIP vector of width 32", "gives 40", "exchanged");
  }

  @Test
  void refusesAnAutoencoderOfOtherChannels() {
    Path root = schnell();
    Map<String, Array> weights = new LinkedHashMap<>(TinyFlux.parity("ae"));
    weights.put("decoder.conv_in.weight", Array.of(new float[32 * 8 * 9], 32, 8, 3, 3));
    TinyFlux.write(root.resolve("ae.safetensors"), weights);
    assertRefused(FluxConfig.of("m"), "reads 64 channels a token", "gives 32 (8 x 2 x 2)");
  }

  @Test
  void refusesWeightsWithAMissingKeyBeforeLoading() {
    Path root = schnell();
    Map<String, Array> weights = new LinkedHashMap<>(TinyFlux.withoutGuidance());
    weights.remove("single_blocks.1.linear2.bias");
    TinyFlux.write(root.resolve("flux.safetensors"), weights);
    assertRefused(FluxConfig.of("m"), "lack the key single_blocks.1.linear2.bias", "[64]");
  }

  @Test
  void refusesRotaryAxesThatDoNotFit() {
    Path root = schnell();
    TinyFlux.write(
        root.resolve("config.json"),
        "{\"image_size\": 64, \"params\": {\"axes_dim\": [16, 56, 56]}}");
    assertRefused(
        FluxConfig.of("m"), "The rotary axes [16, 56, 56] do not add up to the head width (32).");
  }

  @Test
  void refusesAnotherPipeline() {
    TinyFlux.write(
        directory.resolve("sd").resolve("model_index.json"),
        "{\"_class_name\": \"StableDiffusionPipeline\"}");
    assertRefused(FluxConfig.of("sd"), "The pipeline (StableDiffusionPipeline)", "not a FLUX one");
  }

  @Test
  void refusesWeightsThatAreNotThere() {
    assertRefused(FluxConfig.of("flux-12b"), "flux-12b");
  }

  @Test
  void refusesADirectoryWithoutATransformer() throws IOException {
    Path root = schnell();
    Files.delete(root.resolve("flux.safetensors"));
    assertRefused(FluxConfig.of("m"), "none of the weights files", "flux1-dev.safetensors");
  }

  @Test
  void refusesAStaleTransformerBesideAnother() throws IOException {
    Path root = schnell();
    Files.copy(root.resolve("flux.safetensors"), root.resolve("flux1-dev.safetensors"));
    assertRefused(
        FluxConfig.of("m"), "several transformers (flux.safetensors, flux1-dev.safetensors)");
    Files.delete(root.resolve("flux1-dev.safetensors"));
    Files.writeString(root.resolve("flux.safetensors.index.json"), "{}");
    assertRefused(FluxConfig.of("m"), "several transformers", "flux.safetensors.index.json");
  }

  @Test
  void refusesANegativePromptThatNothingLeadsAwayFrom() {
    schnell();
    assertRefused(
        new FluxConfig(
            "m", null, null, null, null, "blur", null, null, null, null, null, null, null, null),
        "The negativePrompt (blur) has no effect",
        "Maybe set trueCfg above 1");
  }

  @Test
  void randomWeightsTakeTheSameSettingsAsLoadedOnes() {
    assertRefused(
        new FluxConfig(
            "random:dev",
            null,
            null,
            null,
            null,
            null,
            1000,
            null,
            null,
            null,
            null,
            null,
            null,
            null),
        "The width (1000) gives a latent of 125 pixels");
    assertRefused(
        new FluxConfig(
            "random:schnell",
            null,
            null,
            3.5,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null),
        "variant schnell have no guidance embedding");
    assertRefused(FluxConfig.of("random:pro"), "The weights (random:pro) are not of a published");
    FluxConfig asked =
        new FluxConfig(
            "random:dev",
            null,
            new FlowSamplerConfig("sde", 7, null, null, 1.5),
            2.0,
            4.0,
            "blur",
            512,
            1024,
            null,
            null,
            null,
            null,
            null,
            64);
    FluxSettings settings = FluxProvider.settings(asked);
    assertThat(settings.sampling().kind()).isEqualTo("sde");
    assertThat(settings.sampling().noiseScale()).isEqualTo(1.5);
    assertThat(settings.sampling().shift()).isEqualTo(FlowSchedule.resolutionShift(32 * 64));
    assertThat(settings.guidance()).isEqualTo(2);
    assertThat(settings.trueCfg()).isEqualTo(4);
    assertThat(settings.negativePrompt()).isEqualTo("blur");
    assertThat(FluxProvider.settings(FluxConfig.of("random:schnell")).sampling().steps())
        .isEqualTo(4);
  }
}
