package org.espalier.verifiers;

import org.espalier.torch.Device;
import org.espalier.torch.Qwen3Encoder;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;

/** LLaVA-OneVision's network. */
final class LlavaNetwork implements AutoCloseable {
  private final TorchProgram program;

  private LlavaNetwork(TorchProgram program) {
    this.program = program;
  }

  static LlavaNetwork load(LlavaArchitecture architecture, WeightSource source, Device device) {
    TorchProgram.Builder builder =
        TorchProgram.builder("LlavaOnevision")
            .text(Qwen3Encoder.class, "decoder.py")
            .text(LlavaNetwork.class, "transformer.py")
            .text(LlavaNetwork.class, "judge_decoder.py")
            .text(LlavaNetwork.class, "llava_onevision.py")
            .device(device);
    architecture.attributes(builder);
    return new LlavaNetwork(builder.load(source, architecture.spec(source)));
  }

  private TorchTensor tiles(float[] pixels, int tiles) {
    int side = (int) Math.round(Math.sqrt(pixels.length / (3.0 * tiles)));
    return TorchTensor.of(program.device(), pixels, tiles, 3, side, side);
  }

  /**
   * Reads an image and a text.
   *
   * @param pixels the whole image and its tiles
   * @param plan how they were cut
   * @param ids with one image token for each place of the image
   */
  JudgeRead prefill(float[] pixels, TilePlan plan, long[] ids) {
    try (TorchTensor tiles = tiles(pixels, plan.tiles());
        TorchTensor text = TorchTensor.of(program.device(), ids, 1, ids.length)) {
      return JudgeRead.of(program.run("prefill", tiles, plan.toLongs(), text), ids.length);
    }
  }

  /**
   * Reads on.
   *
   * @param before what has been read; stays open
   * @param ids tokens that follow
   */
  JudgeRead step(JudgeRead before, long... ids) {
    try (TorchTensor text = TorchTensor.of(program.device(), ids, 1, ids.length)) {
      return JudgeRead.of(
          program.run("step", text, before.keys(), before.values()), before.next() + ids.length);
    }
  }

  /**
   * Puts patch features together as the decoder reads them.
   *
   * @param features (tiles, patches, width), row-major
   * @param plan how the tiles were cut
   * @param width of the decoder
   * @return (image tokens, width)
   */
  float[] pack(float[] features, TilePlan plan, int width) {
    int patches = features.length / plan.tiles() / width;
    try (TorchTensor in = TorchTensor.of(program.device(), features, plan.tiles(), patches, width);
        TorchTensor out = program.call("pack", in, plan.toLongs())) {
      return out.toFloats();
    }
  }

  /** Logits at every place (length, vocabulary), for comparison with the reference. */
  float[] logits(float[] pixels, TilePlan plan, long[] ids) {
    try (TorchTensor tiles = tiles(pixels, plan.tiles());
        TorchTensor text = TorchTensor.of(program.device(), ids, 1, ids.length);
        TorchTensor out = program.call("logits", tiles, plan.toLongs(), text)) {
      return out.toFloats();
    }
  }

  String programSha256() {
    return program.sha256();
  }

  @Override
  public void close() {
    program.close();
  }
}
