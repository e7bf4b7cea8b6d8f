package org.espalier.verifiers;

import java.util.Set;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;

/**
 * LLaVA-OneVision (Li et al. 2024, <a href="https://arxiv.org/abs/2408.03326">arXiv:2408.03326</a>)
 * asked whether the image shows the prompt: the value is P(yes) / (P(yes) + P(no)), as in <a
 * href="https://arxiv.org/abs/2404.01291">VQAScore</a>. Checkpoints in the layouts of the hub, of
 * transformers 5 and of its authors.
 */
public final class LlavaOnevisionProvider implements VerifierProvider<LlavaOnevisionConfig> {
  private static final Set<JudgeCheckpoint.Form> FORMS =
      Set.of(JudgeCheckpoint.Form.LLAVA_ONEVISION, JudgeCheckpoint.Form.LLAVA_NEXT);

  @Override
  public String id() {
    return "llava-onevision";
  }

  @Override
  public Class<LlavaOnevisionConfig> configType() {
    return LlavaOnevisionConfig.class;
  }

  @Override
  public void check(LlavaOnevisionConfig config, LoadContext context) {
    try (JudgeCheckpoint<?> opened = open(config, context)) {
      opened.check(config.asked());
    }
  }

  @Override
  public Verifier load(LlavaOnevisionConfig config, LoadContext context) {
    try (JudgeCheckpoint<?> opened = open(config, context)) {
      return opened.load(id(), config.asked(), context);
    }
  }

  private JudgeCheckpoint<?> open(LlavaOnevisionConfig config, LoadContext context) {
    return JudgeCheckpoint.open(id(), config.weights(), FORMS, null, context);
  }
}
