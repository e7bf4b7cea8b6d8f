package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.models.diffusion.TinyFlux.Array;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelState;
import org.espalier.spi.Root;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.WeightSource;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@NullUnmarked
class DiffusersWeightsTest {
  @TempDir Path directory;

  private static byte[] sample(GenerativeModel model) {
    try (Conditioning conditioning = model.encode(List.of(Prompt.of("p", "a red circle"))).get(0)) {
      Noise noise = new Noise.Keyed(DrawKey.root(1));
      ModelState state = model.begin(List.of(new Root(conditioning, noise))).get(0);
      for (int step = 0; step < model.card().horizon(); step++) {
        state =
            model.expand(List.of(new Branch(state, conditioning, List.of(noise)))).get(0).get(0);
      }
      return model.decode(List.of(new DecodeRow(state, conditioning))).get(0).image().rgb();
    }
  }

  private Path pipeline(Map<String, Array> published) {
    Path root = directory.resolve("pipeline");
    TinyFlux.write(root.resolve("model_index.json"), "{\"_class_name\": \"FluxPipeline\"}");
    Map<String, Array> tensors = DiffusersLayout.transformer(published, 64);
    // Two shards, so that joined tensors come from different files.
    Map<String, Array> odd = new LinkedHashMap<>();
    Map<String, Array> even = new LinkedHashMap<>();
    StringBuilder index = new StringBuilder();
    tensors.forEach(
        (name, array) -> {
          boolean first = (odd.size() + even.size()) % 2 == 0;
          (first ? odd : even).put(name, array);
          index
              .append(index.isEmpty() ? "" : ", ")
              .append("\"%s\": \"part-%d.safetensors\"".formatted(name, first ? 1 : 2));
        });
    Path transformer = root.resolve("transformer");
    TinyFlux.write(transformer.resolve("part-1.safetensors"), odd);
    TinyFlux.write(transformer.resolve("part-2.safetensors"), even);
    TinyFlux.write(
        transformer.resolve("diffusion_pytorch_model.safetensors.index.json"),
        "{\"weight_map\": {" + index + "}}");
    TinyFlux.write(transformer.resolve("config.json"), "{\"axes_dims_rope\": [8, 12, 12]}");
    TinyFlux.write(
        root.resolve("vae").resolve("diffusion_pytorch_model.safetensors"),
        DiffusersLayout.autoencoder(TinyFlux.parity("ae"), 4));
    TinyFlux.write(
        root.resolve("vae").resolve("config.json"),
        "{\"scaling_factor\": 0.3611, \"shift_factor\": 0.1159}");
    TinyFlux.writeTextEncoders(root.resolve("text_encoder_2"), root.resolve("text_encoder"));
    return root;
  }

  @Test
  void aDiffusersPipelineGivesTheImagesOfThePublishedFiles() {
    Map<String, Array> published = TinyFlux.parity("weights");
    pipeline(published);
    TinyFlux.bundle(directory.resolve("bundle"), published, "{\"steps\": 3}");
    FlowSamplerConfig three = new FlowSamplerConfig(null, 3, null, null, null);
    FluxConfig config =
        new FluxConfig(
            "pipeline", null, three, null, null, null, 64, 64, null, null, null, null, null, 6);
    byte[] image;
    try (GenerativeModel model = TinyFlux.load(config, directory)) {
      assertThat(model.card().facts()).containsEntry("variant", "dev");
      assertThat(model.card().licence()).isEqualTo("FLUX.1 [dev] Non-Commercial License");
      image = sample(model);
    }
    try (GenerativeModel model = TinyFlux.load(FluxConfig.of("bundle"), directory)) {
      assertThat(sample(model)).isEqualTo(image);
    }
  }

  @Test
  void everyTensorIsTheOneOfThePublishedLayout() {
    Map<String, Array> published = TinyFlux.parity("weights");
    Path file = directory.resolve("t.safetensors");
    TinyFlux.write(file, DiffusersLayout.transformer(published, 64));
    try (WeightSource weights = DiffusersWeights.transformer(new SafetensorsFile(file))) {
      assertThat(weights.names()).containsExactlyInAnyOrderElementsOf(published.keySet());
      published.forEach(
          (name, array) -> {
            assertThat(weights.info(name).shape()).as(name).isEqualTo(array.shape());
            assertThat(weights.floats(name)).as(name).isEqualTo(array.values());
          });
    }
  }

  @Test
  void slicesMayCrossTheSeamsOfJoinedTensors() {
    Map<String, Array> published = TinyFlux.parity("weights");
    Path file = directory.resolve("t.safetensors");
    TinyFlux.write(file, DiffusersLayout.transformer(published, 64));
    String name = "double_blocks.0.img_attn.qkv.bias"; // three parts of 64 floats
    float[] expected = published.get(name).values();
    try (WeightSource weights = DiffusersWeights.transformer(new SafetensorsFile(file))) {
      for (int[] range : new int[][] {{0, 192}, {60, 70}, {63, 130}, {64, 128}, {191, 192}}) {
        ByteBuffer bytes = weights.slice(name, 4L * range[0], 4 * (range[1] - range[0]));
        assertThat(bytes.isDirect()).isTrue();
        for (int i = range[0]; i < range[1]; i++) {
          assertThat(bytes.getFloat()).isEqualTo(expected[i]);
        }
        assertThat(bytes.hasRemaining()).isFalse();
      }
      assertThatThrownBy(() -> weights.slice(name, 4 * 190, 16))
          .isInstanceOf(RuntimeException.class);
    }
  }

  @Test
  void tensorsThatAreNotKnownAreReportedByTheProgramsCheck() {
    Map<String, Array> tensors =
        new LinkedHashMap<>(DiffusersLayout.transformer(TinyFlux.parity("weights"), 64));
    tensors.put("ip_adapter.weight", Array.of(new float[4], 2, 2));
    Path file = directory.resolve("t.safetensors");
    TinyFlux.write(file, tensors);
    try (WeightSource weights = DiffusersWeights.transformer(new SafetensorsFile(file))) {
      FluxArchitecture architecture = FluxArchitecture.of(weights, List.of(8, 12, 12), null, 1e-6);
      assertThatThrownBy(() -> architecture.spec().check(weights))
          .isInstanceOf(EspalierException.class)
          .hasMessageContaining("ip_adapter.weight");
    }
  }

  @Test
  void aTensorThatIsMissingIsReportedByTheProgramsCheck() {
    Map<String, Array> tensors =
        new LinkedHashMap<>(DiffusersLayout.transformer(TinyFlux.parity("weights"), 64));
    tensors.remove("transformer_blocks.1.attn.to_k.weight");
    Path file = directory.resolve("t.safetensors");
    TinyFlux.write(file, tensors);
    try (WeightSource weights = DiffusersWeights.transformer(new SafetensorsFile(file))) {
      FluxArchitecture architecture = FluxArchitecture.of(weights, List.of(8, 12, 12), null, 1e-6);
      assertThatThrownBy(() -> architecture.spec().check(weights))
          .isInstanceOf(EspalierException.class)
          .hasMessageContaining("double_blocks.1.img_attn.qkv.weight");
    }
  }

  @Test
  void thePublishedLayoutPassesUnchanged() {
    Path file = directory.resolve("t.safetensors");
    TinyFlux.write(file, TinyFlux.parity("weights"));
    try (SafetensorsFile source = new SafetensorsFile(file)) {
      assertThat(DiffusersWeights.transformer(source)).isSameAs(source);
      assertThat(DiffusersWeights.autoencoder(source)).isSameAs(source);
    }
  }
}
