package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.testkit.SparseCheckpoint;
import org.espalier.torch.T5Config;
import org.espalier.weights.HubCache;
import org.espalier.weights.ReadLog;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Infinity's repository as it is published and as the hub's cache holds it, in full size and
 * without weights: found, understood and checked key by key. The files' sizes in
 * docs/checkpoints.md are these.
 */
@SuppressWarnings("NullAway.Init")
class InfinityRepositoryTest {
  private static final String FLAN_T5_XL =
      """
      {"model_type": "t5", "d_ff": 5120, "d_kv": 64, "d_model": 2048, "num_heads": 32,
       "feed_forward_proj": "gated-gelu", "num_layers": 24, "num_decoder_layers": 24,
       "vocab_size": 32128, "layer_norm_epsilon": 1e-06, "pad_token_id": 0,
       "relative_attention_num_buckets": 32, "tie_word_embeddings": false}
      """;

  @TempDir Path temp;
  private Path snapshot;

  @BeforeEach
  void layOut() throws IOException {
    System.setProperty(HubCache.PROPERTY, temp.toString());
    snapshot = snapshot("models--FoundationVision--Infinity");
    Path text = snapshot("models--google--flan-t5-xl");
    Files.writeString(text.resolve("config.json"), FLAN_T5_XL);
    Files.writeString(text.resolve("tokenizer.json"), TinyModel.TOKENIZER);
    Map<String, List<Long>> shapes =
        new LinkedHashMap<>(T5Config.read(text.resolve("config.json")).weights().shapes());
    shapes.put("decoder.final_layer_norm.weight", List.of(2048L));
    shapes.put("lm_head.weight", List.of(32128L, 2048L));
    SparseCheckpoint.shards(text, "model", "safetensors", shapes, "F32", 2);
    SparseCheckpoint.shards(text, "pytorch_model", "bin", shapes, "F32", 2);
    Files.createFile(text.resolve("flax_model.msgpack"));
  }

  @AfterEach
  void forget() {
    System.clearProperty(HubCache.PROPERTY);
  }

  private Path snapshot(String repository) throws IOException {
    return Files.createDirectories(
        temp.resolve(repository).resolve("snapshots/0123456789abcdef0123456789abcdef01234567"));
  }

  /** The transformer's keys as they are published, in eight chunks of blocks. */
  private static Map<String, List<Long>> transformer(String size) {
    InfinityArchitecture architecture = InfinityArchitecture.published(size);
    int chunk = architecture.depth() / 8;
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    architecture
        .weights()
        .shapes()
        .forEach(
            (name, shape) -> {
              if (name.startsWith("blocks.")) {
                int end = name.indexOf('.', 7);
                int block = Integer.parseInt(name.substring(7, end));
                shapes.put(
                    "block_chunks.%d.module.%d%s"
                        .formatted(block / chunk, block % chunk, name.substring(end)),
                    shape);
              } else {
                shapes.put(name, shape);
              }
            });
    return shapes;
  }

  private void tokenizer(String size, String... names) {
    Map<String, List<Long>> shapes = BsqArchitecture.published(size).weights().shapes();
    for (String name : names) {
      SparseCheckpoint.pth(snapshot.resolve(name), shapes, "F32", "vae");
    }
  }

  private ReadLog check(String weights) {
    InfinityConfig config = InfinityConfig.of(weights);
    try (ReadLog log = ReadLog.start()) {
      new InfinityProvider().check(config, TinyModel.context(temp));
      return log;
    }
  }

  private static ReadLog.Use use(ReadLog log, String file) {
    return log.uses().stream()
        .filter(use -> use.location().endsWith(file))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void infinity2bWithItsTokenizerAmongSeveral() throws IOException {
    SparseCheckpoint.pth(snapshot.resolve("infinity_2b_reg.pth"), transformer("2b"), "F32");
    tokenizer("2b", "infinity_vae_d32.pth", "infinity_vae_d32reg.pth");
    tokenizer("8b", "infinity_vae_d56_f8_14_patchify.pth");
    Files.createFile(snapshot.resolve("infinity_vae_d16.pth"));
    ReadLog log = check("hf:FoundationVision/Infinity/infinity_2b_reg.pth");
    assertThat(log.files())
        .containsKeys(
            snapshot.resolve("infinity_2b_reg.pth"), snapshot.resolve("infinity_vae_d32reg.pth"))
        .doesNotContainKeys(
            snapshot.resolve("infinity_vae_d32.pth"), snapshot.resolve("infinity_vae_d16.pth"));
    assertThat(Files.size(snapshot.resolve("infinity_2b_reg.pth"))).isGreaterThan(8L << 30);
    ReadLog.Use transformer = use(log, "infinity_2b_reg.pth");
    assertThat(transformer.parameters()).isBetween(2_000_000_000L, 2_300_000_000L);
    assertThat(transformer.unused()).isEmpty();
    ReadLog.Use text = use(log, "model.safetensors.index.json");
    assertThat(text.unused()).containsExactly("decoder.final_layer_norm.weight", "lm_head.weight");
  }

  @Test
  void infinity8bInShardsOfBothKinds() throws IOException {
    tokenizer("8b", "infinity_vae_d56_f8_14_patchify.pth");
    tokenizer("2b", "infinity_vae_d32reg.pth");
    Map<String, List<Long>> shapes = transformer("8b");
    for (String extension : List.of("safetensors", "bin")) {
      String stem = extension.equals("bin") ? "pytorch_model" : "model";
      Path folder = Files.createDirectory(snapshot.resolve("infinity_8b_" + extension));
      SparseCheckpoint.shards(folder, stem, extension, shapes, "BF16", 4);
      ReadLog log = check("hf:FoundationVision/Infinity/infinity_8b_" + extension);
      assertThat(log.files()).containsKey(snapshot.resolve("infinity_vae_d56_f8_14_patchify.pth"));
      assertThat(use(log, stem + "." + extension + ".index.json").parameters())
          .isBetween(8_000_000_000L, 9_000_000_000L);
    }
  }

  @Test
  void companionsAreTheModelsOwn() {
    assertThat(
            new InfinityProvider()
                .companions(
                    Map.of("weights", "hf:FoundationVision/Infinity@main/infinity_8b_weights")))
        .isEqualTo(
            Set.of(
                "hf:google/flan-t5-xl",
                "hf:FoundationVision/Infinity@main/infinity_vae_d56_f8_14_patchify.pth"));
    assertThat(new InfinityProvider().companions(Map.of("weights", "nano"))).isEmpty();
  }
}
