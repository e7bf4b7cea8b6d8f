package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.espalier.api.SearchContext;
import org.espalier.engine.SearchEngine;
import org.espalier.testkit.StrategyContract;
import org.junit.jupiter.api.Test;

/**
 * What the last release offered to plugins and hosts is still there, or its loss has a reason in
 * {@code published-api/breaks.txt}, which CHANGELOG.md tells in words. Before the first release on
 * Maven Central there is no jar to compare with: the baseline is a list of signatures.
 */
class PublishedApiTest {
  private static final String BASELINE = "0.1.0";

  private static List<String> lines(String resource) throws IOException {
    try (InputStream in =
        Objects.requireNonNull(PublishedApiTest.class.getResourceAsStream(resource))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(line -> !line.isBlank() && !line.startsWith("#"))
          .toList();
    }
  }

  private static SortedSet<String> offered(Class<?> anyOf) throws URISyntaxException {
    Path classes = Path.of(anyOf.getProtectionDomain().getCodeSource().getLocation().toURI());
    return Signatures.of(classes, anyOf.getClassLoader());
  }

  @Test
  void keepsWhatWasPublishedOrSaysWhyNot() throws IOException, URISyntaxException {
    SortedSet<String> now = new TreeSet<>();
    for (Class<?> module :
        List.of(SearchContext.class, SearchEngine.class, StrategyContract.class)) {
      now.addAll(offered(module));
    }
    SortedSet<String> gone = new TreeSet<>(lines("/published-api/" + BASELINE + ".txt"));
    assertThat(gone).as("the baseline").hasSizeGreaterThan(300);
    gone.removeAll(now);

    Map<String, String> reasons = new TreeMap<>();
    String reason = "";
    for (String line : lines("/published-api/breaks.txt")) {
      if (line.startsWith("-- ")) {
        reason = line.substring(3);
      } else {
        assertThat(reason).as("the reason why there is no " + line).isNotBlank();
        reasons.put(line, reason);
      }
    }
    assertThat(gone)
        .as("published in %s and gone without a reason in breaks.txt", BASELINE)
        .isSubsetOf(reasons.keySet());
    assertThat(reasons.keySet()).as("said to be gone, but there").isSubsetOf(gone);
  }
}
