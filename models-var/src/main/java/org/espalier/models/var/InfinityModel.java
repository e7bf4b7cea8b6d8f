package org.espalier.models.var;

import ai.djl.Device;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.RowExecutor;
import org.espalier.torch.T5Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchTensor;

/**
 * Infinity (<a href="https://arxiv.org/abs/2412.04431">Han et al. 2024</a>) as a step-wise sampler:
 * one step a scale. Every step is stochastic, incomplete states have previews, and states carry the
 * log-probability of their bits.
 */
public final class InfinityModel implements GenerativeModel {
  private final TextTokenizer textTokenizer;
  private final T5Encoder textEncoder;
  private final InfinityNetwork network;
  private final BsqTokenizer tokenizer;
  private final ScaleSchedule schedule;
  private final Guidance guidance;
  private final BitSampler sampler;
  private final ModelCard card;

  /** An encoded prompt. */
  private record EncodedPrompt(InfinityNetwork.Shared shared) implements Conditioning {
    @Override
    public void close() {
      shared.close();
    }
  }

  InfinityModel(
      TextTokenizer textTokenizer,
      T5Encoder textEncoder,
      InfinityNetwork network,
      BsqTokenizer tokenizer,
      ScaleSchedule schedule,
      Guidance guidance,
      BitSampler sampler,
      String weightsSha256,
      String programSha256,
      String licence,
      Map<String, String> facts) {
    this.textTokenizer = textTokenizer;
    this.textEncoder = textEncoder;
    this.network = network;
    this.tokenizer = tokenizer;
    this.schedule = schedule;
    this.guidance = guidance;
    this.sampler = sampler;
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
      int textTokens = textTokenizer.encode(encode.text()).length();
      return Cost.generate(
          0,
          0,
          0,
          textEncoder.config().flops(textTokens)
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
    Tokens tokens = textTokenizer.encode(prompt.text());
    try (TorchTensor features = textEncoder.encode(tokens)) {
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
    Map<InfinityState, Conditioning> unevaluated = new LinkedHashMap<>();
    for (Branch branch : batch) {
      InfinityState state = own(branch.state());
      if (state.evaluation() == null) {
        unevaluated.putIfAbsent(state, branch.conditioning());
      }
    }
    RowExecutor.map(
        device(),
        List.copyOf(unevaluated.entrySet()),
        entry -> {
          evaluate(entry.getKey(), shared(entry.getValue()));
          return entry;
        });
    return RowExecutor.map(device(), batch, branch -> new Siblings(draw(branch))).stream()
        .map(Siblings::states)
        .toList();
  }

  /** The children of one branch, closed together where another branch fails. */
  private record Siblings(List<ModelState> states) implements AutoCloseable {
    @Override
    public void close() {
      states.forEach(ModelState::close);
    }
  }

  private void evaluate(InfinityState state, InfinityNetwork.Shared shared) {
    int scale = state.step();
    state.keep(network.step(shared, state.code(), state.past(), scale, guidance));
  }

  private List<ModelState> draw(Branch branch) {
    InfinityState parent = own(branch.state());
    InfinityNetwork.Evaluation evaluation = parent.evaluation();
    if (evaluation == null) {
      throw new IllegalStateException("the state was closed while it was expanded");
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
          return Artifact.of(tokenizer.decode(own(row.state()).code()));
        });
  }

  @Override
  public WorkCounters counters() {
    return network
        .counters()
        .plus(new WorkCounters(0, 0, textEncoder.flops() + tokenizer.flops(), tokenizer.images()));
  }

  @Override
  public void close() {
    Set<AutoCloseable> parts = new LinkedHashSet<>();
    parts.add(tokenizer);
    parts.add(network);
    parts.add(textEncoder);
    parts.add(textTokenizer);
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
