package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.models.diffusion.TinyFlux.Array;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Work;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.WeightSource;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@NullUnmarked
class Flux2ProviderTest {
  @TempDir Path directory;

  private static Flux2Config config(String variant, Double guidance, String negative) {
    return new Flux2Config("m", variant, null, guidance, negative, 64, 64, null, null, null, 20);
  }

  private GenerativeModel load(Flux2Config config) {
    return new Flux2Provider().load(config, TinyFlux.context(directory));
  }

  private void assertRefused(Flux2Config config, String... parts) {
    ThrowingCallable check = () -> new Flux2Provider().check(config, TinyFlux.context(directory));
    for (ThrowingCallable refused : List.of(check, () -> load(config))) {
      assertThatThrownBy(refused)
          .isInstanceOf(EspalierException.class)
          .hasMessageStartingWith("[CONFIG] ")
          .hasMessageContaining("\nMaybe ")
          .hasMessageContainingAll(parts);
    }
  }

  /** The file of Black Forest Labs with the other parts beside it. */
  private Path single(String name) throws IOException {
    Path root = TinyPipeline.flux2(directory.resolve("m"), true);
    Files.delete(root.resolve("model_index.json"));
    try (WeightSource weights =
        DiffusersWeights.transformer(WeightSource.open(root.resolve("transformer")))) {
      Map<String, Array> tensors = new LinkedHashMap<>();
      for (String key : weights.names()) {
        tensors.put(key, new Array(weights.info(key).shape(), weights.floats(key)));
      }
      TinyFlux.write(root.resolve(name), tensors);
    }
    try (WeightSource weights =
        DiffusersWeights.autoencoder(WeightSource.open(root.resolve("vae")))) {
      Map<String, Array> tensors = new LinkedHashMap<>();
      for (String key : weights.names()) {
        if (!key.endsWith("num_batches_tracked")) {
          tensors.put(key, new Array(weights.info(key).shape(), weights.floats(key)));
        }
      }
      TinyFlux.write(root.resolve("ae.safetensors"), tensors);
    }
    for (String part : List.of("transformer", "vae")) {
      Files.delete(root.resolve(part).resolve("diffusion_pytorch_model.safetensors"));
      Files.delete(root.resolve(part).resolve("config.json"));
      Files.delete(root.resolve(part));
    }
    return root;
  }

  @Test
  void distilledWeightsTakeFourStepsOfOneRow() {
    TinyPipeline.flux2(directory.resolve("m"), true);
    try (GenerativeModel model = load(config(null, null, null))) {
      assertThat(model.card().horizon()).isEqualTo(4);
      assertThat(model.card().facts()).containsEntry("variant", "distilled");
      assertThat(model.card().licence()).isEqualTo("Apache-2.0");
      Cost step = model.quote(new Work.Step(Prompt.of("p", "a red circle"), 0, 1, false));
      assertThat(step.rows()).isEqualTo(1);
      assertThat(step.tokens()).isEqualTo(16 + 20);
    }
    assertRefused(config(null, 4.0, null), "The guidance (4.0)", "distilled to need none");
    assertRefused(config(null, null, "blur"), "negativePrompt (blur) has no effect");
    assertRefused(config("base", null, null), "The variant (base) does not fit", "distilled");
  }

  @Test
  void baseWeightsAreGuidedAndChargedForTwoRows() {
    TinyPipeline.flux2(directory.resolve("m"), false);
    try (GenerativeModel model = load(config(null, null, "blur"))) {
      assertThat(model.card().horizon()).isEqualTo(50);
      assertThat(model.card().facts()).containsEntry("guidance", "4.0");
      Cost step = model.quote(new Work.Step(Prompt.of("p", "a red circle"), 0, 1, false));
      assertThat(step.nfe()).isEqualTo(1);
      assertThat(step.rows()).isEqualTo(2);
      assertThat(step.tokens()).isEqualTo(2 * (16 + 20));
    }
    try (GenerativeModel model = load(config(null, 1.0, null))) {
      Cost step = model.quote(new Work.Step(Prompt.of("p", "a red circle"), 0, 1, false));
      assertThat(step.rows()).isEqualTo(1);
    }
    assertRefused(config(null, 1.0, "blur"), "negativePrompt (blur) has no effect");
  }

  @Test
  void theFileOfBlackForestLabsLoads() throws IOException {
    Path root = single("flux-2-klein-base-4b.safetensors");
    try (GenerativeModel model = load(config(null, null, null))) {
      assertThat(model.card().facts()).containsEntry("variant", "base");
    }
    Files.move(root.resolve("flux-2-klein-base-4b.safetensors"), root.resolve("mine.safetensors"));
    assertRefused(
        new Flux2Config("m/mine.safetensors", null, null, null, null, 64, 64, null, null, null, 20),
        "does not say whether it is distilled",
        "Maybe set variant");
    assertRefused(config(null, null, null), "has no model_index.json or flux-2-klein-4b");
  }

  @Test
  void keysThatAreMissingOrUnknownAreNamed() throws IOException {
    Path root = single("flux-2-klein-4b.safetensors");
    Path file = root.resolve("flux-2-klein-4b.safetensors");
    Map<String, Array> tensors = TinyPipeline.tensors(file);
    Array lost = tensors.remove("single_blocks.1.linear1.weight");
    TinyFlux.write(file, tensors);
    assertRefused(config(null, null, null), "lack the key single_blocks.1.linear1.weight");
    tensors.put("single_blocks.1.linear1.weight", lost);
    tensors.put("lora.weight", lost);
    TinyFlux.write(file, tensors);
    assertRefused(config(null, null, null), "lora.weight");
  }

  @Test
  void whatDoesNotFitTogetherIsRefused() throws IOException {
    Path root = TinyPipeline.flux2(directory.resolve("m"), true);
    assertRefused(
        new Flux2Config("m", null, null, null, null, 72, 64, null, null, null, 20),
        "The width (72) is not a multiple of the 16 pixels",
        "Maybe set width to 80.");
    assertRefused(Flux2Config.of("random:klein-32b"), "not of a published FLUX.2");
    TinyPipeline.qwen(root, 10);
    assertRefused(config(null, null, null), "texts of width 36", "gives 30 (3 x 10)");
    Files.writeString(root.resolve("model_index.json"), "{\"_class_name\": \"Flux2Pipeline\"}");
    assertRefused(config(null, null, null), "The pipeline (Flux2Pipeline)", "Flux2KleinPipeline");
    assertThatThrownBy(
            () -> new Flux2Config(null, null, null, null, null, null, null, null, null, null, null))
        .hasMessageContaining("The weights are not set");
  }

  @Test
  void aPromptWithASpecialTokenIsRefusedByName() {
    TinyPipeline.flux2(directory.resolve("m"), true);
    try (GenerativeModel model = load(config(null, null, null))) {
      assertThatThrownBy(() -> model.encode(List.of(Prompt.of("p", "a <|im_end|> circle"))))
          .isInstanceOf(EspalierException.class)
          .hasMessageContaining("special token <|im_end|>");
    }
  }

  /** Each matrix by the tokens that meet it, and attention by its scores and sums. */
  @Test
  void operationsAreTheHandCount() {
    try (WeightSource weights =
        DiffusersWeights.transformer(
            new SafetensorsFile(TinyPipeline.parity("flux2-tiny-a.weights.safetensors")))) {
      FluxArchitecture flux = FluxArchitecture.of(weights, List.of(4, 4, 4, 4), null, 1e-6);
      long image = 6;
      long text = 9;
      long count = 0;
      for (String key : weights.names()) {
        if (weights.info(key).shape().size() == 2) {
          long tokens =
              key.matches("time_in.*|.*modulation.*")
                  ? 1
                  : key.startsWith("txt_in") || key.contains(".txt_")
                      ? text
                      : key.startsWith("single_blocks") ? image + text : image;
          count += 2 * weights.info(key).elements() * tokens;
        }
      }
      long blocks = flux.doubleBlocks() + flux.singleBlocks();
      count += blocks * 2 * 2 * (image + text) * (image + text) * flux.width();
      assertThat(flux.flops(2, 3, 9)).isEqualTo(count);
    }
  }

  @Test
  void publishedSizesAreThose() {
    assertThat(FluxArchitecture.KLEIN_4B.spec().parameters())
        .isBetween(3_800_000_000L, 4_000_000_000L);
    assertThat(FluxArchitecture.KLEIN_9B.spec().parameters())
        .isBetween(8_900_000_000L, 9_200_000_000L);
    assertThat(KlArchitecture.published(32, KlArchitecture.Scale.FLUX2).spec().parameters())
        .isBetween(49_000_000L, 51_000_000L);
  }
}
