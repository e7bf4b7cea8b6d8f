package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
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
class SanaProviderTest {
  @TempDir Path directory;

  private static SanaConfig config(Double guidance, String negative, String instruction) {
    return new SanaConfig("m", null, guidance, negative, instruction, 64, 96, null, null, null, 9);
  }

  private GenerativeModel load(SanaConfig config) {
    return new SanaProvider().load(config, TinyFlux.context(directory));
  }

  private void assertRefused(SanaConfig config, String... parts) {
    ThrowingCallable check = () -> new SanaProvider().check(config, TinyFlux.context(directory));
    for (ThrowingCallable refused : List.of(check, () -> load(config))) {
      assertThatThrownBy(refused)
          .isInstanceOf(EspalierException.class)
          .hasMessageStartingWith("[CONFIG] ")
          .hasMessageContaining("\nMaybe ")
          .hasMessageContainingAll(parts);
    }
  }

  @Test
  void isSampledAsPublishedAndChargedForTwoRows() {
    TinyPipeline.sana(directory.resolve("m"));
    try (GenerativeModel model = load(config(null, "red", null))) {
      assertThat(model.card().horizon()).isEqualTo(20);
      assertThat(model.card().facts())
          .containsEntry("sampler", "dpm++")
          .containsEntry("shift", "3.0")
          .containsEntry("guidance", "4.5");
      Cost step = model.quote(new Work.Step(Prompt.of("p", "a red circle"), 0, 1, false));
      assertThat(step.nfe()).isEqualTo(1);
      assertThat(step.rows()).isEqualTo(2);
      assertThat(step.tokens()).isEqualTo(2 * (6 + 9));
    }
    assertRefused(config(1.0, "red", null), "negativePrompt (red) has no effect");
  }

  @Test
  void ofAnInstructionOnlyTheFirstStateIsKept() {
    TinyPipeline.sana(directory.resolve("m"));
    try (GenerativeModel plain = load(config(1.0, null, null));
        GenerativeModel instructed = load(config(1.0, null, "a red and green square "));
        Conditioning one = plain.encode(List.of(Prompt.of("p", "A green circle"))).get(0);
        Conditioning two = instructed.encode(List.of(Prompt.of("p", "A green circle"))).get(0)) {
      List<TorchTensor> alone = ((FlowConditioning) one).tensors();
      List<TorchTensor> behind = ((FlowConditioning) two).tensors();
      // Three words and the end; of the instruction's five words the first one is kept.
      assertThat(alone.get(1).toFloats()).containsExactly(1, 1, 1, 1, 0, 0, 0, 0, 0);
      assertThat(behind.get(0).shape()).containsExactly(1, 9, 36);
      assertThat(behind.get(1).toFloats()).containsExactly(1, 1, 1, 1, 1, 0, 0, 0, 0);
      assertThat(alone.get(0).toFloats()).isNotEqualTo(behind.get(0).toFloats());
    }
    assertRefused(config(1.0, null, "a red ".repeat(40)), "longer together", "instruction");
  }

  @Test
  void whatDoesNotFitIsNamed() {
    Path root = TinyPipeline.sana(directory.resolve("m"));
    assertRefused(SanaConfig.of("random:2b"), "not of a published SANA-1.5");
    assertRefused(
        new SanaConfig("m", null, null, null, null, 80, 96, null, null, null, 9),
        "The width (80) is not a multiple of the 32 pixels");
    Path file = root.resolve("vae").resolve("diffusion_pytorch_model.safetensors");
    Map<String, Array> tensors = TinyPipeline.tensors(file);
    Array lost = tensors.remove("decoder.up_blocks.3.1.attn.norm_out.bias");
    TinyFlux.write(file, tensors);
    assertRefused(
        config(null, null, null), "lack the key decoder.up_blocks.3.1.attn.norm_out.bias");
    tensors.put("decoder.up_blocks.3.1.attn.norm_out.bias", lost);
    tensors.put("decoder.up_blocks.3.1.attn.norm_in.bias", lost);
    TinyFlux.write(file, tensors);
    assertRefused(config(null, null, null), "decoder.up_blocks.3.1.attn.norm_in.bias");
    TinyFlux.write(root.resolve("model_index.json"), "{\"_class_name\": \"SanaSprintPipeline\"}");
    assertRefused(config(null, null, null), "The pipeline (SanaSprintPipeline)");
  }

  /** Each matrix by the tokens that meet it, and attention by its sums. */
  @Test
  void operationsOfTheTransformerAreTheHandCount() throws Exception {
    try (SafetensorsFile golden =
            new SafetensorsFile(TinyPipeline.parity("sana-tiny-a.golden.safetensors"));
        WeightSource weights =
            new SafetensorsFile(TinyPipeline.parity("sana-tiny-a.weights.safetensors"))) {
      SanaArchitecture sana =
          SanaArchitecture.of(
              weights, new ObjectMapper().readTree(golden.metadata().get("config")));
      long image = 15;
      long text = 9;
      long count = 0;
      for (String key : weights.names()) {
        if (weights.info(key).shape().size() > 1 && !key.contains("scale_shift_table")) {
          long tokens =
              key.startsWith("time_embed")
                  ? 1
                  : key.matches("caption_projection.*|.*attn2.to_[kv].*") ? text : image;
          count += 2 * weights.info(key).elements() * tokens;
        }
      }
      // Sums over tokens with a row of ones, their products with queries; then the text's.
      count += 3 * 4 * 2L * 2 * 9 * 8 * image;
      count += 3 * 4L * image * text * 32;
      assertThat(sana.flops(3, 5, 9)).isEqualTo(count);
    }
  }

  /** Each matrix by the pixels that meet it, and attention by its sums. */
  @Test
  void operationsOfTheDecoderAreTheHandCount() throws Exception {
    try (SafetensorsFile golden =
            new SafetensorsFile(TinyPipeline.parity("sana-tiny-a.golden.safetensors"));
        WeightSource weights =
            new SafetensorsFile(TinyPipeline.parity("sana-tiny-a.vae.safetensors"))) {
      DcArchitecture dc =
          DcArchitecture.of(
              weights, new ObjectMapper().readTree(golden.metadata().get("vae_config")));
      long count = 0;
      for (String key : weights.names()) {
        if (weights.info(key).shape().size() > 1) {
          int level =
              key.startsWith("decoder.up_blocks.")
                  ? Integer.parseInt(key.split("\\.")[2])
                  : key.startsWith("decoder.conv_in") ? 5 : 0;
          long pixels = 15L << 2 * (5 - level);
          count += 2 * weights.info(key).elements() * pixels;
        }
      }
      // Both scales of 32, 32 and 16 channels, heads of 8.
      count += 2L * 2 * 9 * 8 * (2 * 4 * 15 + 2 * 4 * 60 + 2 * 2 * 240);
      assertThat(dc.decodeFlops(3, 5)).isEqualTo(count);
      assertThat(dc.stride()).isEqualTo(32);
    }
  }

  @Test
  void publishedSizesAreThose() {
    assertThat(SanaArchitecture.SMALL.spec().parameters())
        .isBetween(1_580_000_000L, 1_620_000_000L);
    assertThat(SanaArchitecture.LARGE.spec().parameters())
        .isBetween(4_600_000_000L, 4_900_000_000L);
    assertThat(DcArchitecture.PUBLISHED.spec().parameters()).isBetween(140_000_000L, 180_000_000L);
  }
}
