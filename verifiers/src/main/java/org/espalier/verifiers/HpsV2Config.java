package org.espalier.verifiers;

import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link HpsV2Provider}.
 *
 * @param weights {@code HPS_v2.1_compressed.pt} of {@code xswu/HPSv2} or its directory, with the
 *     {@code tokenizer.json} of any CLIP beside it; or the directory of a snapshot with the keys of
 *     a {@code CLIPModel}, such as {@code adams-story/HPSv2-hf}
 */
public record HpsV2Config(String weights) {
  public HpsV2Config(@Nullable String weights) {
    this.weights =
        ClipConfig.requireWeights(
            weights, "the directory of a snapshot of " + ClipScore.HPS_V2.example());
  }
}
