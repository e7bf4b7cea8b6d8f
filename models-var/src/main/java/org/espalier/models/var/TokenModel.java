package org.espalier.models.var;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.espalier.api.Capability;
import org.espalier.api.EspalierException;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
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
import org.espalier.torch.Device;
import org.espalier.torch.RowExecutor;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchTensor;

/**
 * An autoregressive model as a step-wise sampler. Every step is stochastic, incomplete states have
 * previews, states carry the log-probability of their draws, and siblings share what their parent
 * has seen.
 */
abstract class TokenModel implements GenerativeModel {
  private final KeptNetwork network;
  private final Evaluations evaluations;
  private final ModelCard card;
  private final Prices prices = new Prices();

  /**
   * A model.
   *
   * @param network what continues trajectories
   * @param card without the horizon and the capabilities, which are settled here
   */
  TokenModel(KeptNetwork network, Card card) {
    this.network = network;
    this.evaluations = new Evaluations(network, this::step);
    this.card =
        new ModelCard(
            card.id,
            card.weightsSha256,
            card.programSha256,
            card.licence,
            network.steps(),
            EnumSet.of(Capability.STOCHASTIC_STEP, Capability.PREVIEW, Capability.LOG_PROB),
            step -> step < network.steps(),
            card.width,
            card.height,
            card.facts);
  }

  /** What the card of every such model has of its own; components as in {@link ModelCard}. */
  record Card(
      String id,
      String weightsSha256,
      String programSha256,
      String licence,
      int width,
      int height,
      Map<String, String> facts) {}

  /** An encoded prompt. */
  private record EncodedPrompt(KeptNetwork.Shared shared) implements Conditioning {
    @Override
    public void close() {
      shared.close();
    }
  }

  /**
   * Cost of encoding a prompt.
   *
   * @param text of the prompt
   */
  abstract Cost encodeCost(String text);

  /**
   * Tokens of a prompt as {@link #stepCost} counts them, by the tokenizer alone.
   *
   * @param text of the prompt
   */
  abstract int promptTokens(String text);

  /** What all steps of a prompt share. */
  abstract KeptNetwork.Shared condition(Prompt prompt);

  /**
   * Cost of expanding one state.
   *
   * @param promptTokens tokens of its prompt
   * @param step its step
   * @param draws children
   * @param cached whether its evaluation is held
   */
  abstract Cost stepCost(int promptTokens, int step, int draws, boolean cached);

  /** As {@link Evaluations.Stepper#step}. */
  abstract List<KeptNetwork.Evaluation> step(
      KeptNetwork.Shared shared, List<KeptNetwork.Row> batch, int step, boolean replay);

  /**
   * The numbers that decide a draw; empty for {@link Noise.Mode}.
   *
   * @param noise of the draw
   * @param step from 0
   */
  abstract float[] uniform(Noise noise, int step);

  /**
   * Draws children of states of one step.
   *
   * @param draws on the CPU one
   * @param step the parents'
   */
  abstract List<KeptNetwork.Child> draw(List<KeptNetwork.Draw> draws, int step);

  /** Floating-point operations of decoding one image. */
  abstract long decodeFlops();

  /**
   * Decodes what was drawn to 8-bit pixels (H, W, 3) on the host.
   *
   * @param code what was drawn
   * @param step how far it is
   * @param wait until these and all earlier pixels are there
   */
  abstract TorchTensor pixels(TorchTensor code, int step, boolean wait);

  /** Work done by its parts other than the network. */
  abstract WorkCounters otherCounters();

  /** Its parts other than the network, in the order in which they are closed. */
  abstract List<? extends AutoCloseable> parts();

  private Device device() {
    return network.device();
  }

  @Override
  public final ModelCard card() {
    return card;
  }

  @Override
  public final Cost quote(Work work) {
    return work.by(prices);
  }

  private final class Prices implements Work.Prices {
    /** Of the text asked about last: a search asks about one text very often. */
    private volatile Counted last = new Counted("", -1);

    private record Counted(String text, int tokens) {}

    private int tokens(String text) {
      Counted known = last;
      if (known.tokens < 0 || !known.text.equals(text)) {
        known = new Counted(text, promptTokens(text));
        last = known;
      }
      return known.tokens;
    }

    @Override
    public Cost encode(Work.Encode work) {
      return encodeCost(work.text());
    }

    /** A root has drawn nothing. */
    @Override
    public Cost begin(Work.Begin work) {
      return Cost.ZERO;
    }

    @Override
    public Cost step(Work.Step work) {
      return stepCost(tokens(work.prompt().text()), work.step(), work.draws(), work.cached());
    }

    /** There is no rewinding. */
    @Override
    public Cost rewind(Work.Rewind work) {
      return Cost.ZERO;
    }

    @Override
    public Cost decode(Work.Decode work) {
      return Cost.decode(1, decodeFlops());
    }
  }

  private KeptNetwork.Shared shared(Conditioning conditioning) {
    if (conditioning instanceof EncodedPrompt prompt) {
      return prompt.shared;
    }
    throw foreign(conditioning);
  }

  private TokenState own(ModelState state) {
    if (state instanceof TokenState own) {
      return own;
    }
    throw foreign(state);
  }

  private EspalierException foreign(Object object) {
    return new EspalierException(
        EspalierException.Code.PLUGIN_CONTRACT,
        "The model "
            + card.id()
            + " was given a "
            + object.getClass().getName()
            + " of another model.",
        null);
  }

  @Override
  public List<Conditioning> encode(List<Prompt> batch) {
    return RowExecutor.map(device(), batch, prompt -> new EncodedPrompt(condition(prompt)));
  }

  @Override
  public List<ModelState> begin(List<Root> batch) {
    return RowExecutor.map(device(), batch, root -> new TokenState(network.emptyCode()));
  }

  @Override
  public List<List<ModelState>> expand(List<Branch> batch) {
    for (Branch branch : batch) {
      if (own(branch.state()).step() >= network.steps()) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT,
            "A complete trajectory (step " + branch.state().step() + ") was to be expanded.",
            null);
      }
    }
    // Each state is evaluated once, even where several branches start from it.
    Map<TokenState, List<Integer>> branches = new LinkedHashMap<>();
    for (int i = 0; i < batch.size(); i++) {
      branches.computeIfAbsent(own(batch.get(i).state()), s -> new ArrayList<>()).add(i);
    }
    Map<Integer, Siblings> children = new TreeMap<>();
    Consumer<List<TokenState>> draw =
        states -> {
          Map<Integer, List<Integer>> due = new TreeMap<>();
          for (TokenState state : states) {
            due.computeIfAbsent(state.step(), step -> new ArrayList<>())
                .addAll(branches.get(state));
          }
          due.forEach(
              (step, of) -> {
                List<Siblings> drawn = siblings(of.stream().map(batch::get).toList(), (int) step);
                for (int i = 0; i < of.size(); i++) {
                  children.put(of.get(i), drawn.get(i));
                }
              });
        };
    try {
      List<TokenState> evaluated = new ArrayList<>();
      List<Evaluations.Due> unevaluated = new ArrayList<>();
      branches.forEach(
          (state, of) -> {
            if (state.evaluation() != null && !network.drawsNeedPast()) {
              evaluated.add(state);
            } else {
              int draws = of.stream().mapToInt(i -> batch.get(i).draws().size()).sum();
              unevaluated.add(
                  new Evaluations.Due(state, shared(batch.get(of.get(0)).conditioning()), draws));
            }
          });
      // Before anything is dropped to make room for others.
      draw.accept(evaluated);
      evaluations.evaluate(unevaluated, draw);
      return children.values().stream().map(Siblings::states).toList();
    } catch (RuntimeException | Error e) {
      children.values().forEach(Siblings::close);
      throw e;
    }
  }

  /** The children of one branch, closed together where another branch fails. */
  private record Siblings(List<ModelState> states) implements AutoCloseable {
    @Override
    public void close() {
      states.forEach(ModelState::close);
    }
  }

  /** Children of several branches of one step. */
  private List<Siblings> siblings(List<Branch> branches, int step) {
    record Wanted(TokenState parent, KeptNetwork.Shared shared, Noise noise) {}
    List<Wanted> wanted = new ArrayList<>();
    for (Branch branch : branches) {
      KeptNetwork.Shared shared = shared(branch.conditioning());
      TokenState parent = own(branch.state());
      branch.draws().forEach(noise -> wanted.add(new Wanted(parent, shared, noise)));
    }
    // The numbers are keyed: the host makes them, while a device still evaluates.
    List<KeptNetwork.Draw> draws =
        RowExecutor.map(
            Device.cpu(),
            wanted,
            child -> {
              TokenState parent = child.parent;
              List<KeptNetwork.Evaluation> past =
                  network.drawsNeedPast() ? parent.expandedPast() : List.of();
              return new KeptNetwork.Draw(
                  child.shared,
                  parent.required(),
                  new KeptNetwork.Row(parent.code(), past),
                  uniform(child.noise, step));
            });
    List<KeptNetwork.Child> drawn =
        draws.isEmpty()
            ? List.of()
            : device().isGpu()
                ? draw(draws, step)
                : RowExecutor.map(device(), draws, child -> draw(List.of(child), step).get(0));
    boolean complete = step + 1 == network.steps();
    Iterator<KeptNetwork.Child> next = drawn.iterator();
    List<Siblings> siblings = new ArrayList<>();
    for (Branch branch : branches) {
      TokenState parent = own(branch.state());
      List<TokenState> children = new ArrayList<>();
      for (int i = 0; i < branch.draws().size(); i++) {
        children.add(new TokenState(parent, next.next(), complete));
      }
      evaluations.drawn(children);
      siblings.add(new Siblings(List.copyOf(children)));
    }
    return siblings;
  }

  @Override
  public List<ModelState> rewind(List<RewindRow> batch) {
    throw new UnsupportedOperationException("the tokens of " + card.id() + " cannot be re-noised");
  }

  @Override
  public List<Artifact> decode(List<DecodeRow> batch) {
    for (DecodeRow row : batch) {
      if (row.state().step() < 1) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT, "A root has no image to decode.", null);
      }
    }
    Object last = batch.isEmpty() ? null : batch.get(batch.size() - 1);
    List<TorchTensor> pixels =
        RowExecutor.map(device(), batch, row -> decode(own(row.state()), row == last));
    try {
      return RowExecutor.map(Device.cpu(), pixels, image -> Artifact.of(BsqTokenizer.image(image)));
    } finally {
      pixels.forEach(TorchTensor::close);
    }
  }

  private TorchTensor decode(TokenState state, boolean wait) {
    try {
      return pixels(state.code(), state.step(), wait);
    } catch (EspalierException e) {
      if (e.code() != EspalierException.Code.RESOURCE || !device().isGpu()) {
        throw e;
      }
      evaluations.dropAll(); // a decoder needs no keys and values
      TorchEngine.releaseUnused();
      return pixels(state.code(), state.step(), wait);
    }
  }

  @Override
  public WorkCounters counters() {
    return network.counters().plus(otherCounters());
  }

  @Override
  public Cost replayed() {
    return network.replayed();
  }

  @Override
  public void close() {
    List<AutoCloseable> parts = new ArrayList<>(parts());
    parts.add(network);
    RuntimeException failure = null;
    for (AutoCloseable part : parts) {
      try {
        part.close();
      } catch (Exception e) {
        if (failure == null) {
          failure =
              new EspalierException(
                  EspalierException.Code.NATIVE,
                  "The model " + card.id() + " cannot be closed.",
                  null,
                  e);
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
