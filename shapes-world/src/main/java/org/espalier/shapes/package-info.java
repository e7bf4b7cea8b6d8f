/**
 * The embedded default: a procedural world of flat shapes with prompts after GenEval (<a
 * href="https://arxiv.org/abs/2310.11513">Ghosh et al. 2023</a>) and T2I-CompBench (<a
 * href="https://arxiv.org/abs/2307.06350">Huang et al. 2023</a>), an exact evaluator, and the
 * weights of small models that were trained on it.
 */
@NullMarked
package org.espalier.shapes;

import org.jspecify.annotations.NullMarked;
