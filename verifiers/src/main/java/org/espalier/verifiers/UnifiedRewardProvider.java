package org.espalier.verifiers;

import java.util.EnumSet;
import java.util.Set;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;

/**
 * UnifiedReward (Wang et al. 2025, <a
 * href="https://arxiv.org/abs/2503.05236">arXiv:2503.05236</a>): a vision-language model trained to
 * score images, on LLaVA-OneVision, Qwen2.5-VL or Qwen3-VL. The value is the score that the model
 * writes directly behind its published words, up to two decimals. What the first versions would
 * write before it, a list of the caption's elements, is left out: so the cost of a judgement is
 * known before it.
 */
public final class UnifiedRewardProvider implements VerifierProvider<UnifiedRewardConfig> {
  private static final Set<JudgeCheckpoint.Form> FORMS = EnumSet.allOf(JudgeCheckpoint.Form.class);

  @Override
  public String id() {
    return "unified-reward";
  }

  @Override
  public Class<UnifiedRewardConfig> configType() {
    return UnifiedRewardConfig.class;
  }

  @Override
  public void check(UnifiedRewardConfig config, LoadContext context) {
    try (JudgeCheckpoint<?> opened = open(config, context)) {
      opened.check(config.asked());
    }
  }

  @Override
  public Verifier load(UnifiedRewardConfig config, LoadContext context) {
    try (JudgeCheckpoint<?> opened = open(config, context)) {
      return opened.load(id(), config.asked(), context);
    }
  }

  private JudgeCheckpoint<?> open(UnifiedRewardConfig config, LoadContext context) {
    return JudgeCheckpoint.open(id(), config.weights(), FORMS, config.maxPixels(), context);
  }
}
