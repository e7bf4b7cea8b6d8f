package org.espalier.models.diffusion;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.espalier.torch.ClipTextEncoder;
import org.espalier.torch.T5Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;

/**
 * How FLUX.1 reads prompts: a T5 sequence padded to a fixed length, of which padding is not masked
 * (as in the published pipeline), and the pooled vector of CLIP.
 */
final class FluxTextEncoders implements FlowText {
  private static final System.Logger LOG = System.getLogger(FluxTextEncoders.class.getName());

  private final TextTokenizer t5Tokenizer;
  private final T5Encoder t5;
  private final TextTokenizer clipTokenizer;
  private final ClipTextEncoder clip;
  private final AtomicBoolean warned = new AtomicBoolean();

  FluxTextEncoders(
      TextTokenizer t5Tokenizer, T5Encoder t5, TextTokenizer clipTokenizer, ClipTextEncoder clip) {
    this.t5Tokenizer = t5Tokenizer;
    this.t5 = t5;
    this.clipTokenizer = clipTokenizer;
    this.clip = clip;
  }

  /** Length of the T5 sequence, padding included. */
  int textTokens() {
    return t5Tokenizer.maxLength();
  }

  T5Encoder t5() {
    return t5;
  }

  ClipTextEncoder clip() {
    return clip;
  }

  /**
   * Encodes a prompt.
   *
   * @param prompt any text; may be empty
   */
  @Override
  public FlowConditioning encode(String prompt) {
    Tokens words = t5Tokenizer.encode(prompt);
    Tokens brief = clipTokenizer.encode(prompt);
    boolean truncated = words.truncated() || brief.truncated();
    if (words.truncated() && warned.compareAndSet(false, true)) {
      LOG.log(
          System.Logger.Level.WARNING,
          "A prompt is longer than {0} tokens and is cut off; further ones will not be reported.",
          textTokens());
    }
    float[] attendToAll = new float[textTokens()];
    Arrays.fill(attendToAll, 1);
    TorchTensor text = t5.encode(words.padded(textTokens(), t5.config().padTokenId()), attendToAll);
    try {
      List<TorchTensor> features = clip.encode(brief);
      features.get(0).close();
      return new FlowConditioning(List.of(text, features.get(1)), textTokens(), truncated);
    } catch (RuntimeException e) {
      text.close();
      throw e;
    }
  }

  @Override
  public int tokens(String prompt) {
    return textTokens();
  }

  @Override
  public List<TorchProgram> programs() {
    return List.of(t5.program(), clip.program());
  }

  /**
   * Floating-point operations of {@link #encode}.
   *
   * @param prompt the text; the CLIP tower reads only as many tokens as it has
   */
  @Override
  public long flops(String prompt) {
    return t5.config().flops(textTokens())
        + clip.config().flops(clipTokenizer.encode(prompt).ids().length);
  }

  /** Floating-point operations since loading, counted at the native calls. */
  @Override
  public long countedFlops() {
    return t5.flops() + clip.flops();
  }

  @Override
  public void close() {
    try (t5Tokenizer;
        t5;
        clipTokenizer;
        clip) {
      // All are closed even where one fails.
    }
  }
}
