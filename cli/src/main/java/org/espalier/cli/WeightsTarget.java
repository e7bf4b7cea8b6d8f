package org.espalier.cli;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.plugins.PluginRegistry;
import org.espalier.plugins.PluginSpec;
import org.espalier.study.Study;
import org.espalier.study.StudySource;
import org.espalier.weights.HubId;
import org.jspecify.annotations.Nullable;

/**
 * The models and verifiers that an argument names: those of a study, or one in YAML.
 *
 * @param parts by what messages call them
 * @param base against which their paths are resolved
 */
record WeightsTarget(Map<String, PluginRegistry.Bound<?>> parts, Path base) {
  /**
   * Finds them.
   *
   * @param text a study file, or YAML
   * @param registry the plugins
   */
  static WeightsTarget of(String text, PluginRegistry registry) {
    Path file = file(text);
    if (file != null) {
      Study study = Study.bind(StudySource.read(file, List.of()), registry);
      return new WeightsTarget(HubCheckpoints.parts(study), study.source().base());
    }
    PluginSpec spec = Snippets.plugin("STUDY|MODEL", text);
    Map<String, PluginRegistry.Bound<?>> parts = new LinkedHashMap<>();
    boolean verifier =
        registry.verifiers().containsKey(spec.id()) && !registry.models().containsKey(spec.id());
    parts.put(
        (verifier ? "verifier " : "model ") + spec.id(),
        verifier ? registry.verifier(Snippets.verifier(text)) : registry.model(spec));
    return new WeightsTarget(parts, Path.of("").toAbsolutePath());
  }

  private static @Nullable Path file(String text) {
    try {
      Path file = Path.of(text);
      return Files.isRegularFile(file) ? file : null;
    } catch (InvalidPathException e) {
      return null;
    }
  }

  /**
   * What an argument refers to on the hub.
   *
   * @param text a reference, a study file, or YAML
   * @param registry the plugins
   * @param hub finds the references of a part
   */
  static List<HubId> references(String text, PluginRegistry registry, HubCheckpoints hub) {
    if (text.startsWith(HubId.PREFIX)) {
      return List.of(HubId.of(text));
    }
    WeightsTarget target = of(text, registry);
    List<HubId> found = new ArrayList<>();
    target.parts.values().forEach(part -> found.addAll(hub.references(part, target.base)));
    return found;
  }
}
