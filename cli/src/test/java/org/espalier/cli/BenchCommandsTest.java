package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.espalier;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** {@code espalier bench} on the nano weights and the CPU: that it measures what it says. */
class BenchCommandsTest {
  @Test
  void countsTheWorkOfAModel() throws IOException {
    CommandLineKit.Ended ended =
        espalier(
            "bench",
            "model",
            "--model",
            "infinity",
            "--weights",
            "nano",
            "--batch",
            "1,2",
            "--repeat",
            "1",
            "--json");
    assertThat(ended.code()).as(ended.err()).isZero();
    JsonNode results = new ObjectMapper().readTree(ended.out());
    assertThat(results).hasSize(2);
    JsonNode one = results.get(0);
    JsonNode two = results.get(1);
    assertThat(one.get("secondsPerStep")).hasSize(7);
    assertThat(one.get("pixels").asText()).isEqualTo(two.get("pixels").asText());
    // Rows of a batch share nothing on the CPU: the work of an image is the same.
    assertThat(two.get("teraflopPerImage").asDouble())
        .isEqualTo(one.get("teraflopPerImage").asDouble());
    assertThat(one.get("secondsPerImage").asDouble()).isPositive();
    // two timings of one sample, two of two
    assertThat(one.get("diversityOf").asInt()).isEqualTo(2);
    assertThat(two.get("diversityOf").asInt()).isEqualTo(4);
    assertThat(two.get("diversityInPixels").asDouble()).isBetween(1e-4, 1.0);
    assertThat(two.get("diversityInFeatures").asDouble()).isBetween(1e-4, 2.0);
  }

  @Test
  void theCpuDoesNotDriftFromItself() throws IOException {
    CommandLineKit.Ended ended =
        espalier(
            "bench",
            "drift",
            "--model",
            "{id: infinity, weights: nano}",
            "--device",
            "cpu",
            "--samples",
            "1",
            "--json");
    assertThat(ended.code()).as(ended.err()).isZero();
    JsonNode result = new ObjectMapper().readTree(ended.out()).get(0);
    assertThat(result.get("sameCandidateSelected").asText()).isEqualTo("4 of 4");
    assertThat(result.get("meanPixelDifference").asDouble()).isZero();
    assertThat(result.get("largestScoreDifference").asDouble()).isZero();
  }

  @Test
  void refusesSizesThatWereNotPublished() {
    CommandLineKit.Ended ended = espalier("bench", "model", "--model", "infinity:3b");
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).contains("[CONFIG] ", "The size (3b) of Infinity", "random:2b");
  }
}
