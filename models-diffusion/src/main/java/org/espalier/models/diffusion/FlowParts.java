package org.espalier.models.diffusion;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.espalier.api.Capability;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelCard;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.weights.Sha256;
import org.jspecify.annotations.Nullable;

/**
 * The parts of one model while it is being loaded; what has been opened is closed if a later part
 * fails.
 */
final class FlowParts implements AutoCloseable {
  private final Deque<AutoCloseable> opened = new ArrayDeque<>();
  private boolean complete;

  /** The licence of weights that are noise. */
  static final String UNLICENSED = "none: the weights are random";

  /** How weights that are not trained begin. */
  static final String RANDOM = "random:";

  /**
   * Keeps a part.
   *
   * @param part to be closed unless the model gets complete
   */
  <T extends AutoCloseable> T keep(T part) {
    opened.push(part);
    return part;
  }

  /**
   * Weights, or noise of their shapes.
   *
   * @param source the weights, or null for noise
   * @param spec their keys and shapes
   */
  static WeightSource orRandom(@Nullable WeightSource source, WeightSpec spec) {
    return source == null ? WeightSource.random(spec) : source;
  }

  /**
   * What a model is.
   *
   * @param id of its provider
   * @param weights hash over its weights, or the name of random ones
   * @param licence of the weights
   * @param facts what is particular to its family
   */
  record Identity(String id, String weights, String licence, Map<String, String> facts) {}

  /**
   * The model. From now on it owns its parts.
   *
   * @param identity what it is
   * @param options how it samples
   * @param network answers with velocities
   * @param decoder decodes
   * @param text reads prompts
   * @param device where it computes
   */
  GenerativeModel complete(
      Identity identity,
      FlowOptions options,
      FlowNetwork network,
      LatentDecoder decoder,
      FlowText text,
      Device device) {
    FlowSampler sampler = options.sampling().sampler();
    FlowConditioning negative =
        options.guided() ? keep(text.encode(options.negativePrompt())) : null;
    Set<Capability> capabilities = EnumSet.of(Capability.PREVIEW, Capability.REWIND);
    for (int step = 0; step < sampler.steps(); step++) {
      if (sampler.isStochastic(step)) {
        capabilities.add(Capability.STOCHASTIC_STEP);
      }
    }
    long parameters = network.parameters();
    DType dtype = TorchEngine.dtype(device, parameters);
    Map<String, String> facts = new TreeMap<>(identity.facts);
    facts.putAll(options.sampling().facts());
    facts.put("parameters", Long.toString(parameters));
    facts.put("dtype", dtype == DType.BF16 ? "bfloat16" : "float32");
    facts.put("device", device.toString());
    List<TorchProgram> programs = new ArrayList<>(List.of(network.program(), decoder.program()));
    programs.addAll(text.programs());
    ModelCard card =
        new ModelCard(
            identity.id,
            identity.weights,
            hash(programs),
            identity.licence,
            sampler.steps(),
            capabilities,
            sampler::isStochastic,
            options.width(),
            options.height(),
            facts);
    complete = true;
    return new FlowModel(
        card,
        network,
        decoder,
        text,
        new FlowNetwork.Guidance(negative, options.guidance(), options.cap()),
        sampler);
  }

  private static String hash(List<TorchProgram> programs) {
    return Sha256.of(programs.stream().map(TorchProgram::sha256).collect(Collectors.joining()));
  }

  /** Closes what was opened, unless the model is complete. */
  @Override
  public void close() {
    while (!complete && !opened.isEmpty()) {
      try {
        opened.pop().close();
      } catch (Exception e) {
        // The failure that stopped the loading matters more than one of closing.
        System.getLogger(FlowParts.class.getName())
            .log(System.Logger.Level.WARNING, "A part could not be closed.", e);
      }
    }
  }
}
