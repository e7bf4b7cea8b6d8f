package org.espalier.models.diffusion;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.espalier.api.Capability;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelCard;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.jspecify.annotations.Nullable;

/**
 * A model that has been checked and can be loaded: everything that is known before a tensor is
 * read.
 *
 * @param weights open, or none for {@code random:NAME}
 * @param name of the weights where they are random
 * @param licence of the weights where they are not
 * @param flow the transformer's sizes
 * @param program its program, with what is configured besides
 * @param flowWeights in its keys, or null for noise
 * @param decoder loads what decodes
 * @param patch pixels a side of one image token
 * @param text loads what reads prompts
 * @param options how it samples
 * @param facts what is particular to its family
 */
record FlowBlueprint(
    OpenWeights weights,
    String name,
    String licence,
    FlowArchitecture flow,
    TorchProgram.Builder program,
    @Nullable WeightSource flowWeights,
    Loader<LatentDecoder> decoder,
    int patch,
    Loader<FlowText> text,
    FlowOptions options,
    Map<String, String> facts)
    implements AutoCloseable {
  /** How weights that are not trained begin. */
  static final String RANDOM = "random:";

  /** Loads a part. */
  interface Loader<T> {
    /**
     * Loads it.
     *
     * @param parts keeps what it opens
     * @param device where it computes
     */
    T load(FlowParts parts, Device device);
  }

  /**
   * An autoencoder of latent diffusion.
   *
   * @param image its sizes
   * @param packed whether the model's latents are packed
   * @param weights in its keys, or null for noise
   */
  static Loader<LatentDecoder> kl(
      KlArchitecture image, boolean packed, @Nullable WeightSource weights) {
    return (parts, device) ->
        parts.keep(
            new KlAutoencoder(
                image,
                packed,
                weights == null ? WeightSource.random(image.spec()) : weights,
                device));
  }

  /**
   * Texts of noise, for weights of noise.
   *
   * @param tokens of every text
   * @param shapes of the tensors of a conditioning, each with a batch of one
   */
  static Loader<FlowText> untrained(int tokens, long[]... shapes) {
    return (parts, device) -> new FlowText.Untrained(device, tokens, List.of(shapes));
  }

  /**
   * Loads the model.
   *
   * @param id of its provider
   * @param device where it computes
   */
  GenerativeModel load(String id, Device device) {
    try (FlowParts parts = new FlowParts()) {
      FlowText reader = text.load(parts, device);
      FlowNetwork network =
          parts.keep(
              new FlowNetwork(
                  flow,
                  program,
                  flowWeights == null ? WeightSource.random(flow.spec()) : flowWeights,
                  device,
                  options.height() / patch,
                  options.width() / patch));
      LatentDecoder image = decoder.load(parts, device);
      FlowConditioning negative =
          options.guided() ? parts.keep(reader.encodeNegative(options.negativePrompt())) : null;
      List<TorchProgram> programs = new ArrayList<>(List.of(network.program(), image.program()));
      programs.addAll(reader.programs());
      FlowSampler sampler = options.sampling().sampler();
      GenerativeModel model =
          new FlowModel(
              card(id, device, sampler, programs),
              network,
              image,
              reader,
              new FlowNetwork.Guidance(negative, options.guidance(), options.cap()),
              sampler);
      parts.complete();
      return model;
    }
  }

  private ModelCard card(
      String id, Device device, FlowSampler sampler, List<TorchProgram> programs) {
    Set<Capability> capabilities = EnumSet.of(Capability.PREVIEW, Capability.REWIND);
    for (int step = 0; step < sampler.steps(); step++) {
      if (sampler.isStochastic(step)) {
        capabilities.add(Capability.STOCHASTIC_STEP);
      }
    }
    long parameters = flow.spec().parameters();
    DType dtype = TorchEngine.dtype(device, parameters);
    Map<String, String> all = new TreeMap<>(facts);
    all.putAll(options.sampling().facts());
    all.put("parameters", Long.toString(parameters));
    all.put("dtype", dtype == DType.BF16 ? "bfloat16" : "float32");
    all.put("device", device.toString());
    boolean random = flowWeights == null;
    return new ModelCard(
        id,
        random ? name : weights.sha256(),
        FlowParts.hash(programs),
        random ? "none: the weights are random" : licence,
        sampler.steps(),
        capabilities,
        sampler::isStochastic,
        options.width(),
        options.height(),
        all);
  }

  /** Closes the weights. */
  @Override
  public void close() {
    weights.close();
  }
}
