package org.espalier.verifiers;

import java.util.List;
import java.util.Map;
import org.espalier.api.Prompt;
import org.espalier.spi.PluginRef;
import org.espalier.spi.Verifier;
import org.espalier.testkit.VerifierContract;
import org.junit.jupiter.api.AfterEach;

/** Asked over a served judge. */
class QuestionListContractTest extends VerifierContract {
  private final ChatStub stub = new ChatStub();

  @AfterEach
  void stop() {
    stub.close();
  }

  @Override
  protected Verifier create() {
    return new QuestionListProvider()
        .load(
            new QuestionListConfig(
                PluginRef.verifier(
                    new ServedProvider(),
                    ServedJudgeTest.config(stub).asking("{prompt} Answer in one word.").build()),
                null),
            ServedJudgeTest.CONTEXT);
  }

  @Override
  protected Prompt prompt() {
    return new Prompt(
        "contract",
        "a red circle",
        "",
        Map.of(
            "vqa_list",
            List.of(List.of("Is there a circle?", "Yes"), List.of("Is it red?", "yes"))));
  }
}
