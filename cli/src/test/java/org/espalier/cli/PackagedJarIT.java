package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The jar and the libraries that are packaged are all that the command needs. */
@SuppressWarnings("NullAway.Init")
class PackagedJarIT {
  @TempDir Path directory;

  private String espalier(Object... arguments) throws IOException, InterruptedException {
    String path = "target/espalier-cli.jar" + File.pathSeparator + "target/lib/*";
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    command.addAll(List.of("-DPYTORCH_FLAVOR=cpu", "-Dai.djl.offline=true"));
    command.addAll(List.of("-Dai.djl.pytorch.graph_optimizer=false", "-cp", path));
    command.add(Main.class.getName());
    for (Object argument : arguments) {
      command.add(argument.toString());
    }
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    return output;
  }

  @Test
  void theQuickstartRunsAndIsExported() throws IOException, InterruptedException {
    Path run = directory.resolve("run");
    assertThat(
            espalier(
                "run",
                "../examples/studies/quickstart.yaml",
                "--set",
                "prompts.limit=1",
                "--set",
                "budgets.levels=[4x]",
                "--out",
                run))
        .contains("report:");
    espalier("export", run, "--to", "csv,parquet,markdown,latex,json,geneval,t2i-compbench,mlflow");
    assertThat(run.resolve("export/parquet/cells.parquet")).isNotEmptyFile();
    assertThat(Files.readString(run.resolve("report/index.html"))).contains("quickstart");
  }

  @Test
  void everyPluginIsListed() throws IOException, InterruptedException {
    assertThat(espalier("plugins")).contains("best-of-n", "beam", "infinity", "flux", "clip");
  }
}
