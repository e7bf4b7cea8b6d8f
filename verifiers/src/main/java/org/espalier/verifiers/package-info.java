/**
 * Verifiers: networks that score how well an image shows a prompt, from cheap to reasoning.
 *
 * <ul>
 *   <li>{@code clip}: <a href="https://arxiv.org/abs/2104.08718">CLIPScore</a>
 *   <li>{@code aesthetic}: LAION's <a
 *       href="https://github.com/christophschuhmann/improved-aesthetic-predictor">improved
 *       aesthetic predictor</a>
 *   <li>{@code image-reward}: <a href="https://arxiv.org/abs/2304.05977">ImageReward</a>
 *   <li>{@code llava-onevision}: <a href="https://arxiv.org/abs/2408.03326">LLaVA-OneVision</a>
 *       asked a yes/no question
 *   <li>{@code served}: such a model behind a server of the OpenAI chat protocol
 *   <li>{@code geneval}: <a href="https://arxiv.org/abs/2310.11513">GenEval</a>'s detector and
 *       rules
 *   <li>{@code ensemble}: several of them, joined by calibrated percentiles or z-scores
 * </ul>
 *
 * Each prepares images itself, exactly as the reference implementations do with Pillow, so that it
 * judges what would be saved as PNG.
 */
@NullMarked
package org.espalier.verifiers;

import org.jspecify.annotations.NullMarked;
