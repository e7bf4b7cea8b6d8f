package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.WeightSource;
import org.espalier.verifiers.TilePlan.Canvas;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.api.Test;

class TilePlanTest {
  /** The canvases of the published checkpoints: 1 to 6 by 1 to 6 tiles of 384 pixels. */
  private static List<Canvas> published() {
    List<Canvas> canvases = new ArrayList<>();
    for (int rows = 1; rows <= 6; rows++) {
      for (int columns = 1; columns <= 6; columns++) {
        canvases.add(new Canvas(384 * rows, 384 * columns));
      }
    }
    return canvases;
  }

  private static TilePlan plan(int width, int height) {
    return TilePlan.of(width, height, published(), 384, 27, 9);
  }

  @Test
  void takesTheCanvasThatKeepsMostPixels() {
    // 1024 x 1024 fits into 3 x 3 tiles (1152 pixels) without loss.
    assertThat(plan(1024, 1024)).isEqualTo(new TilePlan(1152, 1152, 3, 3, 27, 0, 0, 81, 81, 0, 0));
    assertThat(plan(1024, 1024).imageTokens()).isEqualTo(27 * 27 + 81 * 82);
    assertThat(plan(384, 384).tiles()).isEqualTo(2);
    assertThat(plan(64, 64)).isEqualTo(plan(384, 384));
  }

  @Test
  void leavesThePaddingOut() {
    // 640 x 480 on 2 x 2 tiles: 54 x 54 patches of which 480 * 54 / 640 = 40.5 -> 40 rows are
    // image.
    TilePlan wide = plan(640, 480);
    assertThat(wide.rows()).isEqualTo(2);
    assertThat(wide.columns()).isEqualTo(2);
    assertThat(wide.top()).isEqualTo(7);
    assertThat(wide.left()).isZero();
    assertThat(wide.patchRows()).isEqualTo(40);
    assertThat(wide.patchColumns()).isEqualTo(54);
    assertThat(wide.imageTokens()).isEqualTo(27 * 27 + 40 * 55);

    TilePlan high = plan(480, 640);
    assertThat(high.left()).isEqualTo(7);
    assertThat(high.patchRows()).isEqualTo(54);
    assertThat(high.patchColumns()).isEqualTo(40);
  }

  @Test
  void shrinksWhatHasTooManyPatches() {
    // 6 x 6 tiles are 162 x 162 patches; nine tiles' worth is 81 x 81, so the ratio is 2.
    TilePlan large = plan(2304, 2304);
    assertThat(large.rows()).isEqualTo(6);
    assertThat(large.shrunkRows()).isEqualTo(81);
    assertThat(large.shrunkColumns()).isEqualTo(81);
    assertThat(large.imageTokens()).isEqualTo(27 * 27 + 81 * 82);
  }

  @Test
  void patchesArePutTogetherInTheImagesOrder() {
    ParityCase parity = TinyCheckpoints.parity("llava-onevision-tiny-a");
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = parity.weights("weights").renamed(LlavaArchitecture::canonical)) {
      LlavaArchitecture architecture =
          LlavaArchitecture.of(
              ModelJson.parse(TinyCheckpoints.metadata(golden, "config")), weights);
      // 56 x 28 pixels of 14 on 1 x 2 tiles of 28; every patch is marked with its number.
      TilePlan plan = architecture.plan(56, 28);
      assertThat(plan).isEqualTo(new TilePlan(56, 28, 1, 2, 2, 0, 0, 2, 4, 0, 0));
      int width = architecture.decoder().width();
      float[] features = new float[3 * 4 * width];
      for (int i = 0; i < features.length; i++) {
        features[i] = i / width;
      }
      float newline = weights.floats("model.image_newline")[0];
      try (LlavaNetwork network = LlavaNetwork.load(architecture, weights, Device.cpu())) {
        float[] packed = network.pack(features, plan, width);
        float[] first = new float[packed.length / width];
        for (int i = 0; i < first.length; i++) {
          first[i] = packed[i * width];
        }
        // The whole image; then each row of patches across both tiles, and a newline.
        assertThat(first).containsExactly(0, 1, 2, 3, 4, 5, 8, 9, newline, 6, 7, 10, 11, newline);

        // The same two tiles as if the first and the last column of patches were padding.
        TilePlan cropped = new TilePlan(56, 28, 1, 2, 2, 0, 1, 2, 2, 0, 0);
        float[] inner = network.pack(features, cropped, width);
        assertThat(inner[4 * width]).isEqualTo(5);
        assertThat(inner[5 * width]).isEqualTo(8);
        assertThat(inner[6 * width]).isEqualTo(newline);
        assertThat(inner).hasSize(cropped.imageTokens() * width);

        // Shrunk from 2 x 4 to 1 x 2 patches: means of neighbours.
        TilePlan shrunk = new TilePlan(56, 28, 1, 2, 2, 0, 0, 2, 4, 1, 2);
        float[] small = network.pack(features, shrunk, width);
        assertThat(small[4 * width]).isEqualTo((4 + 5 + 6 + 7) / 4f);
        assertThat(small[5 * width]).isEqualTo((8 + 9 + 10 + 11) / 4f);
        assertThat(small).hasSize(shrunk.imageTokens() * width);
      }
    }
  }
}
