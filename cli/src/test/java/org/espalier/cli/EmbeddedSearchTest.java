package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.imageio.ImageIO;
import org.espalier.api.EspalierException;
import org.espalier.engine.Search;
import org.espalier.engine.SearchOutcome;
import org.espalier.plugins.Plugins;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Verifier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Espalier within another program. */
class EmbeddedSearchTest {

  @Test
  void theProgramOfThePageRuns(@TempDir Path directory) throws IOException {
    Path image = directory.resolve("circle.png");
    EmbeddedSearch.main(new String[] {"a photo of a red circle", image.toString()});
    assertThat(ImageIO.read(image.toFile()).getWidth()).isPositive();
  }

  @Test
  void searchesOfSeveralThreadsAreThoseOfOne() throws Exception {
    Plugins plugins = Plugins.onClassPath();
    try (GenerativeModel model = plugins.model("toy-scale", Map.of("steps", 4));
        Verifier target = plugins.verifier("toy-target", Map.of())) {
      Search search =
          Search.of(model)
              .verifier(target)
              .strategy(plugins.strategy("beam", Map.of("width", 2)))
              .samples(8);
      List<Double> alone = new ArrayList<>();
      for (int seed = 0; seed < 8; seed++) {
        alone.add(search.seed(seed).run("a red circle").score());
      }
      ExecutorService pool = Executors.newFixedThreadPool(4);
      try {
        List<Future<SearchOutcome>> together = new ArrayList<>();
        for (int seed = 0; seed < 8; seed++) {
          long own = seed;
          together.add(pool.submit(() -> search.seed(own).run("a red circle")));
        }
        for (int seed = 0; seed < 8; seed++) {
          assertThat(together.get(seed).get().score()).isEqualTo(alone.get(seed));
        }
      } finally {
        pool.shutdown();
      }
      JsonNode ledger = new ObjectMapper().readTree(search.run("a red circle").ledger().toJson());
      assertThat(ledger.path("total").path("nfe").asLong()).isPositive();
      assertThat(ledger.path("byPhase").path("generate").path("flops").asLong()).isPositive();
    }
  }

  @Test
  void whatIsMissingOrMistakenIsSaid() {
    Plugins plugins = Plugins.onClassPath();
    assertThatThrownBy(() -> plugins.strategy("baem", Map.of()))
        .isInstanceOf(EspalierException.class)
        .hasMessageContainingAll("[CONFIG]", "(baem)", "Maybe you mean beam");
    assertThatThrownBy(() -> plugins.strategy("beam", Map.of("widht", 2)))
        .hasMessageContainingAll("[CONFIG]", "(widht)", "Maybe you mean width");
    try (GenerativeModel model = plugins.model("toy-scale", Map.of("steps", 4));
        Verifier target = plugins.verifier("toy-target", Map.of())) {
      assertThatThrownBy(() -> Search.of(model).run("x"))
          .hasMessageContainingAll("[CONFIG]", "no verifier");
      assertThatThrownBy(() -> Search.of(model).verifier(target).run("x"))
          .hasMessageContainingAll("[CONFIG]", "no strategy");
      assertThatThrownBy(() -> Search.of(model).samples(0.5))
          .hasMessageContainingAll("[CONFIG]", "0.5 samples");
    }
  }
}
