package org.espalier.cli;

import java.nio.file.Path;
import java.util.Map;
import org.espalier.engine.Search;
import org.espalier.engine.SearchOutcome;
import org.espalier.plugins.Plugins;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Verifier;

/** A program that searches for one image: no YAML, no command line. */
public final class EmbeddedSearch {
  private EmbeddedSearch() {}

  /**
   * Searches and writes the image.
   *
   * @param args the prompt, and the file
   */
  public static void main(String[] args) {
    Plugins plugins = Plugins.onClassPath();
    try (GenerativeModel model = plugins.model("infinity", Map.of("weights", "nano"));
        Verifier clip = plugins.verifier("clip", Map.of("weights", "nano"))) {
      SearchOutcome outcome =
          Search.of(model)
              .strategy(plugins.strategy("beam", Map.of("width", 2)))
              .verifier(clip)
              .samples(8)
              .seed(7)
              .run(args[0]);
      outcome.writePng(Path.of(args[1]));
      System.out.println(outcome.score() + " " + outcome.ledger().toJson());
    }
  }
}
