package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.espalier.api.EspalierException;
import org.espalier.models.diffusion.TinyFlux.Array;
import org.espalier.spi.RgbImage;
import org.espalier.torch.Device;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.WeightSource;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@NullUnmarked
class KlAutoencoderTest {
  @TempDir Path directory;

  private KlAutoencoder load(Map<String, Array> tensors) {
    Path file = directory.resolve("ae.safetensors");
    TinyFlux.write(file, tensors);
    try (WeightSource weights = new SafetensorsFile(file)) {
      return new KlAutoencoder(
          KlArchitecture.of(weights, MissingNode.getInstance(), KlArchitecture.Scale.FLUX),
          true,
          weights,
          Device.cpu());
    }
  }

  /**
   * Weights in which nothing but the paths that can be followed by hand has an effect: one level,
   * residual blocks and attention switched off, the final norm replaced by its bias.
   */
  private static Map<String, Array> traceable() {
    int channels = 32;
    Map<String, Array> tensors = new LinkedHashMap<>();
    for (String half : List.of("encoder", "decoder")) {
      boolean encoder = half.equals("encoder");
      conv(tensors, half + ".conv_in", channels, encoder ? 3 : 4, 3);
      for (String block : List.of("block_1", "block_2")) {
        residual(tensors, half + ".mid." + block, channels);
      }
      norm(tensors, half + ".mid.attn_1.norm", channels);
      for (String part : List.of("q", "k", "v", "proj_out")) {
        conv(tensors, half + ".mid.attn_1." + part, channels, channels, 1);
      }
      String level = encoder ? "encoder.down.0.block." : "decoder.up.0.block.";
      for (int i = 0; i < (encoder ? 1 : 2); i++) {
        residual(tensors, level + i, channels);
      }
      norm(tensors, half + ".norm_out", channels);
      conv(tensors, half + ".conv_out", encoder ? 8 : 3, channels, 3);
    }
    return tensors;
  }

  private static void residual(Map<String, Array> tensors, String prefix, int channels) {
    norm(tensors, prefix + ".norm1", channels);
    conv(tensors, prefix + ".conv1", channels, channels, 3);
    norm(tensors, prefix + ".norm2", channels);
    conv(tensors, prefix + ".conv2", channels, channels, 3);
  }

  private static void norm(Map<String, Array> tensors, String prefix, int channels) {
    tensors.put(prefix + ".weight", Array.of(new float[channels], channels));
    tensors.put(prefix + ".bias", Array.of(new float[channels], channels));
  }

  private static void conv(Map<String, Array> tensors, String prefix, int out, int in, int kernel) {
    tensors.put(
        prefix + ".weight",
        Array.of(new float[out * in * kernel * kernel], out, in, kernel, kernel));
    tensors.put(prefix + ".bias", Array.of(new float[out], out));
  }

  @Test
  void theLatentIsTheShiftedAndScaledMean() {
    Map<String, Array> tensors = traceable();
    // conv_out's bias alone decides: means 1, 2, 3, 4; log-variances are cut off.
    System.arraycopy(
        new float[] {1, 2, 3, 4, 9, 9, 9, 9},
        0,
        tensors.get("encoder.conv_out.bias").values(),
        0,
        8);
    try (KlAutoencoder autoencoder = load(tensors)) {
      float[] latent = autoencoder.encode(new RgbImage(4, 2, new byte[24]));
      assertThat(latent).hasSize(2 * 16);
      for (int token = 0; token < 2; token++) {
        for (int i = 0; i < 16; i++) {
          float mean = 1 + i / 4;
          assertThat(latent[token * 16 + i])
              .isCloseTo((float) ((mean - 0.1159) * 0.3611), within(1e-5f));
        }
      }
    }
  }

  @Test
  void pixelsAreClampedAndRounded() {
    Map<String, Array> tensors = traceable();
    System.arraycopy(
        new float[] {-2, 0.5f, 2}, 0, tensors.get("decoder.conv_out.bias").values(), 0, 3);
    try (KlAutoencoder autoencoder = load(tensors)) {
      RgbImage image = autoencoder.decode(List.of(new float[16]), 1, 1).get(0);
      assertThat(image.width()).isEqualTo(2);
      assertThat(image.height()).isEqualTo(2);
      assertThat(image.at(1, 0, 0)).isZero();
      assertThat(image.at(1, 0, 1)).isEqualTo(191); // 1.5 * 127.5 = 191.25
      assertThat(image.at(1, 0, 2)).isEqualTo(255);
    }
  }

  @Test
  void encodingSeesImagesTheRightWayRoundAndPacksPatchesRowByRow() {
    Map<String, Array> tensors = traceable();
    // Channel 0 of conv_in takes red, conv_out's norm is off: give the mean its own path through
    // the group norm by switching weights on for the first channel alone.
    tensors.get("encoder.conv_in.weight").values()[4] = 1; // centre of the kernel (0, red)
    tensors.get("encoder.norm_out.weight").values()[0] = 1;
    tensors.get("encoder.norm_out.bias").values()[0] = 20; // where silu is nearly linear
    tensors.get("encoder.conv_out.weight").values()[4] = 1;
    byte[] rgb = new byte[4 * 4 * 3];
    for (int i = 0; i < 16; i++) {
      rgb[3 * i] = (byte) (i * 16);
    }
    try (KlAutoencoder autoencoder = load(tensors)) {
      float[] latent = autoencoder.encode(new RgbImage(4, 4, rgb));
      // Token (0, 1) holds the pixels (row, column) (0, 2), (0, 3), (1, 2), (1, 3): 2, 3, 6, 7.
      int[] order = {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};
      double step = latent[1] - latent[0];
      assertThat(step).isPositive();
      for (int i = 0; i < 16; i++) {
        double expected = latent[0] + order[i] * step;
        assertThat((double) latent[(i / 4) * 16 + i % 4]).isCloseTo(expected, within(1e-3));
      }
    }
  }

  @Test
  void batchesAreDecodedAsAlone() {
    Random random = new Random(3);
    float[] a = new float[64 * 4];
    float[] b = new float[64 * 4];
    for (int i = 0; i < a.length; i++) {
      a[i] = (float) random.nextGaussian();
      b[i] = (float) random.nextGaussian();
    }
    try (KlAutoencoder autoencoder = load(TinyFlux.parity("ae"))) {
      List<RgbImage> both = autoencoder.decode(List.of(a, b), 2, 2);
      assertThat(both.get(0).rgb()).isEqualTo(autoencoder.decode(List.of(a), 2, 2).get(0).rgb());
      assertThat(both.get(1).rgb()).isEqualTo(autoencoder.decode(List.of(b), 2, 2).get(0).rgb());
      assertThat(Arrays.equals(both.get(0).rgb(), both.get(1).rgb())).isFalse();
      assertThat(autoencoder.countedImages()).isEqualTo(4);
      assertThat(autoencoder.countedFlops()).isEqualTo(4 * autoencoder.flops(2, 2));
    }
  }

  @Test
  void refusesToEncodeWithoutEncoderOrOddSizes() {
    try (KlAutoencoder autoencoder = load(TinyFlux.parity("ae"))) {
      assertThatThrownBy(() -> autoencoder.encode(new RgbImage(16, 16, new byte[768])))
          .isInstanceOf(EspalierException.class)
          .hasMessageContaining("have no encoder");
      assertThatThrownBy(() -> autoencoder.encode(new RgbImage(8, 8, new byte[192])))
          .isInstanceOf(EspalierException.class)
          .hasMessageContaining("multiples of 16");
    }
  }
}
