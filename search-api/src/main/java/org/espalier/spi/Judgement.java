package org.espalier.spi;

import org.espalier.api.Prompt;

/**
 * An image to be judged.
 *
 * @param candidateId by which scores are joined; never by order of arrival
 * @param prompt what the image should show
 * @param artifact the image
 */
public record Judgement(String candidateId, Prompt prompt, Artifact artifact) {}
