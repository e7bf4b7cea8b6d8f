package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierLoader;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.TorchTensor;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each provider's check finds what its load would, and loads nothing. */
@SuppressWarnings("NullAway.Init")
class CheckpointChecksTest {
  @TempDir Path base;

  @BeforeEach
  void layOut() throws IOException {
    TinyCheckpoints.clip(base.resolve("clip"));
    TinyCheckpoints.imageReward(base.resolve("reward"));
    TinyCheckpoints.llava(base.resolve("llava"));
  }

  private <C extends Record> void foundBeforeLoading(
      VerifierProvider<C> provider, C config, String weights) throws IOException {
    LoadContext context = TinyCheckpoints.context(base);
    long live = TorchTensor.liveBytes();
    provider.check(config, context);

    Path file = base.resolve(weights);
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(whole, whole.length - 1));
    refused(provider, config, context, "truncated", weights);

    // Another shape of the same size: only the header tells.
    String text = new String(whole, StandardCharsets.ISO_8859_1);
    Matcher matrix =
        Pattern.compile("(?<=\"F32\",)\"shape\":\\s*\\[(\\d+),(\\s*)(?!\\1\\])(\\d+)\\]")
            .matcher(text);
    assertThat(matrix.find()).isTrue();
    String turned = "\"shape\":[" + matrix.group(3) + "," + matrix.group(1) + "]";
    String padded = turned + " ".repeat(matrix.group().length() - turned.length());
    String other = text.substring(0, matrix.start()) + padded + text.substring(matrix.end());
    Files.write(file, other.getBytes(StandardCharsets.ISO_8859_1));
    refused(provider, config, context, "shape");

    Files.write(file, whole);
    provider.check(config, context);
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  private static <C extends Record> void refused(
      VerifierProvider<C> provider, C config, LoadContext context, String... parts) {
    List<ThrowingCallable> both =
        List.of(
            () -> provider.check(config, context), () -> provider.load(config, context).close());
    for (ThrowingCallable call : both) {
      assertThatThrownBy(call)
          .isInstanceOf(EspalierException.class)
          .hasMessageStartingWith("[CONFIG] ")
          .hasMessageContaining("\nMaybe ")
          .hasMessageContainingAll(parts);
    }
  }

  @Test
  void clip() throws IOException {
    foundBeforeLoading(new ClipProvider(), new ClipConfig("clip"), "clip/model.safetensors");
  }

  @Test
  void imageReward() throws IOException {
    foundBeforeLoading(
        new ImageRewardProvider(), ImageRewardConfig.of("reward"), "reward/model.safetensors");
  }

  @Test
  void llava() throws IOException {
    foundBeforeLoading(
        new LlavaOnevisionProvider(),
        new LlavaOnevisionConfig("llava", "w1 {prompt} w2", null, null),
        "llava/model.safetensors");
  }

  @Test
  void aMissingTokenizer() throws IOException {
    Files.delete(base.resolve("clip/tokenizer.json"));
    refused(
        new ClipProvider(),
        new ClipConfig("clip"),
        TinyCheckpoints.context(base),
        "tokenizer.json",
        "does not exist");
  }

  @Test
  void membersOfAnEnsemble() {
    EnsembleConfig config =
        new EnsembleConfig(
            List.of(
                VerifierChecks.member(Map.of("id", "clip", "name", "one", "weights", "nowhere"))),
            null,
            "c.json");
    VerifierLoader members =
        new VerifierLoader() {
          @Override
          public Verifier load(Map<String, Object> spec) {
            throw new AssertionError("a check loads nothing");
          }

          @Override
          public void check(Map<String, Object> spec) {
            assertThat(spec).containsOnlyKeys("id", "weights");
            new ClipProvider()
                .check(new ClipConfig((String) spec.get("weights")), TinyCheckpoints.context(base));
          }
        };
    LoadContext context = new LoadContext("cpu", base, members);
    assertThatThrownBy(() -> new EnsembleProvider().check(config, context))
        .hasMessageContaining("(c.json)");
    TinyCheckpoints.write(
        base, "c.json", "{\"schema\": \"espalier-calibration-1\", \"members\": {}}");
    assertThatThrownBy(() -> new EnsembleProvider().check(config, context))
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("(nowhere)");
  }
}
