package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.LongStream;
import org.espalier.torch.ClipTextConfig;
import org.espalier.torch.Gemma2Config;
import org.espalier.torch.Qwen3Config;
import org.espalier.torch.T5Config;
import org.junit.jupiter.api.Test;

/** The weights on a device in bfloat16, as docs/checkpoints.md states them, in GB. */
class PublishedSizesTest {
  private static double gigabytes(long... parameters) {
    return LongStream.of(parameters).sum() * 2e-9;
  }

  private static void assertAbout(double actual, double stated) {
    assertThat(actual).isBetween(stated - 0.5, stated + 0.5);
  }

  @Test
  void fluxTwo() {
    long image = KlArchitecture.published(32, KlArchitecture.Scale.FLUX2).spec().parameters();
    long small = Qwen3Config.QWEN3_4B.weights(List.of(9, 18, 27)).parameters();
    long large = Qwen3Config.QWEN3_8B.weights(List.of(9, 18, 27)).parameters();
    assertAbout(gigabytes(FluxArchitecture.KLEIN_4B.spec().parameters(), small, image), 14);
    assertAbout(gigabytes(FluxArchitecture.KLEIN_9B.spec().parameters(), large, image), 30);
  }

  @Test
  void zImage() {
    long image = KlArchitecture.published(16, KlArchitecture.Scale.FLUX).spec().parameters();
    long text = Qwen3Config.QWEN3_4B.weights(List.of(35)).parameters();
    assertAbout(gigabytes(ZImageArchitecture.PUBLISHED.spec().parameters(), text, image), 20);
  }

  @Test
  void stableDiffusion() {
    long image = KlArchitecture.published(16, KlArchitecture.Scale.SD3).spec().parameters();
    long text =
        new ClipTextConfig(49408, 768, 3072, 12, 12, 77, 1e-5, true, 2)
                .projectedWeights(768)
                .parameters()
            + new ClipTextConfig(49408, 1280, 5120, 32, 20, 77, 1e-5, false, 2)
                .projectedWeights(1280)
                .parameters()
            + new T5Config(32128, 4096, 64, 10240, 24, 64, 32, 128, 1e-6, true, "gelu_new", 0)
                .weights()
                .parameters();
    assertAbout(gigabytes(Sd3Architecture.MEDIUM.spec().parameters(), text, image), 16);
    assertAbout(gigabytes(Sd3Architecture.LARGE.spec().parameters(), text, image), 28);
  }

  @Test
  void sana() {
    long image = DcArchitecture.PUBLISHED.spec().parameters();
    long text =
        new Gemma2Config(256000, 2304, 9216, 26, 8, 4, 256, 1e-6, 1e4, 256, 50, 4096)
            .weights()
            .parameters();
    assertAbout(gigabytes(SanaArchitecture.SMALL.spec().parameters(), text, image), 9);
    assertAbout(gigabytes(SanaArchitecture.LARGE.spec().parameters(), text, image), 15);
  }
}
