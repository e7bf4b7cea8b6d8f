package org.espalier.spi;

import org.espalier.api.Prompt;

/**
 * An image to be judged.
 *
 * @param candidateId by which verdicts are joined ({@link Verifier#verifyById}); different within a
 *     batch
 * @param prompt what the image should show
 * @param artifact the image
 */
public record Judgement(String candidateId, Prompt prompt, Artifact artifact) {}
