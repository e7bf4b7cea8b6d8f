package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.Draw;
import org.espalier.api.Expansion;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;
import org.espalier.compute.Phase;
import org.espalier.engine.SearchOutcome;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.NativeMemory;
import org.espalier.spi.RgbImage;
import org.espalier.testkit.SearchRun;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.TableVerifier;
import org.espalier.torch.TorchTensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where memory does not suffice, evaluations are dropped and repeated; nothing else changes. */
class ReplayTest {
  @TempDir Path directory;

  /** A beam of two with three children each, every one rolled out and verified. */
  private static final class Beam implements SearchStrategy {
    @Override
    public StrategyCard card() {
      return StrategyCard.of(
          "beam", "Two of six.", "https://example.org", Capability.STOCHASTIC_STEP);
    }

    @Override
    public Candidate search(SearchContext context) {
      List<Trajectory> beam =
          context.begin(
              List.of(
                  Draw.fresh(context.stream("root").child(0)),
                  Draw.fresh(context.stream("root").child(1))));
      for (int step = 0; step < context.horizon(); step++) {
        List<Expansion> batch = new ArrayList<>();
        for (int i = 0; i < beam.size(); i++) {
          List<Draw> draws = new ArrayList<>();
          for (int c = 0; c < 3; c++) {
            draws.add(Draw.fresh(context.stream("step").child(step).child(i).child(c)));
          }
          batch.add(new Expansion(beam.get(i), draws));
        }
        List<Trajectory> children = new ArrayList<>();
        context.expand(batch).forEach(children::addAll);
        List<Candidate> verified = context.verify(VerifierRole.SEARCH, context.complete(children));
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < children.size(); i++) {
          order.add(i);
        }
        order.sort(Comparator.comparingDouble(i -> -verified.get(i).rank()));
        beam = List.of(children.get(order.get(0)), children.get(order.get(1)));
        context.retainOnly(beam);
      }
      return context.answer();
    }
  }

  private static Verdict brightness(RgbImage image) {
    double sum = 0;
    for (byte value : image.rgb()) {
      sum += value & 0xff;
    }
    return Verdict.scored(sum / image.rgb().length);
  }

  private GenerativeModel load(Path weights, NativeMemory memory) {
    return InfinityLoader.load(
        InfinityConfig.of(weights.toString()),
        LoadContext.builder().baseDirectory(directory).memory(memory).build());
  }

  private static SearchOutcome search(GenerativeModel model) {
    SearchRun run =
        SearchTestKit.strategy(new Beam())
            .model(model)
            .verifier(VerifierRole.SEARCH, new TableVerifier(ReplayTest::brightness))
            .nfe(100_000)
            .run();
    run.balances().leavesNothing();
    return run.outcome();
  }

  private SearchOutcome search(Path weights, NativeMemory memory) {
    long live = TorchTensor.liveBytes();
    try (GenerativeModel model = load(weights, memory)) {
      return search(model);
    } finally {
      assertThat(TorchTensor.liveBytes()).isEqualTo(live);
      assertThat(memory.used()).as("bytes of the account, all given back").isZero();
    }
  }

  @Test
  void modelsOfOneProcessHaveALimitEach() {
    Path weights = TinyModel.write(directory);
    try (GenerativeModel narrow = load(weights, NativeMemory.of(1));
        GenerativeModel wide = load(weights, NativeMemory.unlimited())) {
      SearchOutcome forgetting = search(narrow);
      assertThat(forgetting.ledger().phase(Phase.REPLAY).nfe()).isPositive();
      SearchOutcome remembering = search(wide);
      assertThat(remembering.ledger().phase(Phase.REPLAY)).isEqualTo(Cost.ZERO);
      assertThat(search(narrow).ledger().phase(Phase.REPLAY))
          .isEqualTo(forgetting.ledger().phase(Phase.REPLAY));
      assertThat(remembering.image().rgb()).isEqualTo(forgetting.image().rgb());
    }
  }

  @Test
  void aSearchThatForgetsFindsTheSame() {
    Path weights = TinyModel.write(directory);
    SearchOutcome remembering = search(weights, NativeMemory.unlimited());
    SearchOutcome forgetting = search(weights, NativeMemory.of(1));

    assertThat(forgetting.image().rgb()).isEqualTo(remembering.image().rgb());
    assertThat(forgetting.score()).isEqualTo(remembering.score());
    assertThat(forgetting.tree()).hasSameSizeAs(remembering.tree());
    assertThat(forgetting.ledger().total().withWallNanos(0))
        .isEqualTo(remembering.ledger().total().withWallNanos(0));
    assertThat(remembering.ledger().byPhase()).doesNotContainKey(Phase.REPLAY);
    Cost replayed = forgetting.ledger().phase(Phase.REPLAY);
    assertThat(replayed.nfe()).isPositive();
    assertThat(replayed.rows()).isEqualTo(2 * replayed.nfe());
    assertThat(replayed.tokens()).isPositive();
    assertThat(replayed.flops()).isPositive();
  }

  /** A step of Janus draws several tokens, whose keys and values are made again as well. */
  @Test
  void modelsThatDrawTokenByTokenForgetAlike() {
    JanusConfig config = TinyJanus.config(TinyJanus.write(directory), 3);
    SearchOutcome[] outcomes = new SearchOutcome[2];
    for (int i = 0; i < 2; i++) {
      NativeMemory memory = i == 0 ? NativeMemory.unlimited() : NativeMemory.of(1);
      LoadContext context = LoadContext.builder().baseDirectory(directory).memory(memory).build();
      try (GenerativeModel model = JanusLoader.load(config, context)) {
        outcomes[i] = search(model);
      }
      assertThat(memory.used()).as("bytes of the account, all given back").isZero();
    }
    assertThat(outcomes[1].image().rgb()).isEqualTo(outcomes[0].image().rgb());
    assertThat(outcomes[1].ledger().total().withWallNanos(0))
        .isEqualTo(outcomes[0].ledger().total().withWallNanos(0));
    assertThat(outcomes[0].ledger().byPhase()).doesNotContainKey(Phase.REPLAY);
    assertThat(outcomes[1].ledger().phase(Phase.REPLAY).nfe()).isPositive();
  }

  @Test
  void aLimitThatSufficesRepeatsNothing() {
    Path weights = TinyModel.write(directory);
    assertThat(search(weights, NativeMemory.of("1GiB")).ledger().phase(Phase.REPLAY))
        .isEqualTo(Cost.ZERO);
  }
}
