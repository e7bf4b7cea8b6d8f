package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.espalier.shapes.ShapesWeights;
import org.espalier.weights.HubCache;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WeightsCommandTest {
  private final Path directory;

  WeightsCommandTest(@TempDir Path directory) {
    this.directory = directory;
  }

  @Test
  void listsEveryFileThatIsRead() {
    CommandLineKit.Ended ended =
        CommandLineKit.espalier("weights", "{id: infinity, weights: nano}");
    assertThat(ended.code()).as(ended.err()).isZero();
    Path nano = new ShapesWeights().directory("infinity/nano");
    for (String file :
        new String[] {
          "config.json",
          "transformer.safetensors",
          "vae.safetensors",
          "text_encoder/config.json",
          "text_encoder/tokenizer.json"
        }) {
      assertThat(ended.out()).contains("read     " + nano.resolve(file) + "  ");
    }
    assertThat(ended.out())
        .startsWith("model infinity: {")
        .containsPattern("vae.safetensors  [0-9.]+ MB, safetensors, SHA-256 [0-9a-f]{64}")
        .containsPattern("keys     .*vae.safetensors  \\d+ read, \\d+ unused")
        .containsPattern("memory   [0-9.]+ MB of files; weights take [0-9.]+ MB on the CPU");
  }

  @Test
  void listsTheModelsAndVerifiersOfAStudy() throws IOException {
    Path study = Files.writeString(directory.resolve("study.yaml"), CommandLineKit.TOY_STUDY);
    CommandLineKit.Ended ended = CommandLineKit.espalier("weights", study.toString());
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.out()).contains("model ", "search verifier: ");
  }

  @Test
  void tellsWhatIsMissingAndTheLineThatGetsIt() throws IOException {
    Path cache = Files.createDirectory(directory.resolve("hub"));
    System.setProperty(HubCache.PROPERTY, cache.toString());
    try {
      CommandLineKit.Ended ended =
          CommandLineKit.espalier(
              "weights",
              "{id: infinity, weights: 'hf:FoundationVision/Infinity/infinity_2b_reg.pth'}");
      assertThat(ended.code()).isEqualTo(ExitCode.USER_ERROR.code());
      assertThat(ended.out())
          .contains(
              "missing  [CONFIG] ",
              "is not in the cache of the hub (" + cache,
              "get      espalier weights get hf:FoundationVision/Infinity/infinity_2b_reg.pth",
              "get      espalier weights get hf:FoundationVision/Infinity/infinity_vae_d32reg.pth",
              "get      espalier weights get hf:google/flan-t5-xl");
      ended =
          CommandLineKit.espalier("weights", "{id: clip, weights: openai/clip-vit-large-patch14}");
      assertThat(ended.code()).isEqualTo(ExitCode.USER_ERROR.code());
      assertThat(ended.out()).contains("espalier weights get hf:openai/clip-vit-large-patch14");
    } finally {
      System.clearProperty(HubCache.PROPERTY);
    }
  }

  @Test
  void refusesWhatNamesNothing() {
    CommandLineKit.Ended ended = CommandLineKit.espalier("weights");
    assertThat(ended.code()).isEqualTo(ExitCode.USER_ERROR.code());
    assertThat(ended.err()).contains("needs a study or a model", "weights get hf:ORG/NAME");
    ended = CommandLineKit.espalier("weights", "get", "{id: clip, weights: nano}");
    assertThat(ended.code()).isEqualTo(ExitCode.USER_ERROR.code());
    assertThat(ended.err()).contains("Nothing of", "lies on the hub");
    ended = CommandLineKit.espalier("weights", "get", "hf:../x");
    assertThat(ended.err()).contains("has not the form hf:ORG/NAME");
  }
}
