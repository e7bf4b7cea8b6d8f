package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The sizes of the decoder of a deep-compression autoencoder, read from the shapes of its weights.
 *
 * @param latentChannels channels of the latent
 * @param imageChannels channels of the image
 * @param levels resolutions, the finest first
 * @param headWidth width of an attention head
 * @param shuffled whether it is enlarged by moving channels to pixels, rather than by copying
 * @param scale by which the autoencoder's latents are multiplied to those of a model
 */
record DcArchitecture(
    int latentChannels,
    int imageChannels,
    List<Level> levels,
    int headWidth,
    boolean shuffled,
    double scale) {

  /**
   * One resolution.
   *
   * @param channels how many
   * @param blocks how many
   * @param attention whether blocks attend, rather than convolve
   * @param kernels of the attention's neighbourhoods
   */
  record Level(int channels, int blocks, boolean attention, List<Integer> kernels) {
    Level {
      kernels = List.copyOf(kernels);
    }
  }

  /** The one of SANA, 32 pixels a latent pixel, 32 channels. */
  static final DcArchitecture PUBLISHED =
      new DcArchitecture(
          32,
          3,
          List.of(
              new Level(128, 3, false, List.of()),
              new Level(256, 3, false, List.of()),
              new Level(512, 3, false, List.of()),
              new Level(512, 3, true, List.of(5)),
              new Level(1024, 3, true, List.of(5)),
              new Level(1024, 3, true, List.of(5))),
          32,
          false,
          0.41407);

  /** Channels behind the gate of a block's convolutions, in those outside. */
  private static final int EXPANSION = 4;

  DcArchitecture {
    levels = List.copyOf(levels);
    if (!(scale > 0)) {
      throw EspalierException.config(
          "The autoencoder's scaling_factor (" + scale + ") must be positive.",
          "Maybe correct it in config.json; SANA has 0.41407.");
    }
  }

  /**
   * Reads the sizes.
   *
   * @param weights in diffusers' keys
   * @param config the autoencoder's {@code config.json}; may be missing
   */
  static DcArchitecture of(WeightSource weights, JsonNode config) {
    int count = config.path("decoder_block_out_channels").size();
    if (count == 0) {
      while (!prefix(weights, count).isEmpty()) {
        count++;
      }
    }
    List<Level> levels = new ArrayList<>();
    boolean shuffled = false;
    for (int i = 0; i < count; i++) {
      String first = prefix(weights, i);
      if (first.isEmpty()) {
        throw EspalierException.config(
            "The weights %s have no blocks of level %d (decoder.up_blocks.%d)."
                .formatted(weights.location(), i, i),
            "Maybe the file is not a deep-compression autoencoder, or not complete.");
      }
      boolean attention = weights.names().contains(first + "attn.to_q.weight");
      int channels =
          weights.info(first + (attention ? "attn.to_q.weight" : "conv1.weight")).size(1);
      int from = i == count - 1 ? 0 : 1;
      int blocks = 0;
      String kind = attention ? ".attn.to_q.weight" : ".conv1.weight";
      while (weights.names().contains("decoder.up_blocks." + i + "." + (from + blocks) + kind)) {
        blocks++;
      }
      List<Integer> kernels = new ArrayList<>();
      String scales = first + "attn.to_qkv_multiscale.";
      while (weights.names().contains(scales + kernels.size() + ".proj_in.weight")) {
        kernels.add(weights.info(scales + kernels.size() + ".proj_in.weight").size(2));
      }
      if (from == 1) {
        shuffled |=
            weights.info("decoder.up_blocks." + i + ".0.conv.weight").size(0) == 4 * channels;
      }
      levels.add(new Level(channels, blocks, attention, kernels));
    }
    if (levels.isEmpty()) {
      throw EspalierException.config(
          "The weights " + weights.location() + " have no decoder levels (decoder.up_blocks.0...).",
          "Maybe the file is not a deep-compression autoencoder.");
    }
    return new DcArchitecture(
        weights.info("decoder.conv_in.weight").size(1),
        weights.info("decoder.conv_out.weight").size(0),
        levels,
        config.path("attention_head_dim").asInt(32),
        shuffled,
        config.path("scaling_factor").asDouble(PUBLISHED.scale));
  }

  /** Prefix of a level's first block, with the last dot; empty where there is none. */
  private static String prefix(WeightSource weights, int level) {
    for (int j = 0; j < 2; j++) {
      String p = "decoder.up_blocks." + level + "." + j + ".";
      if (weights.names().contains(p + "conv1.weight")
          || weights.names().contains(p + "attn.to_q.weight")) {
        return p;
      }
    }
    return "";
  }

  /** Pixels a side for each latent pixel. */
  int stride() {
    return 1 << (levels.size() - 1);
  }

  /** Blocks of the largest level, what enlarges it included. */
  int mostBlocks() {
    return 1 + levels.stream().mapToInt(Level::blocks).max().orElse(0);
  }

  private Level coarsest() {
    return levels.get(levels.size() - 1);
  }

  /** Keys and shapes of the weights; the encoder's may be there. */
  WeightSpec spec() {
    WeightSpec.Builder spec = WeightSpec.builder().ignore("encoder\\..*");
    spec.conv2d("decoder.conv_in", coarsest().channels, latentChannels, 3);
    for (int i = levels.size() - 1; i >= 0; i--) {
      Level level = levels.get(i);
      String p = "decoder.up_blocks." + i + ".";
      int from = 0;
      if (i < levels.size() - 1) {
        long out = (shuffled ? 4L : 1L) * level.channels;
        spec.conv2d(p + "0.conv", out, levels.get(i + 1).channels, 3);
        from = 1;
      }
      for (int j = from; j < from + level.blocks; j++) {
        if (level.attention) {
          attention(spec, p + j, level);
        } else {
          spec.conv2d(p + j + ".conv1", level.channels, level.channels, 3)
              .key(p + j + ".conv2.weight", level.channels, level.channels, 3, 3)
              .norm(p + j + ".norm", level.channels);
        }
      }
    }
    return spec.norm("decoder.norm_out", levels.get(0).channels)
        .conv2d("decoder.conv_out", imageChannels, levels.get(0).channels, 3)
        .build();
  }

  private void attention(WeightSpec.Builder spec, String p, Level level) {
    long c = level.channels;
    for (String part : List.of("to_q", "to_k", "to_v")) {
      spec.key(p + ".attn." + part + ".weight", c, c);
    }
    for (int s = 0; s < level.kernels.size(); s++) {
      long kernel = level.kernels.get(s);
      String scale = p + ".attn.to_qkv_multiscale." + s;
      spec.key(scale + ".proj_in.weight", 3 * c, 1, kernel, kernel)
          .key(scale + ".proj_out.weight", 3 * c, headWidth, 1, 1);
    }
    spec.key(p + ".attn.to_out.weight", c, c * (1 + level.kernels.size()))
        .norm(p + ".attn.norm_out", c);
    SanaArchitecture.gatedConvolutions(spec, p + ".conv_out", c, EXPANSION * c);
    spec.norm(p + ".conv_out.norm", c);
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
    long flops = Flops.conv2d(h, w, latentChannels, coarsest().channels, 3);
    for (int i = levels.size() - 1; i >= 0; i--) {
      Level level = levels.get(i);
      if (i < levels.size() - 1) {
        long in = levels.get(i + 1).channels;
        flops +=
            shuffled
                ? Flops.conv2d(h, w, in, 4L * level.channels, 3)
                : Flops.conv2d(2 * h, 2 * w, in, level.channels, 3);
        h *= 2;
        w *= 2;
      }
      flops +=
          level.blocks
              * (level.attention
                  ? attentionFlops(h * w, level)
                  : 2 * Flops.conv2d(h, w, level.channels, level.channels, 3));
    }
    return flops + Flops.conv2d(h, w, levels.get(0).channels, imageChannels, 3);
  }

  private long attentionFlops(long pixels, Level level) {
    long c = level.channels;
    long flops = Flops.linear(pixels, c, 3 * c);
    for (long kernel : level.kernels) {
      flops +=
          Flops.linear(pixels, kernel * kernel, 3 * c) + Flops.linear(pixels, headWidth, 3 * c);
    }
    long scales = 1 + level.kernels.size();
    long heads = scales * (c / headWidth);
    flops +=
        pixels > headWidth
            ? SanaArchitecture.linearAttentionFlops(heads, pixels, headWidth)
            : Flops.attention(heads, pixels, pixels, headWidth);
    return flops
        + Flops.linear(pixels, scales * c, c)
        + SanaArchitecture.gatedConvolutionFlops(pixels, c, EXPANSION * c);
  }
}
