package org.espalier.models.diffusion;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.noise.KeyedNoise;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelCard;
import org.espalier.spi.ModelState;
import org.espalier.spi.RewindRow;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;

/**
 * A flow as a step-wise sampler. A state at step s is a latent at the schedule's s-th time; the
 * Gaussian numbers that made it are those of its noise at step s: the root's are the initial noise,
 * those of an SDE step or of a rewind are added there.
 *
 * <p>Costs. An evaluation of the network is quoted with the step that uses it, and kept with its
 * state. The preview of an incomplete state is the image predicted from there (Tweedie's formula),
 * which needs the same evaluation: it is quoted with FLOPs but with no nfe, since the nfe of a
 * child is charged by the published convention when it is drawn. If the state is expanded
 * afterwards, the evaluation is reused. So a particle method that previews every particle pays each
 * evaluation once.
 */
final class FlowModel implements GenerativeModel {
  private final ModelCard card;
  private final FlowNetwork network;
  private final LatentDecoder autoencoder;
  private final FlowText encoders;
  private final FlowNetwork.Guidance guidance;
  private final FlowSampler sampler;
  private final Prices prices = new Prices();

  /**
   * A model over loaded parts, which it owns.
   *
   * @param card what it is
   * @param network answers with velocities
   * @param autoencoder decodes
   * @param encoders read prompts
   * @param guidance of each evaluation; its negative text is owned too
   * @param sampler the schedule and the steps
   */
  FlowModel(
      ModelCard card,
      FlowNetwork network,
      LatentDecoder autoencoder,
      FlowText encoders,
      FlowNetwork.Guidance guidance,
      FlowSampler sampler) {
    this.card = card;
    this.network = network;
    this.autoencoder = autoencoder;
    this.encoders = encoders;
    this.guidance = guidance;
    this.sampler = sampler;
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
    @Override
    public Cost encode(Work.Encode work) {
      return Cost.generate(0, 0, 0, encoders.flops(work.text()));
    }

    /** Arithmetic on latents. */
    @Override
    public Cost begin(Work.Begin work) {
      return Cost.ZERO;
    }

    @Override
    public Cost step(Work.Step work) {
      return work.cached()
          ? Cost.generate(work.draws(), 0, 0, 0)
          : evaluation(work.draws(), work.prompt());
    }

    /** Arithmetic on latents. */
    @Override
    public Cost rewind(Work.Rewind work) {
      return Cost.ZERO;
    }

    @Override
    public Cost decode(Work.Decode work) {
      Cost image = Cost.decode(1, autoencoder.flops(network.rows(), network.columns()));
      return work.step() < sampler.steps() ? image.plus(evaluation(0, work.prompt())) : image;
    }
  }

  private Cost evaluation(long nfe, Prompt prompt) {
    int tokens = encoders.tokens(prompt.text());
    Cost positive = Cost.generate(nfe, 1, network.tokens(tokens), network.flops(tokens));
    FlowConditioning negative = guidance.negative();
    if (negative == null) {
      return positive;
    }
    int away = negative.tokens();
    return positive.plus(Cost.generate(0, 1, network.tokens(away), network.flops(away)));
  }

  @Override
  public List<Conditioning> encode(List<Prompt> batch) {
    List<Conditioning> encoded = new ArrayList<>(batch.size());
    try {
      for (Prompt prompt : batch) {
        encoded.add(encoders.encode(prompt.text()));
      }
    } catch (RuntimeException e) {
      encoded.forEach(Conditioning::close);
      throw e;
    }
    return encoded;
  }

  @Override
  public List<ModelState> begin(List<Root> batch) {
    List<ModelState> states = new ArrayList<>(batch.size());
    for (Root root : batch) {
      states.add(new FlowState(0, noise(root.noise(), 0)));
    }
    return states;
  }

  @Override
  public List<List<ModelState>> expand(List<Branch> batch) {
    List<FlowState> parents = new ArrayList<>(batch.size());
    List<Conditioning> conditionings = new ArrayList<>(batch.size());
    for (Branch branch : batch) {
      parents.add((FlowState) branch.state());
      conditionings.add(branch.conditioning());
    }
    evaluate(parents, conditionings);
    List<List<ModelState>> children = new ArrayList<>(batch.size());
    for (int i = 0; i < parents.size(); i++) {
      FlowState parent = parents.get(i);
      int step = parent.step();
      if (sampler.isMultistep()) {
        // All children are the same: nothing is drawn.
        float[] image = sampler.denoised(parent.latent(), parent.velocity(), step);
        float[] next = sampler.multistep(parent.latent(), image, step, parent.before());
        List<ModelState> same = new ArrayList<>();
        for (int draw = 0; draw < batch.get(i).draws().size(); draw++) {
          same.add(new FlowState(step + 1, next, image));
        }
        children.add(same);
        continue;
      }
      List<ModelState> siblings = new ArrayList<>();
      for (Noise draw : batch.get(i).draws()) {
        float[] added = sampler.isStochastic(step) ? noise(draw, step + 1) : new float[0];
        siblings.add(
            new FlowState(step + 1, sampler.step(parent.latent(), parent.velocity(), step, added)));
      }
      children.add(siblings);
    }
    return children;
  }

  @Override
  public List<ModelState> rewind(List<RewindRow> batch) {
    List<ModelState> states = new ArrayList<>(batch.size());
    for (RewindRow row : batch) {
      FlowState state = (FlowState) row.state();
      int to = row.toStep();
      if (to < 0 || to >= state.step()) {
        throw new IllegalArgumentException(
            "a state at step " + state.step() + " cannot be rewound to step " + to);
      }
      states.add(
          new FlowState(
              to, sampler.renoised(state.latent(), state.step(), to, noise(row.noise(), to))));
    }
    return states;
  }

  @Override
  public List<Artifact> decode(List<DecodeRow> batch) {
    List<FlowState> states = new ArrayList<>(batch.size());
    List<FlowState> incomplete = new ArrayList<>();
    List<Conditioning> conditionings = new ArrayList<>();
    for (DecodeRow row : batch) {
      FlowState state = (FlowState) row.state();
      states.add(state);
      if (state.step() < sampler.steps()) {
        incomplete.add(state);
        conditionings.add(row.conditioning());
      }
    }
    evaluate(incomplete, conditionings);
    List<float[]> latents = new ArrayList<>(batch.size());
    for (FlowState state : states) {
      latents.add(
          state.step() < sampler.steps()
              ? sampler.denoised(state.latent(), state.velocity(), state.step())
              : state.latent());
    }
    List<Artifact> artifacts = new ArrayList<>(batch.size());
    for (RgbImage image : autoencoder.decode(latents, network.rows(), network.columns())) {
      artifacts.add(Artifact.of(image));
    }
    return artifacts;
  }

  /** Evaluates the network for the states that have no velocity yet, each once. */
  private void evaluate(List<FlowState> states, List<Conditioning> conditionings) {
    Set<FlowState> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    List<FlowState> due = new ArrayList<>();
    List<FlowNetwork.Row> evaluations = new ArrayList<>();
    for (int i = 0; i < states.size(); i++) {
      FlowState state = states.get(i);
      if (state.step() >= sampler.steps()) {
        throw new IllegalArgumentException("a complete state cannot be expanded");
      }
      if (!state.isEvaluated() && seen.add(state)) {
        due.add(state);
        FlowConditioning conditioning = (FlowConditioning) conditionings.get(i);
        evaluations.add(
            new FlowNetwork.Row(state.latent(), sampler.told(state.step()), conditioning));
      }
    }
    List<float[]> velocities = network.velocities(evaluations, guidance);
    for (int i = 0; i < due.size(); i++) {
      due.get(i).evaluated(velocities.get(i));
    }
  }

  private float[] noise(Noise noise, int step) {
    return KeyedNoise.gaussian(noise, step, network.latentLength());
  }

  @Override
  public WorkCounters counters() {
    return new WorkCounters(
        network.countedRows(),
        network.countedTokens(),
        network.countedFlops() + autoencoder.countedFlops() + encoders.countedFlops(),
        autoencoder.countedImages());
  }

  @Override
  public void close() {
    FlowConditioning negative = guidance.negative();
    try (network;
        autoencoder;
        encoders;
        negative) {
      // All are closed even where one fails; try-with-resources passes over null.
    }
  }
}
