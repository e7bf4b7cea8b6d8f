package org.espalier.models.var;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.TensorInfo;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The sizes of Infinity's visual tokenizer, read off the shapes of its weights.
 *
 * @param bits channels of the code
 * @param decoder channels of the decoder by level, level 0 being the one of full resolution
 * @param decoderBlocks residual blocks a level
 * @param upsampled whether a level ends with a doubling of the resolution
 * @param encoder channels of the encoder by level; empty where the encoder is not loaded
 * @param encoderBlocks residual blocks a level
 * @param downsampled whether a level ends with a halving of the resolution
 */
record BsqArchitecture(
    int bits,
    List<Integer> decoder,
    int decoderBlocks,
    List<Boolean> upsampled,
    List<Integer> encoder,
    int encoderBlocks,
    List<Boolean> downsampled) {

  /**
   * The sizes of the decoder that goes with a published transformer.
   *
   * @param size {@code 125m} and {@code 1b}: 16 bits, 16 pixels a side for each code; {@code 2b}:
   *     32 bits; or {@code 8b}: 14 bits, 8 pixels
   */
  static BsqArchitecture published(String size) {
    boolean fine = size.equals("8b");
    return new BsqArchitecture(
        fine ? 14 : size.equals("2b") ? 32 : 16,
        fine ? List.of(128, 256, 512, 512) : List.of(128, 256, 512, 512, 512),
        3,
        fine ? List.of(false, true, true, true) : List.of(false, true, true, true, true),
        List.of(),
        0,
        List.of());
  }

  /**
   * The weights without what they are wrapped in.
   *
   * @param source a checkpoint in a published layout
   */
  static WeightSource normalize(WeightSource source) {
    // The reference loads "vae", not the average "ema", where a file has both.
    return source.unwrapped(
        "decoder.conv_in.conv.weight", "Infinity's visual tokenizer", "vae.", "state_dict.vae.");
  }

  /**
   * Reads the sizes.
   *
   * @param source normalized weights
   * @param withEncoder whether the encoder is wanted
   */
  static BsqArchitecture of(WeightSource source, boolean withEncoder) {
    int levels = count(source, "decoder.up.", ".block.0.conv1.conv.weight");
    List<Integer> decoder = new ArrayList<>();
    List<Boolean> upsampled = new ArrayList<>();
    for (int i = 0; i < levels; i++) {
      decoder.add(out(source, "decoder.up." + i + ".block.0.conv1"));
      upsampled.add(source.names().contains("decoder.up." + i + ".upsample.conv.conv.weight"));
    }
    for (int channels : decoder) {
      if (channels % 32 != 0 && channels % 24 != 0) {
        throw EspalierException.config(
            "The tokenizer "
                + source.location()
                + " has a level of "
                + channels
                + " channels, which is no multiple of 32 or 24.",
            "Maybe the file is damaged.");
      }
    }
    List<Integer> encoder = new ArrayList<>();
    List<Boolean> downsampled = new ArrayList<>();
    if (withEncoder) {
      int down = count(source, "encoder.down.", ".block.0.conv1.conv.weight");
      for (int i = 0; i < down; i++) {
        encoder.add(out(source, "encoder.down." + i + ".block.0.conv1"));
        downsampled.add(
            source.names().contains("encoder.down." + i + ".downsample.conv.conv.weight"));
      }
    }
    return new BsqArchitecture(
        shape(source, "decoder.conv_in.conv.weight").size(1),
        List.copyOf(decoder),
        count(source, "decoder.up.0.block.", ".conv1.conv.weight"),
        List.copyOf(upsampled),
        List.copyOf(encoder),
        withEncoder ? count(source, "encoder.down.0.block.", ".conv1.conv.weight") : 0,
        List.copyOf(downsampled));
  }

  private static int count(WeightSource source, String prefix, String suffix) {
    int count = 0;
    while (source.names().contains(prefix + count + suffix)) {
      count++;
    }
    if (count == 0) {
      throw EspalierException.config(
          "The weights " + source.location() + " lack the key " + prefix + "0" + suffix + ".",
          "Maybe the file is not one of Infinity's visual tokenizer.");
    }
    return count;
  }

  private static int out(WeightSource source, String prefix) {
    return shape(source, prefix + ".conv.weight").size(0);
  }

  private static TensorInfo shape(WeightSource source, String name) {
    TensorInfo info = source.info(name);
    if (info.shape().size() != 4) {
      throw EspalierException.config(
          "The weights "
              + source.location()
              + " have the key "
              + name
              + " with the shape "
              + info.shape()
              + " instead of four axes.",
          "Maybe the tokenizer is one for videos, which is unsupported.");
    }
    return info;
  }

  /** Pixels a side of one element of the code. */
  int stride() {
    return 1 << upsampled.stream().filter(up -> up).count();
  }

  /** All weights of such a tokenizer. */
  WeightSpec weights() {
    WeightSpec.Builder spec = WeightSpec.builder();
    int top = decoder.get(decoder.size() - 1);
    conv(spec, "decoder.conv_in", top, bits, 3);
    residual(spec, "decoder.mid.block_1", top, top);
    residual(spec, "decoder.mid.block_2", top, top);
    int in = top;
    for (int level = decoder.size() - 1; level >= 0; level--) {
      String prefix = "decoder.up." + level + ".";
      for (int i = 0; i < decoderBlocks; i++) {
        residual(spec, prefix + "block." + i, decoder.get(level), in);
        in = decoder.get(level);
      }
      if (upsampled.get(level)) {
        conv(spec, prefix + "upsample.conv", in, in, 3);
      }
    }
    spec.norm("decoder.norm_out.norm", in);
    conv(spec, "decoder.conv_out", 3, in, 3);
    if (encoder.isEmpty()) {
      spec.ignore("encoder\\..*");
    } else {
      encoderWeights(spec);
    }
    // The quantiser has constants only.
    return spec.ignore("quantizer\\..*", "quantize\\..*").build();
  }

  private void encoderWeights(WeightSpec.Builder spec) {
    int in = encoder.get(0);
    conv(spec, "encoder.conv_in", in, 3, 3);
    for (int level = 0; level < encoder.size(); level++) {
      String prefix = "encoder.down." + level + ".";
      for (int i = 0; i < encoderBlocks; i++) {
        residual(spec, prefix + "block." + i, encoder.get(level), in);
        in = encoder.get(level);
      }
      if (downsampled.get(level)) {
        conv(spec, prefix + "downsample.conv", in, in, 3);
      }
    }
    residual(spec, "encoder.mid.block_1", in, in);
    residual(spec, "encoder.mid.block_2", in, in);
    spec.norm("encoder.norm_out.norm", in);
    conv(spec, "encoder.conv_out", bits, in, 3);
  }

  private static void conv(WeightSpec.Builder spec, String prefix, int out, int in, int kernel) {
    spec.conv2d(prefix + ".conv", out, in, kernel);
  }

  private static void residual(WeightSpec.Builder spec, String prefix, int out, int in) {
    spec.norm(prefix + ".norm1.norm", in);
    conv(spec, prefix + ".conv1", out, in, 3);
    spec.norm(prefix + ".norm2.norm", out);
    conv(spec, prefix + ".conv2", out, out, 3);
    if (out != in) {
      conv(spec, prefix + ".nin_shortcut", out, in, 1);
    }
  }

  /**
   * Floating-point operations of decoding one code.
   *
   * @param height of the code
   * @param width of the code
   */
  long decodeFlops(int height, int width) {
    long h = height;
    long w = width;
    int top = decoder.get(decoder.size() - 1);
    long flops = Flops.conv2d(h, w, bits, top, 3) + 2 * residualFlops(h, w, top, top);
    int in = top;
    for (int level = decoder.size() - 1; level >= 0; level--) {
      for (int i = 0; i < decoderBlocks; i++) {
        flops += residualFlops(h, w, in, decoder.get(level));
        in = decoder.get(level);
      }
      if (upsampled.get(level)) {
        h *= 2;
        w *= 2;
        flops += Flops.conv2d(h, w, in, in, 3);
      }
    }
    return flops + Flops.conv2d(h, w, in, 3, 3);
  }

  private static long residualFlops(long h, long w, long in, long out) {
    return Flops.conv2d(h, w, in, out, 3)
        + Flops.conv2d(h, w, out, out, 3)
        + (in == out ? 0 : Flops.conv2d(h, w, in, out, 1));
  }
}
