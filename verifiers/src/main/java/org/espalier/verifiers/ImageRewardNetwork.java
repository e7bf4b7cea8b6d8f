package org.espalier.verifiers;

import java.util.List;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;

/** ImageReward's network. */
final class ImageRewardNetwork implements AutoCloseable {
  private final TorchProgram program;

  private ImageRewardNetwork(TorchProgram program) {
    this.program = program;
  }

  static ImageRewardNetwork load(
      ImageRewardArchitecture architecture, WeightSource source, Device device) {
    TorchProgram.Builder builder =
        TorchProgram.builder("ImageReward")
            .text(ImageRewardNetwork.class, "transformer.py")
            .text(ImageRewardNetwork.class, "image_reward.py")
            .device(device)
            .dtype(DType.F32);
    architecture.attributes(builder);
    return new ImageRewardNetwork(builder.load(source, architecture.spec(source)));
  }

  /**
   * Scores images, each against its text.
   *
   * @param pixels prepared images, one after the other
   * @param size side in pixels
   * @param ids token numbers (count, length), row-major
   * @param mask 1 for tokens, 0 for padding
   * @param count how many
   * @return raw, then standardised rewards
   */
  float[][] score(float[] pixels, int size, long[] ids, long[] mask, int count) {
    try (TorchTensor p = TorchTensor.of(program.device(), pixels, count, 3, size, size);
        TorchTensor i = TorchTensor.of(program.device(), ids, count, ids.length / count);
        TorchTensor m = TorchTensor.of(program.device(), mask, count, mask.length / count)) {
      return read(program.run("score", p, i, m));
    }
  }

  /**
   * What is inside, for comparison with the reference.
   *
   * @return patch features, hidden states of the text, standardised rewards
   */
  float[][] inspect(float[] pixels, int size, long[] ids, long[] mask, int count) {
    try (TorchTensor p = TorchTensor.of(program.device(), pixels, count, 3, size, size);
        TorchTensor i = TorchTensor.of(program.device(), ids, count, ids.length / count);
        TorchTensor m = TorchTensor.of(program.device(), mask, count, mask.length / count);
        TorchTensor image = program.call("embed_image", p);
        TorchTensor hidden = program.call("read_text", image, i, m)) {
      return new float[][] {
        image.toFloats(), hidden.toFloats(), read(program.run("reward", hidden))[1]
      };
    }
  }

  private static float[][] read(List<TorchTensor> results) {
    try {
      return new float[][] {results.get(0).toFloats(), results.get(1).toFloats()};
    } finally {
      results.forEach(TorchTensor::close);
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
