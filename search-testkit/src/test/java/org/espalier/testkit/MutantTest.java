package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import java.util.function.Consumer;
import org.espalier.api.AutoInt;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.engine.EngineOptions;
import org.espalier.engine.SearchEngine;
import org.espalier.engine.SearchRequest;
import org.espalier.spi.GenerativeModel;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Models with one fault each are refused by the engine or by the contract of models. */
class MutantTest {
  private static SearchRun search(Mutant.Fault fault) {
    return SearchTestKit.strategy(new ReferenceRandomSearch(AutoInt.of(3)))
        .model(new Mutant(fault))
        .verifier(
            VerifierRole.SEARCH, new TableVerifier(image -> Verdict.scored(image.at(0, 0, 0))))
        .run();
  }

  @Test
  void anHonestOneIsAccepted() {
    search(Mutant.Fault.NONE).balances();
  }

  @ParameterizedTest
  @CsvSource({
    "JUMPS, PLUGIN_CONTRACT, at step (4) instead of 1",
    "STANDS_STILL, PLUGIN_CONTRACT, at step (0) instead of 1",
    "COUNTS_NOTHING, PLUGIN_CONTRACT, counted less work",
    "COUNTS_BACKWARDS, PLUGIN_CONTRACT, ran backwards",
    "QUOTES_NO_EVALUATION, PLUGIN_CONTRACT, quotes 0 network evaluations for 1 children",
    "ANSWERS_NULL, PLUGIN_CONTRACT, with a null",
    "THROWS_A_CHECKED_EXCEPTION, NATIVE, IOException: on fire",
    "THROWS_AN_ERROR, NATIVE, OutOfMemoryError: on fire",
    "INTERRUPTS, PLUGIN_CONTRACT, left its thread interrupted"
  })
  void aFaultCostsItsSearchAndSaysWhatItIs(
      Mutant.Fault fault, EspalierException.Code code, String message) {
    // Without the kit, whose gate round the model trips over some faults itself.
    SearchRequest request =
        new SearchRequest(
            "x",
            new ReferenceRandomSearch(AutoInt.of(3)),
            new Mutant(fault),
            Map.of(VerifierRole.SEARCH, new TargetVerifier()),
            Prompt.of("p", "p"),
            Budget.of(ComputeUnit.FLOPS, 1e9),
            DrawKey.root(1),
            EngineOptions.defaults());
    assertThatThrownBy(() -> new SearchEngine().run(request))
        .isInstanceOfSatisfying(EspalierException.class, e -> assertThat(e.code()).isEqualTo(code))
        .hasMessageContaining(message);
    assertThat(Thread.currentThread().isInterrupted()).isFalse();
  }

  private static void contract(Mutant.Fault fault, Consumer<ModelContract> test) {
    ModelContract contract =
        new ModelContract() {
          @Override
          protected GenerativeModel create() {
            return new Mutant(fault);
          }
        };
    contract.load();
    try {
      test.accept(contract);
    } finally {
      contract.unload();
    }
  }

  @Test
  void theContractCatchesNoiseThatIgnoresTheStep() {
    contract(Mutant.Fault.NONE, ModelContract::usesNewNumbersAtEachStep);
    assertThatThrownBy(
            () -> contract(Mutant.Fault.IGNORES_THE_STEP, ModelContract::usesNewNumbersAtEachStep))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("spread of images");
  }

  @Test
  void theContractCatchesFalseLogProbabilities() {
    contract(Mutant.Fault.NONE, ModelContract::logProbabilitiesAreThoseOfTheDraws);
    for (Mutant.Fault fault :
        new Mutant.Fault[] {
          Mutant.Fault.NEGATES_LOG_PROBABILITIES, Mutant.Fault.CONSTANT_LOG_PROBABILITIES
        }) {
      assertThatThrownBy(() -> contract(fault, ModelContract::logProbabilitiesAreThoseOfTheDraws))
          .as(fault.toString())
          .isInstanceOf(AssertionError.class);
    }
  }
}
