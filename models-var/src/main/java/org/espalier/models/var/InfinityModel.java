package org.espalier.models.var;

import ai.djl.Device;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.espalier.api.Capability;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelCard;
import org.espalier.spi.ModelState;
import org.espalier.spi.Noise;
import org.espalier.spi.RewindRow;
import org.espalier.spi.RgbImage;
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
    if (work instanceof Work.Encode encode) {
      int textTokens = text.tokens(encode.text());
      return Cost.generate(
          0,
          0,
          0,
          text.flops(textTokens)
              + network.architecture().conditionFlops(textTokens, guidance.rows()));
    }
    if (work instanceof Work.Step step) {
      if (step.cached()) {
        return Cost.generate(step.draws(), 0, 0, 0);
      }
      int textTokens = shared(step.conditioning()).textTokens();
      int rows = guidance.rows();
      return Cost.generate(
          step.draws(),
          rows,
          (long) rows * schedule.get(step.step()).tokens(),
          network.stepFlops(step.step(), textTokens, rows, guidance.onLogits()));
    }
    if (work instanceof Work.Decode) {
      return Cost.decode(1, tokenizer.decodeFlops(network.codeSize()));
    }
    return Cost.ZERO; // roots cost nothing, and there is no rewinding
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
          List<Siblings> drawn =
              RowExecutor.map(device(), due, i -> new Siblings(draw(batch.get(i))));
          for (int i = 0; i < due.size(); i++) {
            children.put(due.get(i), drawn.get(i));
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

  /** The children of one branch, closed together where another branch fails. */
  private record Siblings(List<ModelState> states) implements AutoCloseable {
    @Override
    public void close() {
      states.forEach(ModelState::close);
    }
  }

  private List<ModelState> draw(Branch branch) {
    InfinityState parent = own(branch.state());
    InfinityNetwork.Evaluation evaluation = parent.evaluation();
    if (evaluation == null) {
      throw new IllegalStateException("the state was closed while it was expanded");
    }
    if (network.drawsOnDevice()) {
      return drawOnDevice(parent, evaluation, branch.draws());
    }
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

  private List<ModelState> drawOnDevice(
      InfinityState parent, InfinityNetwork.Evaluation evaluation, List<Noise> draws) {
    int scale = parent.step();
    boolean complete = scale + 1 == schedule.size();
    double before = parent.logProb().orElse(0);
    // The numbers are keyed; the host makes them for all draws at once.
    List<float[]> numbers =
        RowExecutor.map(
            Device.cpu(),
            draws,
            draw -> sampler.uniform(draw, schedule.get(scale).tokens(), scale));
    List<ModelState> children = new ArrayList<>(draws.size());
    try {
      for (int from = 0; from < draws.size(); ) {
        int to = from + 1; // neighbours with numbers go in one call
        while (to < draws.size() && numbers.get(from).length == numbers.get(to).length) {
          to++;
        }
        if (numbers.get(from).length == 0) {
          to = from + 1;
        }
        for (InfinityNetwork.Child child :
            network.draw(
                evaluation, parent.code(), numbers.subList(from, to), sampler.certain(), scale)) {
          children.add(new InfinityState(parent, child.code(), before + child.logProb(), complete));
        }
        from = to;
      }
      return children;
    } catch (RuntimeException | Error e) {
      children.forEach(ModelState::close);
      throw e;
    }
  }

  @Override
  public List<ModelState> rewind(List<RewindRow> batch) {
    throw new UnsupportedOperationException("the bits of Infinity cannot be re-noised");
  }

  @Override
  public List<Artifact> decode(List<DecodeRow> batch) {
    return RowExecutor.map(
        device(),
        batch,
        row -> {
          if (row.state().step() < 1) {
            throw new EspalierException(
                EspalierException.Code.PLUGIN_CONTRACT, "A root has no image to decode.", null);
          }
          return Artifact.of(decode(own(row.state())));
        });
  }

  private RgbImage decode(InfinityState state) {
    try {
      return tokenizer.decode(state.code());
    } catch (EspalierException e) {
      if (e.code() != EspalierException.Code.RESOURCE || !device().isGpu()) {
        throw e;
      }
      evaluations.dropAll(); // a decoder needs no keys and values
      TorchEngine.releaseUnused();
      return tokenizer.decode(state.code());
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
