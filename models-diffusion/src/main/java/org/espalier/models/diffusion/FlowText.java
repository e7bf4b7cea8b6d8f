package org.espalier.models.diffusion;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.DrawKey;
import org.espalier.api.Noise;
import org.espalier.noise.KeyedNoise;
import org.espalier.torch.Device;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;

/** How prompts become what a transformer is conditioned on. Thread-safe. */
interface FlowText extends AutoCloseable {
  /**
   * Encodes a prompt.
   *
   * @param prompt any text; may be empty
   */
  FlowConditioning encode(String prompt);

  /**
   * Encodes what guidance leads away from.
   *
   * @param prompt any text; may be empty
   */
  default FlowConditioning encodeNegative(String prompt) {
    return encode(prompt);
  }

  /**
   * Tokens of the sequence that {@link #encode} gives; by the tokenizer alone.
   *
   * @param prompt the text
   */
  int tokens(String prompt);

  /**
   * Floating-point operations of {@link #encode}; by the tokenizer alone.
   *
   * @param prompt the text
   */
  long flops(String prompt);

  /** Floating-point operations since loading, counted at the native calls. */
  long countedFlops();

  /** The encoders' programs, for provenance. */
  List<TorchProgram> programs();

  @Override
  void close();

  /**
   * Noise for networks of random weights.
   *
   * @param device where
   * @param tokens of every text
   * @param shapes of the tensors of a conditioning, each with a batch of one
   */
  record Untrained(Device device, int tokens, List<long[]> shapes) implements FlowText {
    @Override
    public FlowConditioning encode(String prompt) {
      Noise noise = new Noise.Keyed(DrawKey.root(0).child(prompt));
      List<TorchTensor> tensors = new ArrayList<>();
      for (int i = 0; i < shapes.size(); i++) {
        int length = 1;
        for (long size : shapes.get(i)) {
          length = Math.multiplyExact(length, (int) size);
        }
        tensors.add(TorchTensor.of(device, KeyedNoise.gaussian(noise, i, length), shapes.get(i)));
      }
      return new FlowConditioning(tensors, tokens, false);
    }

    @Override
    public int tokens(String prompt) {
      return tokens;
    }

    @Override
    public long flops(String prompt) {
      return 0;
    }

    @Override
    public long countedFlops() {
      return 0;
    }

    @Override
    public List<TorchProgram> programs() {
      return List.of();
    }

    @Override
    public void close() {}
  }
}
