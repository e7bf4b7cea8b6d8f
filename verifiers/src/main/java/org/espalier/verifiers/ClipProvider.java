package org.espalier.verifiers;

/**
 * CLIPScore (Hessel et al. 2021, <a href="https://arxiv.org/abs/2104.08718">arXiv:2104.08718</a>):
 * the cosine between CLIP's embeddings of image and prompt, times 100. Any {@code CLIPModel} in
 * Hugging Face's layout, such as {@code openai/clip-vit-base-patch32} or {@code
 * openai/clip-vit-large-patch14}, and CLIP models of open_clip.
 */
public final class ClipProvider extends ClipFamilyProvider<ClipConfig> {
  /** Called by the {@link java.util.ServiceLoader}. */
  public ClipProvider() {
    super(ClipScore.CLIP, ClipConfig.class);
  }

  @Override
  String weights(ClipConfig config) {
    return config.weights();
  }
}
