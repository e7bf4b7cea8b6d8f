package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
class ZImageProviderTest {
  @TempDir Path directory;

  private static ZImageConfig config(String variant, Double guidance, Double cap, String negative) {
    return new ZImageConfig(
        "m", variant, null, guidance, cap, negative, 64, 96, null, null, null, null);
  }

  private GenerativeModel load(ZImageConfig config) {
    return new ZImageProvider().load(config, TinyFlux.context(directory));
  }

  private void assertRefused(ZImageConfig config, String... parts) {
    ThrowingCallable check = () -> new ZImageProvider().check(config, TinyFlux.context(directory));
    for (ThrowingCallable refused : List.of(check, () -> load(config))) {
      assertThatThrownBy(refused)
          .isInstanceOf(EspalierException.class)
          .hasMessageStartingWith("[CONFIG] ")
          .hasMessageContaining("\nMaybe ")
          .hasMessageContainingAll(parts);
    }
  }

  private static Cost step(GenerativeModel model, String prompt) {
    return model.quote(new Work.Step(Prompt.of("p", prompt), 0, 1, false));
  }

  @Test
  void turboTakesEightStepsOfOneRowAndTextsAsLongAsTheyAre() {
    TinyPipeline.zimage(directory.resolve("m"));
    try (GenerativeModel model = load(config("turbo", null, null, null))) {
      assertThat(model.card().horizon()).isEqualTo(8);
      assertThat(model.card().facts()).containsEntry("shift", "3.0");
      Cost brief = step(model, "a red circle");
      assertThat(brief.rows()).isEqualTo(1);
      // 4 x 6 image tokens and fewer than 32 of text are each filled up to 32.
      assertThat(brief.tokens()).isEqualTo(64);
      assertThat(step(model, "a red circle ".repeat(10)).tokens()).isEqualTo(96);
    }
    assertRefused(config("turbo", 3.0, null, null), "The guidance (3.0)", "distilled");
    assertRefused(config("turbo", null, null, "blur"), "negativePrompt (blur) has no effect");
    assertRefused(config("turbo", null, 1.0, null), "cfgNormalization (1.0) has no effect");
  }

  @Test
  void baseIsGuidedAndChargedForBothTexts() {
    TinyPipeline.zimage(directory.resolve("m"));
    String away = "two blue squares ".repeat(12);
    try (GenerativeModel model = load(config("base", 3.0, null, away))) {
      assertThat(model.card().horizon()).isEqualTo(50);
      assertThat(model.card().facts()).containsEntry("guidance", "3.0");
      Cost step = step(model, "a red circle");
      assertThat(step.nfe()).isEqualTo(1);
      assertThat(step.rows()).isEqualTo(2);
      assertThat(step.tokens()).isEqualTo(64 + 96);
    }
    try (GenerativeModel model = load(config("base", 0.0, null, null))) {
      assertThat(step(model, "a red circle").rows()).isEqualTo(1);
    }
  }

  @Test
  void theVariantIsToldFromTheNameAlone() {
    TinyPipeline.zimage(directory.resolve("m"));
    assertRefused(config(null, null, null, null), "do not say whether they are distilled");
    TinyPipeline.zimage(directory.resolve("Z-Image-Turbo"));
    TinyPipeline.zimage(directory.resolve("Z-Image"));
    for (String name : List.of("Z-Image-Turbo", "Z-Image")) {
      try (FlowBlueprint blueprint =
          new ZImageProvider().blueprint(ZImageConfig.of(name), TinyFlux.context(directory))) {
        assertThat(blueprint.facts())
            .containsEntry("variant", name.endsWith("Turbo") ? "turbo" : "base");
      }
    }
  }

  @Test
  void whatDoesNotFitIsNamed() throws IOException {
    Path root = TinyPipeline.zimage(directory.resolve("m"));
    assertRefused(ZImageConfig.of("random:large"), "not of a published Z-Image");
    TinyPipeline.qwen(root, 12);
    assertRefused(config("turbo", null, null, null), "texts of width 40", "gives 12 (1 x 12)");
    TinyPipeline.qwen(root, 40);
    Path file = root.resolve("transformer").resolve("diffusion_pytorch_model.safetensors");
    Map<String, Array> tensors = TinyPipeline.tensors(file);
    Array lost = tensors.remove("layers.1.attention.to_k.weight");
    TinyFlux.write(file, tensors);
    assertRefused(
        config("turbo", null, null, null), "layers.1.attention.qkv", "layers.1.attention.to_q");
    tensors.put("layers.1.attention.to_k.weight", lost);
    tensors.put("siglip_embedder.weight", lost);
    TinyFlux.write(file, tensors);
    assertRefused(config("turbo", null, null, null), "siglip_embedder.weight");
    Files.delete(root.resolve("tokenizer").resolve("tokenizer.json"));
    assertRefused(config("turbo", null, null, null), "No tokenizer.json was found");
  }

  /** Each matrix by the tokens that meet it, and attention by its scores and sums. */
  @Test
  void operationsAreTheHandCount() {
    try (WeightSource weights =
        ZImageArchitecture.layout(
            new SafetensorsFile(TinyPipeline.parity("zimage-tiny-a.weights.safetensors")))) {
      ZImageArchitecture zimage = ZImageArchitecture.of(weights, MissingNode.getInstance());
      long image = 24;
      long text = 37;
      long count = 0;
      for (String key : weights.names()) {
        if (weights.info(key).shape().size() == 2 && !key.endsWith("pad_token")) {
          long tokens =
              key.matches("t_embedder.*|.*adaLN.*")
                  ? 1
                  : key.startsWith("cap_embedder")
                      ? text
                      : key.startsWith("context_refiner")
                          ? 64
                          : key.startsWith("noise_refiner")
                              ? 32
                              : key.startsWith("layers") ? 96 : image;
          count += 2 * weights.info(key).elements() * tokens;
        }
      }
      count += 4L * zimage.width() * zimage.refiners() * (32 * 32 + 64 * 64);
      count += 4L * zimage.width() * zimage.layers() * 96 * 96;
      assertThat(zimage.flops(4, 6, 37)).isEqualTo(count);
    }
  }

  @Test
  void thePublishedSizeIsThat() {
    assertThat(ZImageArchitecture.PUBLISHED.spec().parameters())
        .isBetween(6_100_000_000L, 6_200_000_000L);
  }
}
