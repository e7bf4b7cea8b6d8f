package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.testkit.SparseCheckpoint;
import org.espalier.torch.ClipTextConfig;
import org.espalier.torch.T5Config;
import org.espalier.weights.ReadLog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * FLUX.1 in both of its published layouts, in full size and without weights: found, understood and
 * checked key by key. The files' sizes in docs/checkpoints.md are these.
 */
@SuppressWarnings("NullAway.Init")
class PublishedLayoutsTest {
  private static final int WIDTH = 3072;

  @TempDir Path root;

  /** The text encoders as the hub's repositories have them. */
  private void textEncoders() {
    TinyFlux.write(
        root.resolve("text_encoder_2/config.json"),
        """
        {"model_type": "t5", "d_ff": 10240, "d_kv": 64, "d_model": 4096, "num_heads": 64,
         "feed_forward_proj": "gated-gelu", "num_layers": 24, "vocab_size": 32128,
         "pad_token_id": 0}
        """);
    Path t5 = root.resolve("text_encoder_2");
    SparseCheckpoint.shards(
        t5,
        "model",
        "safetensors",
        T5Config.read(t5.resolve("config.json")).weights().shapes(),
        "BF16",
        2);
    TinyFlux.write(
        root.resolve("tokenizer_2/tokenizer.json"), TinyFlux.tokenizer("<pad>", "</s>", false));
    TinyFlux.write(
        root.resolve("text_encoder/config.json"),
        """
        {"model_type": "clip_text_model", "hidden_size": 768, "intermediate_size": 3072,
         "num_hidden_layers": 12, "num_attention_heads": 12, "hidden_act": "quick_gelu",
         "vocab_size": 49408, "max_position_embeddings": 77, "eos_token_id": 2}
        """);
    Path clip = root.resolve("text_encoder");
    SparseCheckpoint.safetensors(
        clip.resolve("model.safetensors"),
        ClipTextConfig.read(clip.resolve("config.json")).weights().shapes(),
        "BF16");
    TinyFlux.write(
        root.resolve("tokenizer/tokenizer.json"),
        TinyFlux.tokenizer("<|startoftext|>", "<|endoftext|>", true));
  }

  private static Map<String, List<Long>> autoencoder() {
    return KlArchitecture.published(16, KlArchitecture.Scale.FLUX).spec().shapes();
  }

  private static void linear(Map<String, List<Long>> into, String name, long out, long in) {
    into.put(name + ".weight", List.of(out, in));
    into.put(name + ".bias", List.of(out));
  }

  /** FLUX.1-dev's transformer by diffusers' names. */
  private static Map<String, List<Long>> diffusers() {
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    linear(shapes, "x_embedder", WIDTH, 64);
    linear(shapes, "context_embedder", WIDTH, 4096);
    for (String embedder : List.of("timestep_embedder", "guidance_embedder", "text_embedder")) {
      String name = "time_text_embed." + embedder;
      linear(shapes, name + ".linear_1", WIDTH, embedder.equals("text_embedder") ? 768 : 256);
      linear(shapes, name + ".linear_2", WIDTH, WIDTH);
    }
    for (int i = 0; i < 19; i++) {
      String block = "transformer_blocks." + i + ".";
      linear(shapes, block + "norm1.linear", 6 * WIDTH, WIDTH);
      linear(shapes, block + "norm1_context.linear", 6 * WIDTH, WIDTH);
      for (String part :
          "to_q to_k to_v add_q_proj add_k_proj add_v_proj to_out.0 to_add_out".split(" ")) {
        linear(shapes, block + "attn." + part, WIDTH, WIDTH);
      }
      for (String norm : "norm_q norm_k norm_added_q norm_added_k".split(" ")) {
        shapes.put(block + "attn." + norm + ".weight", List.of(128L));
      }
      for (String part : List.of("ff", "ff_context")) {
        linear(shapes, block + part + ".net.0.proj", 4 * WIDTH, WIDTH);
        linear(shapes, block + part + ".net.2", WIDTH, 4 * WIDTH);
      }
    }
    for (int i = 0; i < 38; i++) {
      String block = "single_transformer_blocks." + i + ".";
      linear(shapes, block + "norm.linear", 3 * WIDTH, WIDTH);
      linear(shapes, block + "proj_mlp", 4 * WIDTH, WIDTH);
      linear(shapes, block + "proj_out", WIDTH, 5 * WIDTH);
      for (String part : List.of("to_q", "to_k", "to_v")) {
        linear(shapes, block + "attn." + part, WIDTH, WIDTH);
      }
      shapes.put(block + "attn.norm_q.weight", List.of(128L));
      shapes.put(block + "attn.norm_k.weight", List.of(128L));
    }
    linear(shapes, "norm_out.linear", 2 * WIDTH, WIDTH);
    linear(shapes, "proj_out", 64, WIDTH);
    return shapes;
  }

  private ReadLog check(FluxConfig config) {
    try (ReadLog log = ReadLog.start()) {
      new FluxProvider().check(config, TinyFlux.context(root));
      return log;
    }
  }

  private static void assertTransformer(ReadLog log, Path file) {
    assertThat(log.uses())
        .filteredOn(use -> use.location().equals(file))
        .singleElement()
        .satisfies(
            use -> {
              assertThat(use.parameters()).isBetween(11_890_000_000L, 11_910_000_000L);
              assertThat(use.unused()).isEmpty();
            });
  }

  @Test
  void blackForestLabsFiles() throws IOException {
    textEncoders();
    Path file = root.resolve("flux1-dev.safetensors");
    SparseCheckpoint.safetensors(file, FluxArchitecture.DEV.spec().shapes(), "BF16");
    SparseCheckpoint.safetensors(root.resolve("ae.safetensors"), autoencoder(), "F32");
    ReadLog log = check(FluxConfig.of(root.toString()));
    assertTransformer(log, file);
    assertThat(Files.size(file)).isBetween(23_700_000_000L, 23_900_000_000L);
    assertThat(log.files())
        .hasSize(10)
        .containsKeys(
            root.resolve("tokenizer/tokenizer.json"), root.resolve("tokenizer_2/tokenizer.json"));
  }

  @Test
  void diffusersFolders() throws IOException {
    textEncoders();
    Files.writeString(
        root.resolve("model_index.json"),
        """
        {"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"],
         "text_encoder": ["transformers", "CLIPTextModel"],
         "text_encoder_2": ["transformers", "T5EncoderModel"],
         "tokenizer": ["transformers", "CLIPTokenizer"],
         "tokenizer_2": ["transformers", "T5TokenizerFast"],
         "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}
        """);
    TinyFlux.write(
        root.resolve("transformer/config.json"),
        "{\"axes_dims_rope\": [16, 56, 56], \"guidance_embeds\": true}");
    SparseCheckpoint.shards(
        root.resolve("transformer"),
        "diffusion_pytorch_model",
        "safetensors",
        diffusers(),
        "BF16",
        3);
    // A whole copy in the other layout, as the repository has one, and shards of another time.
    Files.createFile(root.resolve("flux1-dev.safetensors"));
    Files.createFile(
        root.resolve("transformer/diffusion_pytorch_model-00004-of-00004.safetensors"));
    Path autoencoder = Files.createDirectory(root.resolve("vae")).resolve("ae.safetensors");
    SparseCheckpoint.safetensors(autoencoder, autoencoder(), "F32");
    FluxConfig config =
        new FluxConfig(
            root.toString(),
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            autoencoder.toString(),
            null,
            null,
            null,
            null,
            null);
    assertTransformer(
        check(config), root.resolve("transformer/diffusion_pytorch_model.safetensors.index.json"));
  }
}
