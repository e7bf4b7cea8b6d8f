package org.espalier.verifiers;

/**
 * PickScore (Kirstain et al. 2023, <a
 * href="https://arxiv.org/abs/2305.01569">arXiv:2305.01569</a>): a CLIP ViT-H/14 trained on the
 * choices of Pick-a-Pic's users. The value is that of the authors' code, the cosine times
 * exp(logit_scale); others publish the bare cosine, which is the part {@code cosine}, or divide by
 * 26.
 */
public final class PickScoreProvider extends ClipFamilyProvider<PickScoreConfig> {
  /** Called by the {@link java.util.ServiceLoader}. */
  public PickScoreProvider() {
    super(ClipScore.PICKSCORE, PickScoreConfig.class);
  }

  @Override
  String weights(PickScoreConfig config) {
    return config.weights();
  }
}
