package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.MissingNode;
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
import org.espalier.spi.Conditioning;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Work;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@NullUnmarked
class Sd3ProviderTest {
  @TempDir Path directory;

  private static Sd3Config config(
      String weights, String variant, Double guidance, String negative, Integer side) {
    return new Sd3Config(
        weights, variant, null, guidance, negative, side, side, null, null, null, null, null, null,
        null, 6);
  }

  private GenerativeModel load(Sd3Config config) {
    return new Sd3Provider().load(config, TinyFlux.context(directory));
  }

  private void assertRefused(Sd3Config config, String... parts) {
    ThrowingCallable check = () -> new Sd3Provider().check(config, TinyFlux.context(directory));
    for (ThrowingCallable refused : List.of(check, () -> load(config))) {
      assertThatThrownBy(refused)
          .isInstanceOf(EspalierException.class)
          .hasMessageStartingWith("[CONFIG] ")
          .hasMessageContaining("\nMaybe ")
          .hasMessageContainingAll(parts);
    }
  }

  @Test
  void guidanceIsRealAndChargedForTwoRows() {
    TinyPipeline.sd3(directory.resolve("m"));
    try (GenerativeModel model = load(config("m", null, null, "blur", 64))) {
      assertThat(model.card().horizon()).isEqualTo(40);
      assertThat(model.card().facts())
          .containsEntry("guidance", "4.5")
          .containsEntry("variant", "base");
      Cost step = model.quote(new Work.Step(Prompt.of("p", "a red circle"), 0, 1, false));
      assertThat(step.nfe()).isEqualTo(1);
      assertThat(step.rows()).isEqualTo(2);
      // 4 x 4 image tokens, 8 of CLIP, 6 of T5.
      assertThat(step.tokens()).isEqualTo(2 * (16 + 8 + 6));
    }
    assertRefused(config("m", null, 1.0, "blur", 64), "negativePrompt (blur) has no effect");
    assertRefused(config("m", "turbo", 4.5, null, 64), "The guidance (4.5)", "distilled");
    try (GenerativeModel model = load(config("m", "turbo", null, null, 64))) {
      assertThat(model.card().horizon()).isEqualTo(4);
      Cost step = model.quote(new Work.Step(Prompt.of("p", "a red circle"), 0, 1, false));
      assertThat(step.rows()).isEqualTo(1);
    }
  }

  @Test
  void bothTowersAndT5MakeTheSequence() {
    TinyPipeline.sd3(directory.resolve("m"));
    try (GenerativeModel model = load(config("m", null, 1.0, null, 64));
        Conditioning encoded = model.encode(List.of(Prompt.of("p", "a red circle"))).get(0)) {
      List<TorchTensor> tensors = ((FlowConditioning) encoded).tensors();
      assertThat(tensors.get(0).shape()).containsExactly(1, 14, 40);
      assertThat(tensors.get(1).shape()).containsExactly(1, 20);
      float[] sequence = tensors.get(0).toFloats();
      for (int token = 0; token < 8; token++) { // 16 + 24 fill the width: nothing is zero
        assertThat(sequence[token * 40 + 15]).isNotZero();
        assertThat(sequence[token * 40 + 16]).isNotZero();
      }
    }
  }

  @Test
  void theFileOfStabilityAiLoadsAndIsChecked() throws IOException {
    Path root = TinyPipeline.sd3(directory.resolve("m"));
    Map<String, Array> tensors = new LinkedHashMap<>();
    try (WeightSource flow =
            Sd3Architecture.layout(
                new SafetensorsFile(TinyPipeline.parity("sd3-tiny-a.weights.safetensors")));
        WeightSource image =
            DiffusersWeights.autoencoder(
                new SafetensorsFile(TinyPipeline.parity("sd3-tiny-a.vae.safetensors")))) {
      TinyPipeline.tensors(flow)
          .forEach((key, value) -> tensors.put("model.diffusion_model." + key, value));
      TinyPipeline.tensors(image)
          .forEach((key, value) -> tensors.put("first_stage_model." + key, value));
    }
    Files.delete(root.resolve("model_index.json"));
    Path file = root.resolve("sd3.5_medium.safetensors");
    TinyFlux.write(file, tensors);
    // The file says nothing of its norms' groups: the published 32, which 16 channels lack.
    assertRefused(config("m", null, null, null, 64), "not multiples of the 32 norm groups");
    tensors.keySet().removeIf(key -> key.startsWith("first_stage_model"));
    TinyFlux.write(file, tensors);
    try (GenerativeModel model = load(config("m", null, null, null, 64))) {
      assertThat(model.card().horizon()).isEqualTo(40);
    }
    tensors.put("cond_stage.weight", Array.of(new float[1], 1));
    TinyFlux.write(file, tensors);
    assertRefused(config("m", null, null, null, 64), "cond_stage.weight");
    tensors.remove("cond_stage.weight");
    tensors.remove("model.diffusion_model.joint_blocks.1.x_block.attn2.qkv.bias");
    TinyFlux.write(file, tensors);
    assertRefused(
        config("m", null, null, null, 64), "lack the key joint_blocks.1.x_block.attn2.qkv.bias");
  }

  @Test
  void whatDoesNotFitIsNamed() {
    TinyPipeline.sd3(directory.resolve("m"));
    assertRefused(config("m", null, null, null, 320), "larger than the weights have positions for");
    assertRefused(config("m", null, null, null, 72), "The width (72) is not a multiple of the 16");
    assertRefused(Sd3Config.of("random:small"), "not of a published Stable Diffusion 3.5");
    assertRefused(
        new Sd3Config(
            "m",
            null,
            null,
            null,
            null,
            64,
            64,
            null,
            null,
            null,
            "m/text_encoder",
            null,
            null,
            null,
            6),
        "reads texts of width 40 and vectors of 20",
        "clipEncoder2 are the same");
  }

  /** Each matrix by the tokens that meet it, and attention by its scores and sums. */
  @Test
  void operationsAreTheHandCount() {
    try (WeightSource weights =
        Sd3Architecture.layout(
            new SafetensorsFile(TinyPipeline.parity("sd3-tiny-a.weights.safetensors")))) {
      Sd3Architecture sd3 = Sd3Architecture.of(weights, MissingNode.getInstance());
      long image = 24;
      long text = 11;
      long count = 0;
      for (String key : weights.names()) {
        if (weights.info(key).shape().size() > 1 && !key.equals("pos_embed")) {
          long tokens =
              key.matches("[ty]_embedder.*|.*adaLN.*")
                  ? 1
                  : key.startsWith("context_embedder") || key.contains("context_block")
                      ? text
                      : image;
          count += 2 * weights.info(key).elements() * tokens;
        }
      }
      count += 4L * sd3.width() * sd3.layers() * (image + text) * (image + text);
      count += 4L * sd3.width() * 2 * image * image;
      assertThat(sd3.dualLayers()).containsExactly(0, 1);
      assertThat(sd3.flops(4, 6, 11)).isEqualTo(count);
    }
  }

  @Test
  void publishedSizesAreThose() {
    assertThat(Sd3Architecture.MEDIUM.spec().parameters())
        .isBetween(2_400_000_000L, 2_500_000_000L);
    assertThat(Sd3Architecture.LARGE.spec().parameters()).isBetween(8_000_000_000L, 8_200_000_000L);
  }
}
