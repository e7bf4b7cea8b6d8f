package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.espalier.api.AutoInt;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.engine.EngineOptions;
import org.espalier.engine.SearchEngine;
import org.espalier.engine.SearchRequest;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelCard;
import org.espalier.spi.ModelState;
import org.espalier.spi.RewindRow;
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;
import org.junit.jupiter.api.Test;

/** A model whose states complain when they are closed: all are closed nevertheless, each once. */
class FailingCloseTest {

  private static final class Grumbling implements GenerativeModel {
    final List<Grumble> states = new ArrayList<>();

    static final class Grumble implements ModelState {
      private final int step;
      private final int number;
      int closed;

      Grumble(int step, int number) {
        this.step = step;
        this.number = number;
      }

      @Override
      public int step() {
        return step;
      }

      @Override
      public boolean dependsOnParent() {
        return step > 0;
      }

      @Override
      public long nativeBytes() {
        return 1;
      }

      @Override
      public void close() {
        closed++;
        throw new IllegalStateException("grumble " + number);
      }
    }

    private ModelState state(int step) {
      Grumble state = new Grumble(step, states.size());
      states.add(state);
      return state;
    }

    @Override
    public ModelCard card() {
      return new ToyScaleModel(1, 1, 1).card();
    }

    @Override
    public Cost quote(Work work) {
      return work instanceof Work.Step ? Cost.generate(1, 0, 0, 0) : Cost.ZERO;
    }

    @Override
    public List<Conditioning> encode(List<Prompt> batch) {
      return List.of(new ToyModel.ToyConditioning(""));
    }

    @Override
    public List<ModelState> begin(List<Root> batch) {
      return batch.stream().map(root -> state(0)).toList();
    }

    @Override
    public List<List<ModelState>> expand(List<Branch> batch) {
      List<List<ModelState>> result = new ArrayList<>();
      for (Branch branch : batch) {
        result.add(branch.draws().stream().map(n -> state(branch.state().step() + 1)).toList());
      }
      return result;
    }

    @Override
    public List<ModelState> rewind(List<RewindRow> batch) {
      throw new UnsupportedOperationException();
    }

    @Override
    public List<Artifact> decode(List<DecodeRow> batch) {
      throw new IllegalStateException("no decoder today");
    }

    @Override
    public WorkCounters counters() {
      return WorkCounters.ZERO;
    }

    @Override
    public void close() {}
  }

  @Test
  void everyStateIsClosedOnceAndNoComplaintIsLost() {
    Grumbling model = new Grumbling();
    // Expanding is free here in FLOPs, so a cap is needed.
    SearchRequest request =
        new SearchRequest(
            "x",
            new ReferenceRandomSearch(AutoInt.of(3)),
            model,
            Map.of(VerifierRole.SEARCH, new TargetVerifier()),
            Prompt.of("p", "p"),
            new Budget(ComputeUnit.FLOPS, 1e9, Map.of(ComputeUnit.NFE, 100.0)),
            DrawKey.root(1),
            EngineOptions.defaults());
    assertThatThrownBy(() -> new SearchEngine().run(request))
        .hasMessageContaining("no decoder today")
        .satisfies(
            e -> {
              String all = everything(e);
              for (Grumbling.Grumble state : model.states) {
                assertThat(all).contains("grumble " + state.number);
              }
            });
    assertThat(model.states).isNotEmpty().allSatisfy(s -> assertThat(s.closed).isEqualTo(1));
  }

  private static String everything(Throwable e) {
    StringBuilder text = new StringBuilder(String.valueOf(e.getMessage())).append('\n');
    for (Throwable suppressed : e.getSuppressed()) {
      text.append(everything(suppressed));
    }
    return text.toString();
  }
}
