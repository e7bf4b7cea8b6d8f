package org.espalier.models.var;

import ai.djl.Device;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
import org.espalier.torch.RowExecutor;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchTensor;

/**
 * Infinity (<a href="https://arxiv.org/abs/2412.04431">Han et al. 2024</a>) as a step-wise sampler:
 * one step a scale. Every step is stochastic, incomplete states have previews, and states carry the
 * log-probability of their bits.
 */
public final class InfinityModel implements GenerativeModel {
  private final TextFeatures text;
  private final InfinityNetwork network;
  private final BsqTokenizer tokenizer;
  private final ScaleSchedule schedule;
  private final Guidance guidance;
  private final BitSampler sampler;
  private final Evaluations evaluations;
  private final ModelCard card;
  private final Prices prices = new Prices();

  /** An encoded prompt. */
  private record EncodedPrompt(InfinityNetwork.Shared shared) implements Conditioning {
    @Override
    public void close() {
      shared.close();
    }
  }

  InfinityModel(
      TextFeatures text,
      InfinityNetwork network,
      BsqTokenizer tokenizer,
      ScaleSchedule schedule,
      Guidance guidance,
      BitSampler sampler,
      String weightsSha256,
      String programSha256,
      String licence,
      Map<String, String> facts) {
    this.text = text;
    this.network = network;
    this.tokenizer = tokenizer;
    this.schedule = schedule;
    this.guidance = guidance;
    this.sampler = sampler;
    this.evaluations = new Evaluations(network, schedule, guidance);
    ScaleSchedule.Grid code = network.codeSize();
    this.card =
        new ModelCard(
            "infinity",
            weightsSha256,
            programSha256,
            licence,
            schedule.size(),
            EnumSet.of(Capability.STOCHASTIC_STEP, Capability.PREVIEW, Capability.LOG_PROB),
            step -> step < schedule.size(),
            code.width() * tokenizer.stride(),
            code.height() * tokenizer.stride(),
            new LinkedHashMap<>(facts));
  }

  private Device device() {
    return network.program().device();
  }

  @Override
  public ModelCard card() {
    return card;
  }

  @Override
  public Cost quote(Work work) {
    return work.by(prices);
  }

  private final class Prices implements Work.Prices {
    /** Of the text asked about last: a search asks about one text very often. */
    private volatile Counted last = new Counted("", -1);

    private record Counted(String text, int tokens) {}

    private int tokens(Prompt prompt) {
      Counted known = last;
      if (known.tokens < 0 || !known.text.equals(prompt.text())) {
        known = new Counted(prompt.text(), text.tokens(prompt.text()));
        last = known;
      }
      return known.tokens;
    }

    @Override
    public Cost encode(Work.Encode work) {
      int textTokens = tokens(work.prompt());
      return Cost.generate(
          0,
          0,
          0,
          text.flops(textTokens)
              + network.architecture().conditionFlops(textTokens, guidance.rows()));
    }

    /** A root is an empty code. */
    @Override
    public Cost begin(Work.Begin work) {
      return Cost.ZERO;
    }

    @Override
    public Cost step(Work.Step work) {
      if (work.cached()) {
        return Cost.generate(work.draws(), 0, 0, 0);
      }
      int rows = guidance.rows();
      return Cost.generate(
          work.draws(),
          rows,
          (long) rows * schedule.get(work.step()).tokens(),
          network.stepFlops(
              work.step(), tokens(work.prompt()), rows, guidance.onLogits(work.step())));
    }

    /** There is no rewinding. */
    @Override
    public Cost rewind(Work.Rewind work) {
      return Cost.ZERO;
    }

    @Override
    public Cost decode(Work.Decode work) {
      return Cost.decode(1, tokenizer.decodeFlops(network.codeSize()));
    }
  }

  private static InfinityNetwork.Shared shared(Conditioning conditioning) {
    if (conditioning instanceof EncodedPrompt prompt) {
      return prompt.shared;
    }
    throw foreign(conditioning);
  }

  private static InfinityState own(ModelState state) {
    if (state instanceof InfinityState own) {
      return own;
    }
    throw foreign(state);
  }

  private static EspalierException foreign(Object object) {
    return new EspalierException(
        EspalierException.Code.PLUGIN_CONTRACT,
        "The model infinity was given a " + object.getClass().getName() + " of another model.",
        null);
  }

  @Override
  public List<Conditioning> encode(List<Prompt> batch) {
    return RowExecutor.map(device(), batch, this::encode);
  }

  private Conditioning encode(Prompt prompt) {
    try (TorchTensor features = text.encode(prompt.text())) {
      return new EncodedPrompt(network.condition(features, guidance.guided()));
    }
  }

  @Override
  public List<ModelState> begin(List<Root> batch) {
    return RowExecutor.map(
        device(), batch, root -> new InfinityState(null, network.emptyCode(), 0, false));
  }

  @Override
  public List<List<ModelState>> expand(List<Branch> batch) {
    for (Branch branch : batch) {
      if (own(branch.state()).step() >= schedule.size()) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT,
            "A complete trajectory (step " + branch.state().step() + ") was to be expanded.",
            null);
      }
    }
    // Each state is evaluated once, even where several branches start from it.
    Map<InfinityState, List<Integer>> branches = new LinkedHashMap<>();
    for (int i = 0; i < batch.size(); i++) {
      branches.computeIfAbsent(own(batch.get(i).state()), s -> new ArrayList<>()).add(i);
    }
    Map<Integer, Siblings> children = new TreeMap<>();
    Consumer<List<InfinityState>> draw =
        states -> {
          List<Integer> due = new ArrayList<>();
          states.forEach(state -> due.addAll(branches.get(state)));
          if (network.drawsOnDevice()) {
            Map<Integer, List<Integer>> scales = new TreeMap<>();
            due.forEach(
                i ->
                    scales
                        .computeIfAbsent(batch.get(i).state().step(), scale -> new ArrayList<>())
                        .add(i));
            scales.forEach(
                (scale, of) ->
                    put(children, of, drawOnDevice(of.stream().map(batch::get).toList(), scale)));
          } else {
            put(
                children,
                due,
                RowExecutor.map(device(), due, i -> new Siblings(draw(batch.get(i)))));
          }
        };
    try {
      List<InfinityState> evaluated = new ArrayList<>();
      List<Evaluations.Due> unevaluated = new ArrayList<>();
      branches.forEach(
          (state, of) -> {
            if (state.evaluation() != null) {
              evaluated.add(state);
            } else {
              unevaluated.add(
                  new Evaluations.Due(state, shared(batch.get(of.get(0)).conditioning())));
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

  private static void put(Map<Integer, Siblings> into, List<Integer> keys, List<Siblings> values) {
    for (int i = 0; i < keys.size(); i++) {
      into.put(keys.get(i), values.get(i));
    }
  }

  /** The children of one branch, closed together where another branch fails. */
  private record Siblings(List<ModelState> states) implements AutoCloseable {
    @Override
    public void close() {
      states.forEach(ModelState::close);
    }
  }

  private List<ModelState> draw(Branch branch) {
    InfinityState parent = own(branch.state());
    InfinityNetwork.Evaluation evaluation = evaluation(parent);
    List<ModelState> children = new ArrayList<>(branch.draws().size());
    try {
      for (Noise noise : branch.draws()) {
        BitSampler.Drawn drawn = sampler.draw(evaluation.logits(), noise, parent.step());
        TorchTensor code = network.accept(parent.code(), drawn.bits(), parent.step());
        double before = parent.logProb().orElse(0);
        boolean complete = parent.step() + 1 == schedule.size();
        children.add(new InfinityState(parent, code, before + drawn.logProb(), complete));
      }
      return children;
    } catch (RuntimeException | Error e) {
      children.forEach(ModelState::close);
      throw e;
    }
  }

  private static InfinityNetwork.Evaluation evaluation(InfinityState parent) {
    InfinityNetwork.Evaluation evaluation = parent.evaluation();
    if (evaluation == null) {
      throw new IllegalStateException("the state was closed while it was expanded");
    }
    return evaluation;
  }

  /** Children of several branches of one scale. */
  private List<Siblings> drawOnDevice(List<Branch> branches, int scale) {
    record Wanted(InfinityState parent, Noise noise) {}
    List<Wanted> wanted = new ArrayList<>();
    for (Branch branch : branches) {
      branch.draws().forEach(noise -> wanted.add(new Wanted(own(branch.state()), noise)));
    }
    if (wanted.isEmpty()) {
      return branches.stream().map(branch -> new Siblings(List.of())).toList();
    }
    // The numbers are keyed: the host makes them, while the device still evaluates.
    List<float[]> numbers =
        RowExecutor.map(
            Device.cpu(),
            wanted,
            child -> sampler.uniform(child.noise, schedule.get(scale).tokens(), scale));
    List<InfinityNetwork.Draw> draws = new ArrayList<>();
    for (int i = 0; i < wanted.size(); i++) {
      InfinityState parent = wanted.get(i).parent;
      draws.add(new InfinityNetwork.Draw(evaluation(parent), parent.code(), numbers.get(i)));
    }
    boolean complete = scale + 1 == schedule.size();
    Iterator<InfinityNetwork.Child> drawn =
        network.draw(draws, sampler.certain(), scale).iterator();
    List<Siblings> siblings = new ArrayList<>();
    for (Branch branch : branches) {
      InfinityState parent = own(branch.state());
      double before = parent.logProb().orElse(0);
      List<ModelState> children = new ArrayList<>();
      for (int i = 0; i < branch.draws().size(); i++) {
        InfinityNetwork.Child child = drawn.next();
        children.add(new InfinityState(parent, child.code(), before + child.logProb(), complete));
      }
      siblings.add(new Siblings(children));
    }
    return siblings;
  }

  @Override
  public List<ModelState> rewind(List<RewindRow> batch) {
    throw new UnsupportedOperationException("the bits of Infinity cannot be re-noised");
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

  private TorchTensor decode(InfinityState state, boolean wait) {
    try {
      return tokenizer.decodePixels(state.code(), wait);
    } catch (EspalierException e) {
      if (e.code() != EspalierException.Code.RESOURCE || !device().isGpu()) {
        throw e;
      }
      evaluations.dropAll(); // a decoder needs no keys and values
      TorchEngine.releaseUnused();
      return tokenizer.decodePixels(state.code(), wait);
    }
  }

  @Override
  public WorkCounters counters() {
    return network
        .counters()
        .plus(new WorkCounters(0, 0, text.flops() + tokenizer.flops(), tokenizer.images()));
  }

  @Override
  public Cost replayed() {
    return network.replayed();
  }

  @Override
  public void close() {
    Set<AutoCloseable> parts = new LinkedHashSet<>();
    parts.add(tokenizer);
    parts.add(network);
    parts.add(text);
    RuntimeException failure = null;
    for (AutoCloseable part : parts) {
      try {
        part.close();
      } catch (Exception e) {
        if (failure == null) {
          failure =
              new EspalierException(
                  EspalierException.Code.NATIVE, "The model infinity cannot be closed.", null, e);
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
