package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.ClipTextConfig;
import org.espalier.torch.T5Config;
import org.espalier.torch.WeightSource;

/**
 * The open, checked sources of one FLUX.1 model: sizes, keys and shapes agree with one another and
 * with the settings. Made from headers and configurations alone; no tensor is read.
 *
 * @param files where everything lies
 * @param t5Config the sequence encoder
 * @param clipConfig the encoder of the pooled vector
 * @param flowWeights the transformer's
 * @param imageWeights the autoencoder's
 * @param t5Weights the sequence encoder's
 * @param clipWeights the pooled vector's encoder's
 * @param flow the transformer's sizes
 * @param image the autoencoder's sizes
 * @param settings how images are sampled
 */
record FluxSources(
    FluxFiles files,
    T5Config t5Config,
    ClipTextConfig clipConfig,
    WeightSource flowWeights,
    WeightSource imageWeights,
    WeightSource t5Weights,
    WeightSource clipWeights,
    FluxArchitecture flow,
    KlArchitecture image,
    FluxSettings settings)
    implements AutoCloseable {

  /**
   * Opens and checks.
   *
   * @param root where the weights lie
   * @param config the study's
   * @param base against which other paths are resolved
   * @throws EspalierException CONFIG or RESOURCE that names the file, key or setting at fault
   */
  static FluxSources open(Path root, FluxConfig config, Path base) {
    FluxFiles files = FluxFiles.locate(root, config, base);
    T5Config t5Config = T5Config.read(files.t5().resolve("config.json"));
    ClipTextConfig clipConfig = ClipTextConfig.read(files.clip().resolve("config.json"));
    List<WeightSource> opened = new ArrayList<>();
    try {
      WeightSource flowWeights =
          keep(opened, DiffusersWeights.transformer(WeightSource.open(files.transformer())));
      WeightSource imageWeights =
          keep(opened, DiffusersWeights.autoencoder(WeightSource.open(files.autoencoder())));
      WeightSource t5Weights = keep(opened, WeightSource.open(files.t5()));
      WeightSource clipWeights = keep(opened, WeightSource.open(files.clip()));
      FluxArchitecture flow = flow(files, flowWeights);
      KlArchitecture image = autoencoder(files, imageWeights);
      requireWidth("T5 sequence", flow.textWidth(), t5Config.dModel(), files.t5());
      requireWidth("CLIP vector", flow.pooledWidth(), clipConfig.hiddenSize(), files.clip());
      FluxSettings settings =
          FluxSettings.of(
              config,
              files.config(),
              flow,
              files.transformer().toString(),
              image,
              files.autoencoder().toString());
      flow.spec().check(flowWeights);
      image.spec().check(imageWeights);
      t5Config.weights().check(t5Weights);
      clipConfig.weights().check(clipWeights);
      return new FluxSources(
          files,
          t5Config,
          clipConfig,
          flowWeights,
          imageWeights,
          t5Weights,
          clipWeights,
          flow,
          image,
          settings);
    } catch (RuntimeException e) {
      opened.forEach(WeightSource::close);
      throw e;
    }
  }

  private static WeightSource keep(List<WeightSource> opened, WeightSource source) {
    opened.add(source);
    return source;
  }

  private static FluxArchitecture flow(FluxFiles files, WeightSource weights) {
    JsonNode own = files.config().path("params");
    JsonNode axes =
        own.has("axes_dim")
            ? own.get("axes_dim")
            : files.transformerConfig().path("axes_dims_rope");
    return FluxArchitecture.of(
        weights, PipelineFiles.integers(axes), own.path("theta").asDouble(10000), 1e-6);
  }

  private static KlArchitecture autoencoder(FluxFiles files, WeightSource weights) {
    JsonNode beside = files.autoencoderConfig();
    JsonNode own =
        beside.has("ae")
            ? beside.get("ae")
            : beside.isMissingNode() ? files.config().path("ae") : beside;
    return KlArchitecture.of(weights, own, KlArchitecture.Scale.of(own, KlArchitecture.Scale.FLUX));
  }

  private static void requireWidth(String what, int wanted, int actual, Path encoder) {
    if (wanted != actual) {
      throw EspalierException.config(
          "The transformer reads a %s of width %d, but the encoder %s gives %d."
              .formatted(what, wanted, encoder, actual),
          "Maybe textEncoder and clipEncoder are of another model, or exchanged.");
    }
  }

  @Override
  public void close() {
    flowWeights.close();
    imageWeights.close();
    t5Weights.close();
    clipWeights.close();
  }
}
