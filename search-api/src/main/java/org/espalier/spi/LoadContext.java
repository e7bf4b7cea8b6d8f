package org.espalier.spi;

import java.nio.file.Path;

/**
 * Where and how a network is to be loaded.
 *
 * @param device {@code cpu}, {@code gpu}, {@code gpu:N} or {@code auto}
 * @param baseDirectory against which relative weight paths are resolved
 * @param verifiers loads the members of a composed verifier
 */
public record LoadContext(String device, Path baseDirectory, VerifierLoader verifiers) {}
