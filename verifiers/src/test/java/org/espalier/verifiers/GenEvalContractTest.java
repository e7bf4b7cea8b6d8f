package org.espalier.verifiers;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.espalier.api.Prompt;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.testkit.VerifierContract;
import org.junit.jupiter.api.io.TempDir;

/** The small detector takes everything for thing0: six of them in most pictures, fewer in one. */
@SuppressWarnings("NullAway.Init")
class GenEvalContractTest extends VerifierContract {
  @TempDir Path directory;

  @Override
  protected Verifier create() {
    TinyCheckpoints.mask2former(directory);
    return new GenEvalProvider()
        .load(
            new GenEvalConfig(".", null, null, null, null, null, null, null),
            new LoadContext("cpu", directory, ServedJudgeTest.CONTEXT.verifiers()));
  }

  @Override
  protected Prompt prompt() {
    return new Prompt(
        "contract",
        "six things",
        "",
        Map.of("include", List.of(Map.of("class", "thing0", "count", 6))));
  }
}
