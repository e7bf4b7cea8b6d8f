package org.espalier.spi;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;
import org.espalier.api.Capability;

/**
 * What a loaded model is.
 *
 * @param id kebab-case identifier of the provider, for example {@code infinity}
 * @param weightsSha256 hash over all weights files, hex
 * @param programSha256 hash over the network programs, hex
 * @param licence SPDX identifier or name of the weights' licence
 * @param horizon steps of a complete sample
 * @param capabilities what it can do
 * @param stochasticStep for which steps children differ by their draws
 * @param width of its images in pixels
 * @param height of its images in pixels
 * @param facts further facts for provenance: dtype, guidance, sampler, parameter count, ...
 */
public record ModelCard(
    String id,
    String weightsSha256,
    String programSha256,
    String licence,
    int horizon,
    Set<Capability> capabilities,
    IntPredicate stochasticStep,
    int width,
    int height,
    Map<String, String> facts) {
  public ModelCard {
    capabilities = Set.copyOf(capabilities);
    facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
  }
}
