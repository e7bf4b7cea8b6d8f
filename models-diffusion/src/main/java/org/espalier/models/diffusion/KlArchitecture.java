package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The sizes of an autoencoder of latent diffusion, read from the shapes of its weights.
 *
 * @param latentChannels channels of the latent
 * @param imageChannels channels of the image
 * @param levels channels at each resolution, the finest first
 * @param blocks residual blocks a level in the encoder; the decoder has one more
 * @param encoder whether the encoder is read; decoding does not need it
 * @param groups of the norms
 * @param postQuantConv whether a convolution comes before the decoder
 * @param scale of a model's latents
 */
record KlArchitecture(
    int latentChannels,
    int imageChannels,
    List<Integer> levels,
    int blocks,
    boolean encoder,
    int groups,
    boolean postQuantConv,
    Scale scale) {

  /** Latent pixels a side that make one token. */
  static final int PATCH = 2;

  /**
   * How a model's latents differ from those of the autoencoder: {@code (latent - shift) * factor},
   * or, where there are statistics, normalised channel by channel of packed latents by the mean and
   * variance among the weights.
   *
   * @param factor 0.3611 in FLUX.1
   * @param shift 0.1159 in FLUX.1
   * @param statisticsEps added to variances; 0 where there are no statistics
   */
  record Scale(double factor, double shift, double statisticsEps) {
    Scale {
      if (!(factor > 0)
          || !Double.isFinite(factor)
          || !Double.isFinite(shift)
          || !(statisticsEps >= 0)) {
        throw EspalierException.config(
            "The autoencoder's scale_factor (%s) must be positive and its shift_factor (%s) finite."
                .formatted(factor, shift),
            "Maybe correct them in config.json; FLUX.1 has 0.3611 and 0.1159.");
      }
    }

    static final Scale FLUX = of(0.3611, 0.1159);
    static final Scale FLUX2 = new Scale(1, 0, 1e-4);
    static final Scale SD3 = of(1.5305, 0.0609);

    static Scale of(double factor, double shift) {
      return new Scale(factor, shift, 0);
    }

    /**
     * The scale that a diffusers or own configuration states.
     *
     * @param config of the autoencoder; may be missing
     * @param usual where it states none
     */
    static Scale of(JsonNode config, Scale usual) {
      // The diffusers name of the scale is scaling_factor.
      return new Scale(
          config
              .path("scale_factor")
              .asDouble(config.path("scaling_factor").asDouble(usual.factor)),
          config.path("shift_factor").asDouble(usual.shift),
          config.path("batch_norm_eps").asDouble(usual.statisticsEps));
    }

    boolean statistics() {
      return statisticsEps > 0;
    }
  }

  KlArchitecture {
    levels = List.copyOf(levels);
    for (int channels : levels) {
      if (groups < 1 || channels % groups != 0) {
        throw EspalierException.config(
            "The autoencoder's channels %s are not multiples of the %d norm groups."
                .formatted(levels, groups),
            "Maybe the file is not an autoencoder of latent diffusion.");
      }
    }
  }

  /**
   * The published decoder of this form.
   *
   * @param latentChannels 16 in FLUX.1, SD3 and Z-Image, 32 in FLUX.2
   * @param scale of latents
   */
  static KlArchitecture published(int latentChannels, Scale scale) {
    return new KlArchitecture(
        latentChannels, 3, List.of(128, 256, 512, 512), 2, false, 32, scale.statistics(), scale);
  }

  /**
   * Reads the sizes from the weights' shapes.
   *
   * @param weights in Black Forest Labs' keys
   * @param config of the autoencoder, diffusers' or one's own: the scale of latents, {@code
   *     norm_num_groups} where it is not 32; may be missing
   * @param usual scale of latents where the configuration states none
   */
  static KlArchitecture of(WeightSource weights, JsonNode config, Scale usual) {
    Scale scale = Scale.of(config, usual);
    List<Integer> levels = new ArrayList<>();
    while (weights.names().contains("decoder.up." + levels.size() + ".block.0.conv1.weight")) {
      levels.add(weights.info("decoder.up." + levels.size() + ".block.0.conv1.weight").size(0));
    }
    if (levels.isEmpty()) {
      throw EspalierException.config(
          "The weights " + weights.location() + " have no decoder levels (decoder.up.0...).",
          "Maybe the file is not an autoencoder of latent diffusion.");
    }
    int decoderBlocks = 0;
    while (weights.names().contains("decoder.up.0.block." + decoderBlocks + ".conv1.weight")) {
      decoderBlocks++;
    }
    return new KlArchitecture(
        weights.info("decoder.conv_in.weight").size(1),
        weights.info("decoder.conv_out.weight").size(0),
        levels,
        decoderBlocks - 1,
        weights.names().contains("encoder.conv_in.weight") && !scale.statistics(),
        config.path("norm_num_groups").asInt(32),
        weights.names().contains("decoder.post_quant_conv.weight"),
        scale);
  }

  /**
   * Refuses a transformer of latents of other channels.
   *
   * @param channels that the transformer reads
   * @param transformer where it comes from, for messages
   * @param autoencoder where this comes from, for messages
   */
  void requireChannels(int channels, Object transformer, Object autoencoder) {
    if (channels != latentChannels) {
      throw EspalierException.config(
          "The transformer %s reads latents of %d channels, but the autoencoder %s has %d."
              .formatted(transformer, channels, autoencoder, latentChannels),
          "Maybe set autoencoder to the one that the transformer was trained with.");
    }
  }

  /** Pixels a side for each latent pixel. */
  int stride() {
    return 1 << (levels.size() - 1);
  }

  private int coarsest() {
    return levels.get(levels.size() - 1);
  }

  /** Keys and shapes of the weights; the encoder's are left out where they are absent. */
  WeightSpec spec() {
    WeightSpec.Builder spec = WeightSpec.builder();
    if (encoder) {
      spec.conv2d("encoder.conv_in", levels.get(0), imageChannels, 3);
      int in = levels.get(0);
      for (int i = 0; i < levels.size(); i++) {
        int out = levels.get(i);
        for (int j = 0; j < blocks; j++) {
          residual(spec, "encoder.down." + i + ".block." + j, in, out);
          in = out;
        }
        if (i < levels.size() - 1) {
          spec.conv2d("encoder.down." + i + ".downsample.conv", out, out, 3);
        }
      }
      middle(spec, "encoder.mid");
      spec.norm("encoder.norm_out", coarsest());
      spec.conv2d("encoder.conv_out", 2L * latentChannels, coarsest(), 3);
    } else {
      spec.ignore("encoder\\..*");
    }
    if (scale.statistics()) {
      long packed = (long) PATCH * PATCH * latentChannels;
      spec.fullPrecision("bn.running_mean", packed).fullPrecision("bn.running_var", packed);
      spec.ignore("bn\\.num_batches_tracked");
    }
    if (postQuantConv) {
      spec.conv2d("decoder.post_quant_conv", latentChannels, latentChannels, 1);
    }
    spec.conv2d("decoder.conv_in", coarsest(), latentChannels, 3);
    middle(spec, "decoder.mid");
    int in = coarsest();
    for (int i = levels.size() - 1; i >= 0; i--) {
      int out = levels.get(i);
      for (int j = 0; j <= blocks; j++) {
        residual(spec, "decoder.up." + i + ".block." + j, in, out);
        in = out;
      }
      if (i > 0) {
        spec.conv2d("decoder.up." + i + ".upsample.conv", out, out, 3);
      }
    }
    spec.norm("decoder.norm_out", levels.get(0));
    spec.conv2d("decoder.conv_out", imageChannels, levels.get(0), 3);
    return spec.build();
  }

  private static void residual(WeightSpec.Builder spec, String prefix, int in, int out) {
    spec.norm(prefix + ".norm1", in);
    spec.conv2d(prefix + ".conv1", out, in, 3);
    spec.norm(prefix + ".norm2", out);
    spec.conv2d(prefix + ".conv2", out, out, 3);
    if (in != out) {
      spec.conv2d(prefix + ".nin_shortcut", out, in, 1);
    }
  }

  private void middle(WeightSpec.Builder spec, String prefix) {
    int channels = coarsest();
    residual(spec, prefix + ".block_1", channels, channels);
    spec.norm(prefix + ".attn_1.norm", channels);
    for (String part : List.of("q", "k", "v", "proj_out")) {
      spec.conv2d(prefix + ".attn_1." + part, channels, channels, 1);
    }
    residual(spec, prefix + ".block_2", channels, channels);
  }

  /**
   * Floating-point operations of decoding one latent.
   *
   * @param rows of the latent
   * @param columns of the latent
   */
  long decodeFlops(long rows, long columns) {
    long h = rows;
    long w = columns;
    int in = coarsest();
    long flops = Flops.conv2d(h, w, latentChannels, in, 3) + middleFlops(h, w);
    if (postQuantConv) {
      flops += Flops.conv2d(h, w, latentChannels, latentChannels, 1);
    }
    for (int i = levels.size() - 1; i >= 0; i--) {
      int out = levels.get(i);
      for (int j = 0; j <= blocks; j++) {
        flops += residualFlops(h, w, in, out);
        in = out;
      }
      if (i > 0) {
        h *= 2;
        w *= 2;
        flops += Flops.conv2d(h, w, out, out, 3);
      }
    }
    return flops + Flops.conv2d(h, w, in, imageChannels, 3);
  }

  private static long residualFlops(long h, long w, int in, int out) {
    return Flops.conv2d(h, w, in, out, 3)
        + Flops.conv2d(h, w, out, out, 3)
        + (in == out ? 0 : Flops.conv2d(h, w, in, out, 1));
  }

  private long middleFlops(long h, long w) {
    int channels = coarsest();
    return 2 * residualFlops(h, w, channels, channels)
        + 4 * Flops.conv2d(h, w, channels, channels, 1)
        + Flops.attention(1, h * w, h * w, channels);
  }
}
