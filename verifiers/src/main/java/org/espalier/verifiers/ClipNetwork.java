package org.espalier.verifiers;

import java.util.Arrays;
import java.util.List;
import org.espalier.torch.ClipTextEncoder;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * CLIP's two towers over the weights of a Hugging Face {@code CLIPModel}, or SigLIP's over those of
 * a {@code SiglipModel}.
 */
final class ClipNetwork implements AutoCloseable {
  private final TorchProgram program;
  private final int paddedTo;
  private final int padding;

  private ClipNetwork(TorchProgram program, int paddedTo, int padding) {
    this.program = program;
    this.paddedTo = paddedTo;
    this.padding = padding;
  }

  /** SigLIP's towers; texts are padded to the full length, as they were in training. */
  static ClipNetwork load(SiglipArchitecture architecture, WeightSource source, Device device) {
    TorchProgram.Builder builder =
        TorchProgram.builder("Siglip")
            .text(ClipNetwork.class, "transformer.py")
            .text(ClipNetwork.class, "siglip.py")
            .device(device)
            .dtype(DType.F32);
    architecture.attributes(builder);
    return new ClipNetwork(
        builder.load(source, architecture.spec(source)),
        architecture.textLimit(),
        architecture.padding());
  }

  static ClipNetwork load(ClipArchitecture architecture, WeightSource source, Device device) {
    return load(architecture, source, architecture.spec(source), device);
  }

  /** Without the text tower, which then cannot be called. */
  static ClipNetwork loadImageSide(
      ClipArchitecture architecture, WeightSource source, Device device) {
    return load(architecture, source, architecture.imageSideSpec(source), device);
  }

  private static ClipNetwork load(
      ClipArchitecture architecture, WeightSource source, WeightSpec spec, Device device) {
    TorchProgram.Builder builder =
        TorchProgram.builder("Clip")
            .text(ClipTextEncoder.class, "clip_text.py")
            .text(ClipNetwork.class, "transformer.py")
            .text(ClipNetwork.class, "clip.py")
            .device(device)
            .dtype(DType.F32);
    architecture.attributes(builder);
    return new ClipNetwork(builder.load(source, spec), 0, 0);
  }

  /**
   * Embeds images.
   *
   * @param pixels prepared images, one after the other
   * @param count how many
   * @param size side in pixels
   * @return unit vectors (count, projection); to be closed by the caller
   */
  TorchTensor embedImages(float[] pixels, int count, int size) {
    try (TorchTensor input = TorchTensor.of(program.device(), pixels, count, 3, size, size)) {
      return program.call("embed_image", input);
    }
  }

  /** Hidden states, what is read off them, and the unit vector in the common space. */
  record TextEmbedding(float[] hidden, float[] pooled, float[] unit) {}

  /**
   * Embeds texts of one length.
   *
   * @param ids token numbers, row-major
   * @param mask 1 for tokens, 0 for padding
   * @param count how many
   */
  TextEmbedding embedTexts(long[] ids, long[] mask, int count) {
    try (TorchTensor i = TorchTensor.of(program.device(), ids, count, ids.length / count);
        TorchTensor m = TorchTensor.of(program.device(), mask, count, mask.length / count)) {
      List<TorchTensor> out = program.run("embed_text", i, m);
      try {
        return new TextEmbedding(
            out.get(0).toFloats(), out.get(1).toFloats(), out.get(2).toFloats());
      } finally {
        out.forEach(TorchTensor::close);
      }
    }
  }

  /**
   * Embeds one text; CLIP's without padding: the tower is causal, so that padding would change
   * nothing.
   *
   * @param text its tokens
   * @return a unit vector
   */
  float[] embedText(Tokens text) {
    long[] ids = text.padded(Math.max(paddedTo, text.length()), padding).ids();
    long[] ones = new long[ids.length];
    Arrays.fill(ones, 1);
    return embedTexts(ids, ones, 1).unit;
  }

  /**
   * Compares images with texts, pair by pair.
   *
   * @param images unit vectors (count, projection)
   * @param texts as many unit vectors, one after the other
   * @return cosines, then logits
   */
  float[][] compare(TorchTensor images, float[] texts) {
    try (TorchTensor t = TorchTensor.of(program.device(), texts, images.size(0), images.size(1))) {
      List<TorchTensor> out = program.run("compare", images, t);
      try {
        return new float[][] {out.get(0).toFloats(), out.get(1).toFloats()};
      } finally {
        out.forEach(TorchTensor::close);
      }
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
