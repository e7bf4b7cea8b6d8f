package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.TOY_STUDY;
import static org.espalier.cli.CommandLineKit.espalier;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The report in a real browser: it draws, its switches work, and it asks nothing of the network.
 */
@SuppressWarnings("NullAway.Init")
class ReportBrowserTest {
  /** Uses the page as a reader would and notes in the document what came of it. */
  private static final String VISIT =
      """
      (function () {
        const seen = [];
        const inked = (id) => {
          const c = document.getElementById(id);
          const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
          let n = 0;
          for (let i = 3; i < d.length; i += 4) n += d[i] > 0 ? 1 : 0;
          return n;
        };
        const ink = () => inked('levels') + '/' + inked('anytime');
        seen.push('charts ' + (inked('levels') > 500) + ' ' + (inked('anytime') > 500));
        const pictures = new Set([document.getElementById('levels').toDataURL()]);
        for (const value of ['nfe', 'verifierCalls', 'seconds', 'flops']) {
          document.querySelector('input[name=axis][value=' + value + ']').click();
          pictures.add(document.getElementById('levels').toDataURL());
        }
        document.querySelector('input[name=measure][value=score]').click();
        pictures.add(document.getElementById('levels').toDataURL());
        seen.push('pictures ' + pictures.size);
        seen.push('gallery ' + document.querySelectorAll('#images img').length);
        document.querySelectorAll('#images button')[1].click();
        const nodes = document.querySelectorAll('#tree-svg g[role=button]');
        seen.push('nodes ' + nodes.length);
        nodes[nodes.length - 1].dispatchEvent(new MouseEvent('click', { bubbles: true }));
        seen.push('details ' + document.querySelectorAll('#node dt').length);
        seen.push('path ' + document.querySelectorAll('#tree-svg .edge.path').length);
        const before = document.getElementById('tree-svg').getAttribute('viewBox');
        document.getElementById('zoom-in').click();
        seen.push('zoom ' + (before !== document.getElementById('tree-svg').getAttribute('viewBox')));
        const theme = document.documentElement.dataset.theme;
        document.getElementById('theme').click();
        seen.push('theme ' + (theme !== document.documentElement.dataset.theme));
        seen.push('tables ' + document.querySelectorAll('#tables table').length);
        seen.push('wide ' + (document.documentElement.scrollWidth > window.innerWidth));
        seen.push('links ' + document.querySelectorAll('a[href]:not([href^=http]):not([href^="#"])').length);
        seen.push('requests ' + performance.getEntriesByType('resource').filter((e) => !e.name.startsWith('data:')).length);
        const out = document.createElement('pre');
        out.id = 'visit';
        out.textContent = seen.join('; ');
        document.body.append(out);
      })();
      """;

  @TempDir Path directory;

  private static Optional<String> browser() {
    return Stream.of("chromium", "chromium-browser", "google-chrome")
        .flatMap(
            name ->
                Stream.of(System.getenv().getOrDefault("PATH", "").split(":", -1))
                    .map(folder -> Path.of(folder, name)))
        .filter(Files::isExecutable)
        .map(Path::toString)
        .findFirst();
  }

  @Test
  @Timeout(value = 5, unit = TimeUnit.MINUTES)
  void theReportWorksInABrowserAndFetchesNothing() throws Exception {
    Assumptions.assumeTrue(browser().isPresent(), "no Chromium on the PATH");
    Path study = directory.resolve("study.yaml");
    Files.writeString(study, TOY_STUDY);
    Path out = directory.resolve("out");
    assertThat(espalier("run", study, "-q", "--out", out).code()).isZero();
    // A run from somebody else may name anything as a method's paper.
    Path plan = out.resolve("plan.json");
    Files.writeString(
        plan, Files.readString(plan).replaceFirst("https://[^\"]*", "javascript:alert(1)"));
    assertThat(espalier("report", out).code()).isZero();
    String html = Files.readString(out.resolve("report/index.html"));
    assertThat(html).contains("javascript:alert(1)");
    assertThat(html).contains("default-src 'none'").doesNotContain("sourceMappingURL");
    Path visited = directory.resolve("visited.html");
    // The page's policy names the scripts that run by their hashes.
    byte[] hash =
        MessageDigest.getInstance("SHA-256").digest(VISIT.getBytes(StandardCharsets.UTF_8));
    String allowed = "script-src 'sha256-" + Base64.getEncoder().encodeToString(hash) + "' ";
    assertThat(html).contains("script-src 'sha256-").doesNotContain("script-src 'unsafe-inline'");
    Files.writeString(
        visited,
        html.replace("script-src ", allowed)
            .replace("</body>", "<script>" + VISIT + "</script></body>"));
    for (String window : List.of("1280,900", "390,844")) {
      String dom = dump(visited, window);
      Matcher matcher = Pattern.compile("<pre id=\"visit\">([^<]*)</pre>").matcher(dom);
      assertThat(matcher.find()).as("the page's script ran to its end").isTrue();
      assertThat(List.of(matcher.group(1).split("; ", -1)))
          .as(window)
          .contains(
              "charts true true",
              "gallery 9",
              "zoom true",
              "theme true",
              "tables 2",
              "links 0",
              "requests 0",
              "wide false")
          .anyMatch(line -> line.matches("pictures [5-6]"))
          .anyMatch(line -> line.matches("nodes ([3-9]|\\d\\d+)"))
          .anyMatch(line -> line.matches("details ([4-9]|\\d\\d+)"))
          .anyMatch(line -> line.matches("path [1-9]\\d*"));
    }
  }

  private String dump(Path page, String window) throws IOException, InterruptedException {
    Path log = directory.resolve("browser.log");
    Process process =
        new ProcessBuilder(
                browser().orElseThrow(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--enable-logging=stderr",
                "--user-data-dir=" + Files.createTempDirectory(directory, "profile"),
                "--window-size=" + window,
                "--virtual-time-budget=5000",
                "--dump-dom",
                page.toUri().toString())
            .redirectError(log.toFile())
            .start();
    String dom = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    assertThat(Files.readAllLines(log).stream().filter(line -> line.contains(":CONSOLE")).toList())
        .as("errors and warnings on the console")
        .isEmpty();
    return dom;
  }
}
