package org.espalier.models.var;

import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.LongStream;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.jspecify.annotations.Nullable;

/**
 * The visual tokenizer of Infinity: a convolutional autoencoder whose code is quantised to bits,
 * scale by scale (<a href="https://arxiv.org/abs/2412.04431">Han et al. 2024</a>, section 3).
 * Thread-safe.
 */
public final class BsqTokenizer implements AutoCloseable {
  /**
   * Larger codes are decoded in channels-last order on a GPU, with fewer bytes and more kernels;
   * smaller ones wait for the launching of kernels. With fused kernels all are.
   */
  private static final int CHANNELS_LAST_FROM = 1024;

  private final BsqArchitecture architecture;
  private final TorchProgram program;
  private final AtomicLong flops = new AtomicLong();
  private final AtomicLong images = new AtomicLong();

  /**
   * Loads a tokenizer.
   *
   * @param weights a checkpoint in a published layout
   * @param device where it computes: in float32 on the CPU, in bfloat16 on a GPU
   * @param withEncoder whether {@link #reconstruct} is wanted; else the encoder's weights are not
   *     read
   */
  public BsqTokenizer(WeightSource weights, Device device, boolean withEncoder) {
    this(weights, device, withEncoder, false);
  }

  /**
   * Loads a tokenizer.
   *
   * @param weights a checkpoint in a published layout
   * @param device where it computes: in float32 on the CPU, in bfloat16 on a GPU
   * @param withEncoder whether {@link #reconstruct} is wanted
   * @param boundedCode whether the encoder's output goes through tanh, as {@code "encoder_output":
   *     "tanh"} in a {@code config.json} says; false for the published checkpoints
   */
  public BsqTokenizer(
      WeightSource weights, Device device, boolean withEncoder, boolean boundedCode) {
    this(
        weights,
        device,
        withEncoder,
        boundedCode,
        device.isGpu() ? CHANNELS_LAST_FROM : Integer.MAX_VALUE,
        null);
  }

  /**
   * A tokenizer whose decoder changes its order where it is told to.
   *
   * @param channelsLastFrom elements of a code from which on images are decoded in channels-last
   *     order
   * @param requested floating-point type, or null for the one that suits the device and its size
   */
  BsqTokenizer(
      WeightSource weights,
      Device device,
      boolean withEncoder,
      boolean boundedCode,
      int channelsLastFrom,
      @Nullable DType requested) {
    WeightSource source = BsqArchitecture.normalize(weights);
    architecture = BsqArchitecture.of(source, withEncoder);
    WeightSpec spec = architecture.weights();
    DType dtype = requested != null ? requested : TorchEngine.dtype(device, spec.parameters());
    String kernels = FusedKernels.sha256(device, dtype);
    program =
        TorchProgram.builder("BsqVae")
            .text(FusedKernels.mark(kernels))
            .text(BsqTokenizer.class, kernels == null ? "bsq_last.py" : "bsq_last_fused.py")
            .text(BsqTokenizer.class, "pixels.py")
            .text(BsqTokenizer.class, "bsq_vae.py")
            .attribute("levels", architecture.decoder().size())
            .attribute("decoder_blocks", architecture.decoderBlocks())
            .attribute("encoder_blocks", architecture.encoderBlocks())
            .attribute("bounded_code", boundedCode)
            .attribute("channels_last_from", kernels == null ? channelsLastFrom : 0)
            .device(device)
            .dtype(dtype)
            .load(source, spec);
    if (kernels != null) {
      program.run("prepare_last");
    }
  }

  /** Channels of its code. */
  public int bits() {
    return architecture.bits();
  }

  /** Pixels a side of one element of its code. */
  public int stride() {
    return architecture.stride();
  }

  /** Its program, for provenance. */
  TorchProgram program() {
    return program;
  }

  /** Floating-point operations of decoding since it was loaded, counted at the native call. */
  long flops() {
    return flops.get();
  }

  /** Images decoded since it was loaded. */
  long images() {
    return images.get();
  }

  /** Floating-point operations of decoding one code of the given size. */
  long decodeFlops(ScaleSchedule.Grid size) {
    return architecture.decodeFlops(size.height(), size.width());
  }

  /**
   * Decodes a code.
   *
   * @param code (1, bits, h, w)
   */
  RgbImage decode(TorchTensor code) {
    try (TorchTensor pixels = decodePixels(code, true)) {
      return image(pixels);
    }
  }

  /**
   * Decodes a code to 8-bit pixels (H, W, 3) on the host. A GPU decodes the next image while these
   * are on their way.
   *
   * @param code (1, bits, h, w)
   * @param wait until these and all earlier pixels are there
   */
  TorchTensor decodePixels(TorchTensor code, boolean wait) {
    TorchTensor pixels = program.call("decode_pixels", code, wait);
    count(code);
    return pixels;
  }

  /** The image of pixels (H, W, 3) that are there. */
  static RgbImage image(TorchTensor pixels) {
    return new RgbImage(pixels.size(1), pixels.size(0), pixels.toBytes());
  }

  /**
   * Decodes a code to (1, 3, H, W) in [-1, 1].
   *
   * @param code (1, bits, h, w)
   */
  TorchTensor decodeFloats(TorchTensor code) {
    TorchTensor image = program.call("decode", code);
    count(code);
    return image;
  }

  private void count(TorchTensor code) {
    flops.addAndGet(architecture.decodeFlops(code.size(2), code.size(3)));
    images.incrementAndGet();
  }

  /**
   * Encodes an image, quantises it over all scales and decodes it again: what no sample of a model
   * with this tokenizer can surpass.
   *
   * @param image of a size that the stride divides
   * @param schedule the scales; the last one must be the code's size
   */
  public RgbImage reconstruct(RgbImage image, ScaleSchedule schedule) {
    if (architecture.encoder().isEmpty()) {
      throw new IllegalStateException("the tokenizer was loaded without its encoder");
    }
    long[] scales =
        schedule.scales().stream()
            .flatMapToLong(grid -> LongStream.of(grid.height(), grid.width()))
            .toArray();
    try (TorchTensor pixels =
            TorchTensor.of(program.device(), image.rgb(), image.height(), image.width(), 3);
        TorchTensor code = program.call("encode_pixels", pixels)) {
      if (code.size(2) != schedule.last().height() || code.size(3) != schedule.last().width()) {
        throw EspalierException.config(
            "An image of %d x %d pixels has a code of %d x %d instead of %d x %d."
                .formatted(
                    image.width(),
                    image.height(),
                    code.size(3),
                    code.size(2),
                    schedule.last().width(),
                    schedule.last().height()),
            "Maybe resize the image, or use another schedule.");
      }
      try (TorchTensor quantized = program.call("quantize", code, scales)) {
        return decode(quantized);
      }
    }
  }

  @Override
  public void close() {
    program.close();
  }
}
