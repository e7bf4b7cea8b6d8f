package org.espalier.verifiers;

import com.fasterxml.jackson.databind.node.MissingNode;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.AbstractSet;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.Verifier;
import org.espalier.torch.ClipTextConfig;
import org.espalier.torch.Device;
import org.espalier.torch.TensorInfo;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Processor time of judging one image of 512 x 512 pixels with networks of published sizes and
 * random weights: the figures of docs/verifiers.md. No test: run it by name, {@code ./mvnw -q
 * -Dfast -pl verifiers -am test -Dtest=FullSizeCosts -Dsurefire.failIfNoSpecifiedTests=false}.
 */
@SuppressWarnings("NullAway.Init")
class FullSizeCosts {
  @TempDir Path directory;

  /** Weights that have every key: by them a specification is made before there are any. */
  private static final class AllNames implements WeightSource {
    @Override
    public Path location() {
      return Path.of("random");
    }

    @Override
    public List<Path> files() {
      return List.of();
    }

    @Override
    public Set<String> names() {
      return new AbstractSet<>() {
        @Override
        public boolean contains(Object name) {
          return !List.of("visual_projection", "text_projection").contains(name);
        }

        @Override
        public Iterator<String> iterator() {
          return Collections.emptyIterator();
        }

        @Override
        public int size() {
          return 0;
        }
      };
    }

    @Override
    public TensorInfo info(String name) {
      throw new UnsupportedOperationException();
    }

    @Override
    public ByteBuffer slice(String name, long byteOffset, int byteCount) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
  }

  private PixelVerifier.Parts parts(ImageTransform transform, int vocabulary) {
    Path file = directory.resolve(vocabulary + "");
    TinyCheckpoints.write(
        file,
        "tokenizer.json",
        TinyCheckpoints.tokenizer(
            vocabulary, Map.of("<s>", vocabulary - 2, "</s>", vocabulary - 1), "<s>", "</s>"));
    return new PixelVerifier.Parts(
        transform,
        TextTokenizer.open(file.resolve("tokenizer.json"), 64),
        Device.cpu(),
        "",
        Provenance.of(MissingNode.getInstance(), "", Set.of(), Set.of()));
  }

  private static WeightSource random(Function<WeightSource, WeightSpec> spec) {
    return WeightSource.random(spec.apply(new AllNames()));
  }

  private void clip(String name, ClipArchitecture sizes) {
    ImageTransform transform =
        ImageTransform.clip(sizes.imageSize(), ImageTransform.CropRounding.DOWN);
    try (Verifier verifier =
        new ClipVerifier(
            ClipScore.CLIP,
            ClipNetwork.load(sizes, random(sizes::spec), Device.cpu()),
            sizes,
            parts(transform, sizes.text().vocabSize()))) {
      measure(name, verifier);
    }
  }

  private static void measure(String name, Verifier verifier) {
    String prompt = "w3 ".repeat(18).strip();
    Judgement judgement =
        VerifierChecks.judgement(0, prompt, Artifact.of(Pictures.noise(512, 512, 1)));
    long best = Long.MAX_VALUE;
    for (int i = 0; i < 5; i++) {
      long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
      VerifierChecks.scored(verifier.verify(List.of(judgement)).get(0));
      best = Math.min(best, ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start);
    }
    System.out.printf(
        "%s: %d ms of processor time, %.1f GFLOP%n",
        name,
        best / 1_000_000,
        verifier.quote(judgement.prompt(), 512, 512, 1).verifierFlops() / 1e9);
  }

  @Test
  void costs() {
    clip(
        "CLIP ViT-B/32",
        new ClipArchitecture(
            new Tower(12, 12, 768, 3072, 1e-5, "quick_gelu"),
            new ClipTextConfig(49408, 512, 2048, 12, 8, 77, 1e-5, true, 49407),
            224,
            32,
            512));
    clip(
        "CLIP ViT-L/14",
        new ClipArchitecture(
            new Tower(24, 16, 1024, 4096, 1e-5, "quick_gelu"),
            new ClipTextConfig(49408, 768, 3072, 12, 12, 77, 1e-5, true, 49407),
            224,
            14,
            768));
    clip(
        "PickScore, HPSv2 (ViT-H/14)",
        new ClipArchitecture(
            new Tower(32, 16, 1280, 5120, 1e-5, "gelu"),
            new ClipTextConfig(49408, 1024, 4096, 24, 16, 77, 1e-5, false, 49407),
            224,
            14,
            1024));
    SiglipArchitecture siglip =
        new SiglipArchitecture(
            new Tower(27, 16, 1152, 4304, 1e-6, "gelu_pytorch_tanh"),
            new Tower(27, 16, 1152, 4304, 1e-6, "gelu_pytorch_tanh"),
            384,
            14,
            32000,
            64,
            1,
            1152);
    try (Verifier verifier =
        new ClipVerifier(
            ClipScore.SIGLIP,
            ClipNetwork.load(siglip, random(siglip::spec), Device.cpu()),
            siglip,
            parts(ImageTransform.siglip(directory, 384), 32000))) {
      measure("SigLIP so400m/14-384", verifier);
    }
    ImageRewardArchitecture reward =
        new ImageRewardArchitecture(
            new Tower(24, 16, 1024, 4096, 1e-6, "gelu"),
            new Tower(12, 12, 768, 3072, 1e-12, "gelu"),
            new ScoreHead(List.of(768, 1024, 128, 64, 16, 1)),
            224,
            16,
            30524,
            512,
            0,
            1);
    try (Verifier verifier =
        new ImageRewardVerifier(
            ImageRewardNetwork.load(reward, random(reward::spec), Device.cpu()),
            reward,
            35,
            parts(ImageTransform.clip(224, ImageTransform.CropRounding.HALF_EVEN), 30524))) {
      measure("ImageReward", verifier);
    }
  }
}
