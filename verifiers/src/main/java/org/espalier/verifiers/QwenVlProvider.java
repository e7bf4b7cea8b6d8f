package org.espalier.verifiers;

import java.util.Set;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;

/**
 * Qwen2.5-VL (Bai et al. 2025, <a href="https://arxiv.org/abs/2502.13923">arXiv:2502.13923</a>) and
 * Qwen3-VL (<a href="https://arxiv.org/abs/2511.21631">arXiv:2511.21631</a>) asked about an image:
 * P(yes) / (P(yes) + P(no)) in the manner of <a
 * href="https://arxiv.org/abs/2404.01291">VQAScore</a>, or a rating.
 */
public final class QwenVlProvider implements VerifierProvider<QwenVlConfig> {
  private static final Set<JudgeCheckpoint.Form> FORMS =
      Set.of(JudgeCheckpoint.Form.QWEN2_5_VL, JudgeCheckpoint.Form.QWEN3_VL);

  @Override
  public String id() {
    return "qwen-vl";
  }

  @Override
  public Class<QwenVlConfig> configType() {
    return QwenVlConfig.class;
  }

  @Override
  public void check(QwenVlConfig config, LoadContext context) {
    try (JudgeCheckpoint<?> opened = open(config, context)) {
      opened.check(config.asked());
    }
  }

  @Override
  public Verifier load(QwenVlConfig config, LoadContext context) {
    try (JudgeCheckpoint<?> opened = open(config, context)) {
      return opened.load(id(), config.asked(), context);
    }
  }

  private JudgeCheckpoint<?> open(QwenVlConfig config, LoadContext context) {
    return JudgeCheckpoint.open(id(), config.weights(), FORMS, config.maxPixels(), context);
  }
}
