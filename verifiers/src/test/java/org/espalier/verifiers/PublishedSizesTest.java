package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.espalier.torch.ClipTextConfig;
import org.junit.jupiter.api.Test;

/**
 * What judging an image of 512 x 512 pixels costs with published checkpoints, by their sizes: the
 * figures of docs/verifiers.md, in GFLOP. The question has 40 tokens, a text 20.
 */
class PublishedSizesTest {
  private static final long QUESTION = 40;

  private static long judge(Decoder decoder, long image, long tower) {
    return (tower + decoder.flops(image + QUESTION, 0)) / 1_000_000_000;
  }

  @Test
  void clipOfThreeSizes() {
    ClipArchitecture base =
        new ClipArchitecture(
            new Tower(12, 12, 768, 3072, 1e-5, "quick_gelu"),
            new ClipTextConfig(49408, 512, 2048, 12, 8, 77, 1e-5, true, 49407),
            224,
            32,
            512);
    ClipArchitecture large =
        new ClipArchitecture(
            new Tower(24, 16, 1024, 4096, 1e-5, "quick_gelu"),
            new ClipTextConfig(49408, 768, 3072, 12, 12, 77, 1e-5, true, 49407),
            224,
            14,
            768);
    ClipArchitecture huge =
        new ClipArchitecture(
            new Tower(32, 16, 1280, 5120, 1e-5, "gelu"),
            new ClipTextConfig(49408, 1024, 4096, 24, 16, 77, 1e-5, false, 49407),
            224,
            14,
            1024);
    assertThat(List.of(base, large, huge))
        .extracting(c -> (c.imageFlops() + c.textFlops(20)) / 1_000_000_000)
        .containsExactly(10L, 165L, 346L);
  }

  @Test
  void qwenVl() {
    Decoder seven = new Decoder(3584, 28, 28, 4, 128, 18944, 1e-6, 1e6, 152064, 128000);
    QwenVlArchitecture.Vision second =
        new QwenVlArchitecture.Vision(
            QwenVlArchitecture.Generation.QWEN2_5,
            32,
            16,
            1280,
            3420,
            "silu",
            14,
            2,
            2,
            4,
            List.of(7, 15, 23, 31),
            0,
            List.of());
    PatchGrid grid = new PatchGrid(36, 36, 2, 4); // 504 x 504 pixels
    assertThat(grid.cells()).isEqualTo(324);
    assertThat(judge(seven, grid.cells(), second.flops(grid, 3584))).isEqualTo(6515);

    Decoder eight = new Decoder(4096, 36, 32, 8, 128, 12288, 1e-6, 5e6, 151936, 262144);
    QwenVlArchitecture.Vision third =
        new QwenVlArchitecture.Vision(
            QwenVlArchitecture.Generation.QWEN3,
            27,
            16,
            1152,
            4304,
            "gelu_pytorch_tanh",
            16,
            2,
            2,
            0,
            List.of(),
            48,
            List.of(8, 16, 24));
    PatchGrid whole = new PatchGrid(32, 32, 2, 0); // 512 x 512 pixels
    assertThat(whole.cells()).isEqualTo(256);
    assertThat(judge(eight, whole.cells(), third.flops(whole, 4096))).isEqualTo(5222);
  }

  @Test
  void llavaOnevision() {
    List<TilePlan.Canvas> canvases = new ArrayList<>();
    for (int rows = 1; rows <= 6; rows++) {
      for (int columns = 1; columns <= 6; columns++) {
        canvases.add(new TilePlan.Canvas(384 * rows, 384 * columns));
      }
    }
    LlavaArchitecture seven =
        new LlavaArchitecture(
            new Tower(26, 16, 1152, 4304, 1e-6, "gelu_pytorch_tanh"),
            26,
            384,
            14,
            "gelu",
            new Decoder(3584, 28, 28, 4, 128, 18944, 1e-6, 1e6, 152000, 32768),
            151646,
            Collections.unmodifiableList(canvases),
            9);
    TilePlan plan = seven.plan(512, 512);
    assertThat(List.of(plan.tiles(), plan.imageTokens())).containsExactly(5, 3699);
    assertThat(judge(seven.decoder(), plan.imageTokens(), seven.imageFlops(plan.tiles())))
        .isEqualTo(57741);
  }
}
