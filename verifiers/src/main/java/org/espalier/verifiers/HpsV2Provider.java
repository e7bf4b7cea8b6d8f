package org.espalier.verifiers;

/**
 * HPSv2 and HPSv2.1 (Wu et al. 2023, <a
 * href="https://arxiv.org/abs/2306.09341">arXiv:2306.09341</a>): a CLIP ViT-H/14 trained on human
 * preferences. The value is the cosine, as in the authors' code.
 */
public final class HpsV2Provider extends ClipFamilyProvider<HpsV2Config> {
  /** Called by the {@link java.util.ServiceLoader}. */
  public HpsV2Provider() {
    super(ClipScore.HPS_V2, HpsV2Config.class);
  }

  @Override
  String weights(HpsV2Config config) {
    return config.weights();
  }
}
