package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.ArrayList;
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
import org.espalier.spi.Verifier;
import org.espalier.study.LoadedStudy;
import org.espalier.study.PromptFiles;
import org.espalier.verifiers.VerifierImages;
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
          "Who judges: an id, or YAML such as '{id: clip, weights: DIR}'; default:"
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
    List<Judgement> batch = new ArrayList<>();
    Prompt text = Prompt.of("00000", PromptFiles.requireText(prompt, "--prompt"));
    for (Path image : images) {
      batch.add(new Judgement(image.toString(), text, Artifact.of(VerifierImages.read(image))));
    }
    List<Object> results = new ArrayList<>();
    boolean failed = false;
    try (Verifier judge =
        registry
            .verifier(Snippets.verifier(verifier))
            .loader()
            .apply(LoadedStudy.context(device, Path.of("").toAbsolutePath(), registry))) {
      List<Verdict> verdicts = judge.verify(batch);
      for (int i = 0; i < verdicts.size(); i++) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("image", images.get(i).toString());
        if (verdicts.get(i) instanceof Verdict.Scored scored) {
          line.put("score", scored.value());
          line.put("parts", scored.parts());
        } else if (verdicts.get(i) instanceof Verdict.Failed reason) {
          failed = true;
          line.put("failed", reason.reason());
        }
        results.add(line);
        if (!json) {
          Object value =
              line.containsKey("score") ? line.get("score") : "FAILED " + line.get("failed");
          terminal.out().println(images.get(i) + "\t" + value);
        }
      }
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
    return failed ? Main.SOME_FAILED : Main.DONE;
  }
}
