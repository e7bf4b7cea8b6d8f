package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.plugins.PluginRegistry;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.study.LoadedStudy;
import org.espalier.study.PromptFiles;
import org.espalier.verifiers.VerifierImages;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier score}. */
@Command(
    name = "score",
    description = "Scores image files against a prompt.",
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init")
final class ScoreCommand implements Callable<Integer> {
  /** Pixels that are held at once, about 100 MB. */
  private static final long PIXELS_TOGETHER = 1L << 25;

  private static final int IMAGES_TOGETHER = 64;

  /** A file that was read, or could not be. */
  private record Found(Path image, Verdict.@Nullable Failed failure) {}

  private final PluginRegistry registry;
  private final Terminal terminal;

  @Parameters(arity = "1..*", paramLabel = "IMAGE", description = "PNG, JPEG, GIF or BMP files.")
  List<Path> images;

  @Option(
      names = "--prompt",
      paramLabel = "TEXT",
      required = true,
      description = "What the images should show.")
  String prompt;

  @Option(
      names = "--verifier",
      paramLabel = "ID",
      description =
          "Verifier: an id, or YAML such as '{id: clip, weights: DIR}'; default:"
              + " ${DEFAULT-VALUE}.",
      defaultValue = "clip")
  String verifier;

  @Option(names = "--device", paramLabel = "DEVICE", description = "cpu, gpu, gpu:N or auto.")
  String device = "cpu";

  @Option(names = "--json", description = "The scores as JSON on the standard output.")
  boolean json;

  @Inject
  ScoreCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Prompt text = Prompt.of("00000", PromptFiles.requireText(prompt, "--prompt"));
    List<Map<String, Object>> results = new ArrayList<>();
    try (Verifier judge =
        registry
            .verifier(Snippets.verifier(verifier))
            .loader()
            .apply(LoadedStudy.context(device, Path.of("").toAbsolutePath(), registry))) {
      List<Found> found = new ArrayList<>();
      List<Judgement> batch = new ArrayList<>();
      long pixels = 0;
      for (Path image : images) {
        try {
          RgbImage read = VerifierImages.read(image);
          found.add(new Found(image, null));
          batch.add(new Judgement(image.toString(), text, Artifact.of(read)));
          pixels += (long) read.width() * read.height();
        } catch (EspalierException e) {
          String reason = String.valueOf(e.getMessage()).replace('\n', ' ');
          found.add(new Found(image, new Verdict.Failed(reason)));
        }
        if (pixels >= PIXELS_TOGETHER || batch.size() == IMAGES_TOGETHER) {
          results.addAll(report(judge, batch, found));
          pixels = 0;
        }
      }
      results.addAll(report(judge, batch, found));
    } catch (UnsupportedOperationException e) {
      throw new EspalierException(
          EspalierException.Code.CAPABILITY,
          "The verifier (" + verifier + ") cannot judge a bare prompt: " + e.getMessage() + ".",
          "Maybe choose another.",
          e);
    }
    if (json) {
      terminal.out().println(Results.json(results));
    }
    return results.stream().anyMatch(line -> line.containsKey("failed"))
        ? ExitCode.SOME_FAILED.code()
        : ExitCode.DONE.code();
  }

  /** Judges what has been read, and reports it and what could not be read, in order. */
  private List<Map<String, Object>> report(
      Verifier judge, List<Judgement> batch, List<Found> found) {
    Iterator<Verdict> judged =
        batch.isEmpty() ? Collections.emptyIterator() : judge.verify(batch).iterator();
    List<Map<String, Object>> results = new ArrayList<>();
    for (Found file : found) {
      Verdict verdict = file.failure != null ? file.failure : judged.next();
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("image", file.image.toString());
      if (verdict instanceof Verdict.Scored scored) {
        line.put("score", scored.value());
        line.put("parts", scored.parts());
      } else if (verdict instanceof Verdict.Failed reason) {
        line.put("failed", reason.reason());
      }
      results.add(line);
      if (!json) {
        Object value =
            line.containsKey("score") ? line.get("score") : "FAILED " + line.get("failed");
        terminal.out().println(file.image + "\t" + value);
      }
    }
    batch.clear();
    found.clear();
    return results;
  }
}
