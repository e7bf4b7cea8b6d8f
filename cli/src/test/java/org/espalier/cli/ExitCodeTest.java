package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.espalier.api.EspalierException;
import org.junit.jupiter.api.Test;
import picocli.CommandLine.Command;

class ExitCodeTest {
  @Test
  void theHelpPrintsTheTable() {
    assertThat(Main.class.getAnnotation(Command.class).exitCodeList())
        .containsExactly(
            Arrays.stream(ExitCode.values()).map(ExitCode::help).toArray(String[]::new));
  }

  @Test
  void onlyADefectEndsWithOne() {
    for (EspalierException.Code code : EspalierException.Code.values()) {
      assertThat(ExitCode.of(code))
          .isEqualTo(code == EspalierException.Code.NATIVE ? ExitCode.DEFECT : ExitCode.USER_ERROR);
    }
  }
}
