package org.espalier.verifiers;

import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link GenEvalProvider}. All numbers are the published ones where they are left
 * out.
 *
 * @param weights the detector: a directory with a Hugging Face snapshot of Mask2Former on a Swin
 *     transformer, such as {@code facebook/mask2former-swin-small-coco-instance}, or the file that
 *     GenEval's {@code download_models.sh} gets
 * @param clip for colours: a snapshot of {@code openai/clip-vit-large-patch14}; may be left out
 *     where no prompt asks for any
 * @param names a file with the names of the detector's classes, one a line; by default GenEval's
 *     where there are 80, else those of {@code config.json}
 * @param threshold a detection must be surer than that; 0.3
 * @param countingThreshold the same for prompts about counting; 0.9
 * @param maxObjects detections of a class that are looked at; 16
 * @param maxOverlap overlap from which on the less sure of two detections of a class is left out;
 *     1: none is
 * @param positionThreshold by which part of their sizes two objects must be apart; 0.1
 */
public record GenEvalConfig(
    String weights,
    @Nullable String clip,
    @Nullable String names,
    Double threshold,
    Double countingThreshold,
    Integer maxObjects,
    Double maxOverlap,
    Double positionThreshold) {
  public GenEvalConfig(
      @Nullable String weights,
      @Nullable String clip,
      @Nullable String names,
      @Nullable Double threshold,
      @Nullable Double countingThreshold,
      @Nullable Integer maxObjects,
      @Nullable Double maxOverlap,
      @Nullable Double positionThreshold) {
    if (weights == null || weights.isBlank()) {
      throw EspalierException.config(
              "GenEval has no detector.",
              "Maybe set weights: a snapshot of facebook/mask2former-swin-small-coco-instance, or the"
                  + " mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco.pth of GenEval's own script.")
          .about("weights");
    }
    this.weights = weights;
    this.clip = clip;
    this.names = names;
    GenEvalRules published = GenEvalRules.PUBLISHED;
    this.threshold = threshold == null ? published.threshold() : threshold;
    this.countingThreshold =
        countingThreshold == null ? published.countingThreshold() : countingThreshold;
    this.maxObjects = maxObjects == null ? published.maxObjects() : maxObjects;
    this.maxOverlap = maxOverlap == null ? published.maxOverlap() : maxOverlap;
    this.positionThreshold =
        positionThreshold == null ? published.positionThreshold() : positionThreshold;
    rules();
  }

  GenEvalRules rules() {
    return new GenEvalRules(
        threshold, countingThreshold, maxObjects, maxOverlap, positionThreshold);
  }
}
