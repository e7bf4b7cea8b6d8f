package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.espalier.spi.LoadContext;
import org.espalier.spi.WeightsBundle;
import org.espalier.weights.HubCache;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WeightsLocationTest {
  @TempDir Path directory;

  /** Registered in META-INF/services of the tests. */
  public static final class Bundle implements WeightsBundle {
    @Override
    public Set<String> names() {
      return Set.of("toy/nano", "toy/large");
    }

    @Override
    public Path directory(String name) {
      return Path.of("unpacked", name);
    }
  }

  private Path resolve(String weights) {
    return WeightsLocation.resolve(
        "toy",
        weights,
        new LoadContext(
            "cpu",
            directory,
            spec -> {
              throw new AssertionError();
            }));
  }

  @Test
  void findsBundlesAndPaths() throws Exception {
    assertThat(resolve("nano")).isEqualTo(Path.of("unpacked", "toy/nano"));
    Path there = Files.createDirectory(directory.resolve("mine"));
    assertThat(resolve("mine")).isEqualTo(there);
    assertThat(resolve(there.toString())).isEqualTo(there);
  }

  @Test
  void refusesWhatIsNeither() {
    assertThatThrownBy(() -> resolve("nona"))
        .hasMessageContaining("[CONFIG]")
        .hasMessageContaining("nona")
        .hasMessageContaining("large or nano");
  }

  @Test
  void findsWhatTheCacheOfTheHubHolds() throws Exception {
    Path cache = directory.resolve("hub");
    Path snapshot =
        Files.createDirectories(
            cache.resolve("models--org--net/snapshots/0123456789abcdef0123456789abcdef01234567"));
    Files.createFile(snapshot.resolve("net.pth"));
    System.setProperty(HubCache.PROPERTY, cache.toString());
    try {
      assertThat(resolve("hf:org/net")).isEqualTo(snapshot);
      assertThat(resolve("hf:org/net/net.pth")).isEqualTo(snapshot.resolve("net.pth"));
      assertThat(resolve("org/net")).isEqualTo(snapshot);
      assertThat(WeightsLocation.path("hf:org/net/net.pth", directory))
          .isEqualTo(snapshot.resolve("net.pth"));
      assertThatThrownBy(() -> resolve("hf:org/other"))
          .hasMessageContaining("hf:org/other is not in the cache of the hub")
          .hasMessageContaining("Maybe run: espalier weights get hf:org/other");
      assertThatThrownBy(() -> resolve("org/other"))
          .hasMessageContaining("neither a bundle nor a path")
          .hasMessageContaining("Maybe run: espalier weights get hf:org/other");
      Path mine = Files.createDirectories(directory.resolve("org/net"));
      assertThat(resolve("org/net")).isEqualTo(mine);
    } finally {
      System.clearProperty(HubCache.PROPERTY);
    }
  }

  @Test
  void expandsTheHomeDirectory() throws Exception {
    assertThat(WeightsLocation.path("~/m", directory))
        .isEqualTo(Path.of(System.getenv("HOME"), "m"));
    assertThat(WeightsLocation.path("m", directory)).isEqualTo(directory.resolve("m"));
    assertThatThrownBy(() -> resolve("${NO_SUCH_VARIABLE}/m"))
        .hasMessageContaining("${NO_SUCH_VARIABLE}")
        .hasMessageContaining("is not set");
  }

  @Test
  void tellsOfAllMissingPartsOfAPipeline() throws Exception {
    Path root = Files.createDirectory(directory.resolve("pipeline"));
    Files.writeString(
        root.resolve("model_index.json"),
        """
        {"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"],
         "vae": ["diffusers", "AutoencoderKL"], "tokenizer": ["transformers", "CLIPTokenizer"],
         "text_encoder": ["transformers", "CLIPTextModel"], "image_encoder": [null, null],
         "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}
        """);
    Path transformer = Files.createDirectory(root.resolve("transformer"));
    Files.writeString(transformer.resolve("config.json"), "{}");
    Files.writeString(
        transformer.resolve("diffusion_pytorch_model.safetensors.index.json"),
        "{\"weight_map\": {\"a\": \"s1.safetensors\", \"b\": \"s2.safetensors\"}}");
    Files.createFile(transformer.resolve("s1.safetensors"));
    Path vae = Files.createDirectory(root.resolve("vae"));
    Files.createSymbolicLink(
        vae.resolve("diffusion_pytorch_model.safetensors"), Path.of("../../blobs/none"));
    assertThatThrownBy(() -> resolve("pipeline"))
        .hasMessageContainingAll(
            "transformer/s2.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors (a link that leads nowhere",
            "tokenizer/tokenizer.json",
            "text_encoder/config.json",
            "weights in text_encoder/")
        .hasMessageNotContainingAny("s1.safetensors", "image_encoder", "scheduler");
  }
}
