package org.espalier.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.espalier.plugins.PluginRegistry;
import org.espalier.study.Study;
import org.espalier.weights.HubDownload;
import org.espalier.weights.HubId;
import org.espalier.weights.HubReferences;
import org.espalier.weights.Places;
import org.jspecify.annotations.Nullable;

/** Gets checkpoints of the hub that a study, model or verifier refers to. */
final class HubCheckpoints {
  private final PluginRegistry registry;
  private final Terminal terminal;

  HubCheckpoints(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  /** The models and verifiers of a study, by what messages call them. */
  static Map<String, PluginRegistry.Bound<?>> parts(Study study) {
    Map<String, PluginRegistry.Bound<?>> parts = new LinkedHashMap<>();
    study.models().forEach((name, bound) -> parts.put("model " + name, bound));
    parts.put("search verifier", study.search());
    if (study.prior() != null) {
      parts.put("prior verifier", Objects.requireNonNull(study.prior()));
    }
    study.evaluators().forEach(bound -> parts.put("evaluator " + bound.id(), bound));
    for (Study.Arm arm : study.arms()) {
      if (arm.search() != study.search()) {
        parts.put("search verifier of " + arm.label(), arm.search());
      }
    }
    return parts;
  }

  /**
   * What a part refers to on the hub.
   *
   * @param bound a model or verifier
   * @param base against which paths are resolved
   */
  List<HubId> references(PluginRegistry.Bound<?> bound, Path base) {
    Object provider =
        registry.models().containsKey(bound.id())
            ? registry.models().get(bound.id())
            : registry.verifiers().get(bound.id());
    return HubReferences.of(
        bound.config(),
        Objects.requireNonNullElse(provider, bound),
        text -> Files.exists(base.resolve(Places.expand(text))));
  }

  /**
   * Gets all that a study refers to.
   *
   * @param study whose models and verifiers are bound
   */
  void get(Study study) {
    List<HubId> wanted = new ArrayList<>();
    parts(study).values().forEach(part -> wanted.addAll(references(part, study.source().base())));
    get(wanted);
  }

  /**
   * Gets checkpoints, with a bar on a terminal and a line a file elsewhere.
   *
   * @param wanted references
   */
  void get(List<HubId> wanted) {
    for (HubId id : wanted.stream().distinct().toList()) {
      try (Bar bar = new Bar()) {
        Path path = HubDownload.ofUser(bar).get(id);
        bar.end();
        terminal.out().println(id + ": " + path);
      }
    }
  }

  /** A size as people read it. */
  static String size(long bytes) {
    return bytes >= 1_000_000_000
        ? String.format(Locale.ROOT, "%.2f GB", bytes / 1e9)
        : bytes >= 1_000_000
            ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
            : String.format(Locale.ROOT, "%.1f kB", bytes / 1e3);
  }

  private final class Bar implements HubDownload.Progress, AutoCloseable {
    private String current = "";
    private @Nullable ProgressBar bar;

    @Override
    public void at(String file, long done, long size) {
      if (!file.equals(current)) {
        end();
        current = file;
        if (terminal.interactive()) {
          bar =
              new ProgressBarBuilder()
                  .setTaskName(file)
                  .setInitialMax(size)
                  .setUnit(" MB", 1_000_000)
                  .showSpeed()
                  .setStyle(ProgressBarStyle.ASCII)
                  .setUpdateIntervalMillis(200)
                  .build();
        } else {
          terminal.err().println("getting: " + file + " (" + size(size) + ")");
        }
      }
      if (bar != null) {
        bar.stepTo(done);
      }
    }

    void end() {
      if (bar != null) {
        bar.close();
        bar = null;
      }
    }

    @Override
    public void close() {
      end();
    }
  }
}
