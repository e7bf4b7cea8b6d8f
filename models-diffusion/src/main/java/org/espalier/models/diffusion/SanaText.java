package org.espalier.models.diffusion;

import java.util.List;
import java.util.Locale;
import org.espalier.torch.Gemma2Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;

/**
 * How SANA reads prompts: states of Gemma 2 for the lower-case text, with an instruction before it
 * where one is configured, of which only the first state is kept; cut or filled up to a fixed
 * length, with a mask of what is filled up.
 */
final class SanaText implements FlowText {
  private final TextTokenizer instructed;
  private final TextTokenizer plain;
  private final Gemma2Encoder encoder;
  private final String instruction;

  /**
   * An encoder with its tokenizer at both lengths, which it owns.
   *
   * @param instructed cuts at the length of the text and the instruction
   * @param plain cuts at the length of the text
   * @param encoder gives the states
   * @param instruction before every prompt, but for negative ones; may be empty
   */
  SanaText(
      TextTokenizer instructed, TextTokenizer plain, Gemma2Encoder encoder, String instruction) {
    this.instructed = instructed;
    this.plain = plain;
    this.encoder = encoder;
    this.instruction = instruction;
  }

  private Tokens read(String prompt) {
    return instructed.encode(instruction + prompt.toLowerCase(Locale.ROOT).strip());
  }

  @Override
  public FlowConditioning encode(String prompt) {
    return conditioning(read(prompt), instructed.maxLength());
  }

  @Override
  public FlowConditioning encodeNegative(String prompt) {
    return conditioning(plain.encode(prompt.toLowerCase(Locale.ROOT).strip()), plain.maxLength());
  }

  /**
   * The first state and the last ones of a text filled up to some tokens. Padding would change
   * nothing before it and is masked, so that it need not be encoded.
   */
  private FlowConditioning conditioning(Tokens tokens, int filled) {
    int length = plain.maxLength();
    int width = encoder.config().hiddenSize();
    float[] values = new float[length * width];
    float[] mask = new float[length];
    try (TorchTensor states = encoder.encode(tokens.ids())) {
      float[] all = states.toFloats();
      for (int i = 0; i < length; i++) {
        int at = i == 0 ? 0 : filled - length + i;
        if (at < tokens.ids().length) {
          System.arraycopy(all, at * width, values, i * width, width);
          mask[i] = 1;
        }
      }
    }
    return new FlowConditioning(
        List.of(
            TorchTensor.of(encoder.program().device(), values, 1, length, width),
            TorchTensor.of(encoder.program().device(), mask, 1, length)),
        length,
        tokens.truncated());
  }

  @Override
  public int tokens(String prompt) {
    return plain.maxLength();
  }

  @Override
  public long flops(String prompt) {
    return encoder.config().flops(read(prompt).ids().length);
  }

  @Override
  public long countedFlops() {
    return encoder.flops();
  }

  @Override
  public List<TorchProgram> programs() {
    return List.of(encoder.program());
  }

  @Override
  public void close() {
    try (instructed;
        plain;
        encoder) {
      // All are closed even where one fails.
    }
  }
}
