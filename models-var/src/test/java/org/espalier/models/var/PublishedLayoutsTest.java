package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.testkit.SparseCheckpoint;
import org.espalier.torch.T5Config;
import org.espalier.torch.TorchTensor;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Files of the published names, shapes and sizes pass the check that comes before loading, as they
 * are: every key is known, none is missing, and nothing of their gigabytes is read.
 */
class PublishedLayoutsTest {
  private static final T5Config FLAN_T5_XL =
      new T5Config(32128, 2048, 64, 5120, 24, 32, 32, 128, 1e-6, true, "gelu_new", 0);

  @TempDir Path directory;

  @BeforeEach
  void textEncoder() throws IOException {
    Path text = Files.createDirectories(directory.resolve("text_encoder"));
    SparseCheckpoint.shards(text, "model", "safetensors", FLAN_T5_XL.weights().shapes(), "F32", 2);
    Files.writeString(
        text.resolve("config.json"),
        """
        {"vocab_size": 32128, "d_model": 2048, "d_kv": 64, "d_ff": 5120, "num_layers": 24,
         "num_heads": 32, "relative_attention_num_buckets": 32,
         "relative_attention_max_distance": 128, "feed_forward_proj": "gated-gelu",
         "pad_token_id": 0}
        """);
    Files.writeString(text.resolve("tokenizer.json"), TinyModel.TOKENIZER);
  }

  /** Blocks lie in so many chunks. */
  private static Map<String, List<Long>> chunked(String size, int chunks) {
    InfinityArchitecture architecture = InfinityArchitecture.published(size);
    int each = architecture.depth() / chunks;
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    architecture
        .weights()
        .shapes()
        .forEach(
            (name, shape) -> {
              String published = name;
              if (name.startsWith("blocks.")) {
                int dot = name.indexOf('.', 7);
                int block = Integer.parseInt(name.substring(7, dot));
                published =
                    "block_chunks."
                        + block / each
                        + ".module."
                        + block % each
                        + name.substring(dot);
              }
              shapes.put(published, shape);
            });
    return shapes;
  }

  private void vae(String file, String size) throws IOException {
    SparseCheckpoint.pth(
        directory.resolve(file), BsqArchitecture.published(size).weights().shapes(), "F32");
  }

  private static void shards(
      Path folder, Map<String, List<Long>> shapes, int count, boolean torch) {
    SparseCheckpoint.shards(
        folder,
        torch ? "pytorch_model" : "model",
        torch ? "bin" : "safetensors",
        shapes,
        "BF16",
        count);
  }

  private static InfinityConfig config(Path weights, Path directory, String vae, String pn) {
    return new InfinityConfig(
        weights.toString(),
        directory.resolve(vae).toString(),
        directory.resolve("text_encoder").toString(),
        pn,
        null,
        null,
        null,
        null,
        null,
        null,
        null);
  }

  private void check(InfinityConfig config) {
    long live = TorchTensor.liveBytes();
    new InfinityProvider().check(config, TinyModel.context(directory));
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  @Test
  void theSmallerModelsAreArchivesBesideTheirTokenizer() throws IOException {
    vae("infinity_vae_d16.pth", "125m");
    for (String[] model :
        new String[][] {
          {"infinity_125M_256x256.pth", "125m", "4"}, {"infinity_layer24.pth", "1b", "4"}
        }) {
      Path file = directory.resolve(model[0]);
      SparseCheckpoint.pth(file, chunked(model[1], Integer.parseInt(model[2])), "F32");
      check(config(file, directory, "infinity_vae_d16.pth", "0.06M"));
    }
  }

  @Test
  void anArchiveBeyondFourGibibytesIsOneOfTheNewerForm() throws IOException {
    vae("infinity_vae_d32reg.pth", "2b");
    Path file = directory.resolve("infinity_2b_reg.pth");
    SparseCheckpoint.pth(file, chunked("2b", 8), "F32");
    assertThat(Files.size(file)).isGreaterThan(8_800_000_000L);
    check(config(file, directory, "infinity_vae_d32reg.pth", "1M"));
    vae("infinity_vae_d16.pth", "125m");
    vae("infinity_vae_d32.pth", "2b");
    // the model chooses among several
    check(
        new InfinityConfig(
            file.toString(), null, null, "1M", null, null, null, null, null, null, null));
    assertThatThrownBy(() -> check(config(file, directory, "infinity_vae_d16.pth", "1M")))
        .hasMessageContaining("32 bits");
  }

  @Test
  void theLargestIsADirectoryOfShards() throws IOException {
    vae("infinity_vae_d56_f8_14_patchify.pth", "8b");
    for (boolean torch : new boolean[] {false, true}) {
      Path shards = Files.createDirectories(directory.resolve("infinity_8b_weights-" + torch));
      shards(shards, chunked("8b", 8), 4, torch);
      check(config(shards, directory, "infinity_vae_d56_f8_14_patchify.pth", "1M"));
    }
  }

  @Test
  void varIsTwoArchives() throws IOException {
    Map<String, List<Long>> vae = TinyVar.finestFirst(VqArchitecture.publishedVar());
    vae.put("encoder.conv_in.weight", List.of(160L, 3L, 3L, 3L));
    vae.put("quant_conv.weight", List.of(32L, 32L, 3L, 3L));
    vae.put("quantize.ema_vocab_hit_SV", List.of(10L, 4096L));
    Path folder = Files.createDirectories(directory.resolve("var"));
    SparseCheckpoint.pth(folder.resolve("vae_ch160v4096z32.pth"), vae, "F32");
    for (String size : List.of("d16", "d30")) {
      Map<String, List<Long>> shapes = VarArchitecture.published(size).weights().shapes();
      Map<String, List<Long>> all = new LinkedHashMap<>(shapes);
      all.put("attn_bias_for_masking", List.of(1L, 1L, 680L, 680L));
      SparseCheckpoint.pth(folder.resolve("var_" + size + ".pth"), all, "F32");
      VarConfig config = VarConfig.of(folder.resolve("var_" + size + ".pth").toString());
      new VarProvider().check(config, TinyModel.context(directory));
    }
  }

  @Test
  void janusIsOneSnapshotInEitherLayout() throws IOException {
    for (String size : List.of("1b", "7b")) {
      Map<String, List<Long>> port = new LinkedHashMap<>();
      port.putAll(JanusArchitecture.published(size).weights().shapes());
      VqArchitecture.publishedJanus()
          .weights()
          .shapes()
          .forEach((name, shape) -> port.put("model.vqmodel." + name, shape));
      port.put("lm_head.weight", List.of(102400L, 2048L));
      port.put("model.vision_model.embeddings.patch_embedding.weight", List.of(1024L, 3L));
      port.put("model.vqmodel.encoder.conv_in.weight", List.of(128L, 3L, 3L, 3L));
      Map<String, List<Long>> deepSeek = new LinkedHashMap<>();
      port.forEach((name, shape) -> deepSeek.put(JanusParityTest.deepSeekName(name), shape));
      deepSeek.put("gen_vision_model.quantize.codebook_used", List.of(65536L));
      boolean small = size.equals("1b");
      String sizes =
          small
              ? "\"num_hidden_layers\": 24, \"num_attention_heads\": 16"
              : "\"num_hidden_layers\": 30";
      for (boolean torch : new boolean[] {false, true}) {
        Path folder = Files.createDirectories(directory.resolve("janus-" + size + torch));
        Files.writeString(folder.resolve("tokenizer.json"), TinyJanus.TOKENIZER);
        Files.writeString(
            folder.resolve("config.json"),
            torch
                ? "{\"language_config\": {" + sizes + "}}"
                : "{\"text_config\": {" + sizes + "}, \"vq_config\": {\"num_patches\": 24}}");
        if (small && torch) {
          SparseCheckpoint.pth(folder.resolve("pytorch_model.bin"), deepSeek, "F32");
        } else if (small) {
          SparseCheckpoint.safetensors(folder.resolve("model.safetensors"), port, "F32");
        } else {
          shards(folder, torch ? deepSeek : port, 2, torch);
        }
        JanusConfig config = JanusConfig.of(folder.toString());
        new JanusProvider().check(config, TinyModel.context(directory));
      }
    }
  }
}
