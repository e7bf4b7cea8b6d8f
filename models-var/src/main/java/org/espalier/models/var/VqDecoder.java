package org.espalier.models.var;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import org.espalier.torch.Device;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;

/**
 * A convolutional decoder over a codebook of vectors, as of VAR and Janus. Thread-safe.
 *
 * @see VqArchitecture
 */
final class VqDecoder implements AutoCloseable {
  private final VqArchitecture architecture;
  private final TorchProgram program;
  private final AtomicLong flops = new AtomicLong();
  private final AtomicLong images = new AtomicLong();

  /**
   * Loads a decoder.
   *
   * @param source weights with the coarsest level first
   * @param unit whether vectors are brought to the length 1
   * @param share of a convolution's output in what a scale adds
   * @param device where it computes
   * @param traced whether intermediate tensors are remembered, for tests
   * @param unread patterns of keys that may be there
   */
  VqDecoder(
      WeightSource source,
      boolean unit,
      double share,
      Device device,
      boolean traced,
      String... unread) {
    architecture = VqArchitecture.of(source);
    TorchProgram.Builder builder =
        TorchProgram.builder("Vq")
            .text(VqDecoder.class, "pixels.py")
            .text(VqDecoder.class, "vq.py")
            .attribute("levels", architecture.levels().size())
            .attribute("blocks", architecture.blocks())
            .attribute("convolutions", architecture.convolutions())
            .attribute("unit", unit)
            .attribute("share", share)
            .device(device);
    program = (traced ? builder.traced() : builder).load(source, architecture.weights(unread));
  }

  VqArchitecture architecture() {
    return architecture;
  }

  /** Its program, for provenance. */
  TorchProgram program() {
    return program;
  }

  /** Floating-point operations since it was loaded, counted at the native call. */
  long flops() {
    return flops.get();
  }

  /** Images decoded since it was loaded. */
  long images() {
    return images.get();
  }

  /** A code of zeros, (1, channels, height, width) float32. */
  TorchTensor zeros(int height, int width) {
    float[] zeros = new float[architecture.channels() * height * width];
    return TorchTensor.of(program.device(), zeros, 1, architecture.channels(), height, width);
  }

  /**
   * The vectors of tokens.
   *
   * @param tokens (k, height * width) int64
   * @param height of their grid
   * @param width of their grid
   * @return (k, channels, height, width)
   */
  TorchTensor lookUp(TorchTensor tokens, int height, int width) {
    return program.call("look_up", tokens, height, width);
  }

  /**
   * Adds a scale's tokens to summed codes.
   *
   * @param codes (1, channels, H, W) each
   * @param tokens (k, tokens) int64
   * @param grid of the scale
   * @param scale from 0
   * @param scales how many there are
   * @return as many codes
   */
  List<TorchTensor> accept(
      List<TorchTensor> codes, TorchTensor tokens, ScaleSchedule.Grid grid, int scale, int scales) {
    int which =
        architecture
            .convolutions()
            .indexOf(Objects.requireNonNull(architecture.convolution(scale, scales)));
    List<TorchTensor> summed =
        program.run("accept", codes, tokens, grid.height(), grid.width(), which);
    TorchTensor code = codes.get(0);
    flops.addAndGet(codes.size() * architecture.acceptFlops(code.size(2), code.size(3)));
    return summed;
  }

  /**
   * Decodes a code to (1, 3, H, W), about [-1, 1].
   *
   * @param code (1, channels, h, w)
   */
  TorchTensor decode(TorchTensor code) {
    TorchTensor image = program.call("decode", code);
    count(code);
    return image;
  }

  /**
   * Decodes a code to 8-bit pixels (H, W, 3) on the host.
   *
   * @param code (1, channels, h, w)
   * @param wait until these and all earlier pixels are there
   */
  TorchTensor decodePixels(TorchTensor code, boolean wait) {
    TorchTensor pixels = program.call("decode_pixels", code, wait);
    count(code);
    return pixels;
  }

  private void count(TorchTensor code) {
    flops.addAndGet(architecture.decodeFlops(code.size(2), code.size(3)));
    images.incrementAndGet();
  }

  @Override
  public void close() {
    program.close();
  }
}
