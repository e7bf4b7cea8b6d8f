package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.testkit.SparseCheckpoint;
import org.espalier.weights.ReadLog;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * CLIP ViT-L/14 as the hub has it, in full size and without weights, in each of its forms: found,
 * understood and checked key by key.
 */
@SuppressWarnings("NullAway.Init")
class PublishedLayoutsTest {
  @TempDir Path base;
  private Path clip;

  @BeforeEach
  void layOut() throws IOException {
    TinyCheckpoints.clip(base.resolve("tiny"));
    clip = Files.createDirectory(base.resolve("clip"));
    Files.writeString(
        clip.resolve("config.json"),
        """
        {"model_type": "clip", "projection_dim": 768, "logit_scale_init_value": 2.6592,
         "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
           "num_attention_heads": 12, "vocab_size": 49408, "max_position_embeddings": 77,
           "hidden_act": "quick_gelu", "layer_norm_eps": 1e-05, "eos_token_id": 2},
         "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "patch_size": 14,
           "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 224,
           "hidden_act": "quick_gelu", "layer_norm_eps": 1e-05}}
        """);
    Files.copy(base.resolve("tiny/tokenizer.json"), clip.resolve("tokenizer.json"));
  }

  private static void tower(
      Map<String, List<Long>> into, String prefix, int layers, long width, long hidden) {
    for (int i = 0; i < layers; i++) {
      String layer = prefix + "encoder.layers." + i + ".";
      for (String part : "q_proj k_proj v_proj out_proj".split(" ")) {
        into.put(layer + "self_attn." + part + ".weight", List.of(width, width));
        into.put(layer + "self_attn." + part + ".bias", List.of(width));
      }
      for (String norm : List.of("layer_norm1", "layer_norm2")) {
        into.put(layer + norm + ".weight", List.of(width));
        into.put(layer + norm + ".bias", List.of(width));
      }
      into.put(layer + "mlp.fc1.weight", List.of(hidden, width));
      into.put(layer + "mlp.fc1.bias", List.of(hidden));
      into.put(layer + "mlp.fc2.weight", List.of(width, hidden));
      into.put(layer + "mlp.fc2.bias", List.of(width));
    }
  }

  private static void norm(Map<String, List<Long>> into, String name, long width) {
    into.put(name + ".weight", List.of(width));
    into.put(name + ".bias", List.of(width));
  }

  static Map<String, List<Long>> vitL14() {
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    shapes.put("logit_scale", List.of());
    shapes.put("text_model.embeddings.token_embedding.weight", List.of(49408L, 768L));
    shapes.put("text_model.embeddings.position_embedding.weight", List.of(77L, 768L));
    shapes.put("text_model.embeddings.position_ids", List.of(1L, 77L));
    tower(shapes, "text_model.", 12, 768, 3072);
    norm(shapes, "text_model.final_layer_norm", 768);
    shapes.put("vision_model.embeddings.class_embedding", List.of(1024L));
    shapes.put("vision_model.embeddings.patch_embedding.weight", List.of(1024L, 3L, 14L, 14L));
    shapes.put("vision_model.embeddings.position_embedding.weight", List.of(257L, 1024L));
    norm(shapes, "vision_model.pre_layrnorm", 1024);
    norm(shapes, "vision_model.post_layernorm", 1024);
    tower(shapes, "vision_model.", 24, 1024, 4096);
    shapes.put("visual_projection.weight", List.of(768L, 1024L));
    shapes.put("text_projection.weight", List.of(768L, 768L));
    return shapes;
  }

  private ReadLog.Use check() {
    try (ReadLog log = ReadLog.start()) {
      new ClipProvider().check(new ClipConfig("clip"), TinyCheckpoints.context(base));
      assertThat(log.files()).containsKeys(clip.resolve("config.json"));
      return log.uses().get(0);
    }
  }

  @Test
  void clipInEveryFormOfTheHub() throws IOException {
    Path safetensors = clip.resolve("model.safetensors");
    SparseCheckpoint.safetensors(safetensors, vitL14(), "F32");
    ReadLog.Use whole = check();
    assertThat(whole.parameters()).isEqualTo(427_616_513L);
    assertThat(whole.unused()).containsExactly("text_model.embeddings.position_ids");
    assertThat(Files.size(safetensors)).isBetween(1_710_000_000L, 1_711_000_000L);
    Files.delete(safetensors);
    for (String[] wrappers : new String[][] {{}, {"state_dict"}, {"state_dict", "module"}}) {
      SparseCheckpoint.pth(clip.resolve("pytorch_model.bin"), vitL14(), "F16", wrappers);
      assertThat(check().parameters()).isEqualTo(whole.parameters());
    }
    Files.delete(clip.resolve("pytorch_model.bin"));
    SparseCheckpoint.shards(clip, "model", "safetensors", vitL14(), "BF16", 3);
    assertThat(check().parameters()).isEqualTo(whole.parameters());
  }
}
