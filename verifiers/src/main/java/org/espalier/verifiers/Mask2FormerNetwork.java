package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.List;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;

/** Mask2Former's network, from pixels to instances. */
final class Mask2FormerNetwork implements AutoCloseable {
  private final TorchProgram program;

  private Mask2FormerNetwork(TorchProgram program) {
    this.program = program;
  }

  static Mask2FormerNetwork load(
      Mask2FormerArchitecture architecture, WeightSource source, Device device) {
    TorchProgram.Builder builder =
        TorchProgram.builder("Mask2Former")
            .text(Mask2FormerNetwork.class, "transformer.py")
            .text(Mask2FormerNetwork.class, "mask2former.py")
            .device(device)
            .dtype(DType.F32);
    architecture.attributes(builder);
    return new Mask2FormerNetwork(builder.load(source, architecture.spec(source)));
  }

  /**
   * Instances on a picture, best first. The network reads the picture scaled to {@code shown}, in
   * the upper left of {@code padded}.
   *
   * @param pixels planes of the network's input
   * @param padded its height and width
   * @param shown height and width of the scaled picture
   * @param size height and width of the picture
   * @return as many as there are queries
   */
  List<Instance> detect(float[] pixels, long[] padded, long[] shown, long[] size) {
    try (TorchTensor input = TorchTensor.of(program.device(), pixels, 1, 3, padded[0], padded[1])) {
      List<TorchTensor> logits = program.run("detect", input);
      try {
        List<TorchTensor> out =
            program.run("instances", logits.get(0), logits.get(1), padded, shown, size);
        try {
          return instances(out, Math.toIntExact(size[0] * size[1]));
        } finally {
          out.forEach(TorchTensor::close);
        }
      } finally {
        logits.forEach(TorchTensor::close);
      }
    }
  }

  private static List<Instance> instances(List<TorchTensor> out, int area) {
    long[] queries = out.get(0).toLongs();
    long[] labels = out.get(1).toLongs();
    float[] scores = out.get(2).toFloats();
    long[] boxes = out.get(3).toLongs();
    byte[] masks = out.get(4).toBytes();
    List<Instance> instances = new ArrayList<>();
    for (int i = 0; i < labels.length; i++) {
      byte[] mask = new byte[area];
      System.arraycopy(masks, i * area, mask, 0, area);
      instances.add(
          new Instance(
              (int) queries[i],
              (int) labels[i],
              scores[i],
              new Box(
                  (int) boxes[4 * i],
                  (int) boxes[4 * i + 1],
                  (int) boxes[4 * i + 2],
                  (int) boxes[4 * i + 3]),
              mask));
    }
    return instances;
  }

  /**
   * Everything between, for comparison with the reference.
   *
   * @param pixels planes of the network's input
   * @param height of it
   * @param width of it
   * @return maps of the backbone (H, W, C), levels of the pixel decoder (1, L, C) and its features
   *     for masks, hidden states, class logits and mask logits of each place of the decoder
   */
  List<TorchTensor> trace(float[] pixels, int height, int width) {
    try (TorchTensor input = TorchTensor.of(program.device(), pixels, 1, 3, height, width)) {
      return program.run("trace", input);
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
