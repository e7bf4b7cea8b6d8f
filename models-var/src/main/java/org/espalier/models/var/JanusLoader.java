package org.espalier.models.var;

import static org.espalier.models.var.InfinityLoader.keep;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;
import org.espalier.weights.Sha256;

/** Finds the files of a Janus model, settles its configuration and puts its parts together. */
final class JanusLoader {
  /** Tokens of the noise that stands for a prompt where weights are random. */
  private static final int RANDOM_TEXT_TOKENS = 24;

  /** What a decoder's file may have besides, in the two layouts. */
  private static final String UNREAD = "quantize\\.codebook_used";

  private JanusLoader() {}

  /** Checks what can be known without reading a tensor. */
  static void check(JanusConfig config, LoadContext context) {
    if (config.weights().startsWith(JanusConfig.RANDOM)) {
      JanusArchitecture.published(config.weights().substring(JanusConfig.RANDOM.length()));
    } else {
      try (Opened opened = Opened.of(config, context)) {
        opened.text().close();
      }
    }
  }

  static JanusModel load(JanusConfig config, LoadContext context) {
    if (config.weights().startsWith(JanusConfig.RANDOM)) {
      JanusArchitecture architecture =
          JanusArchitecture.published(config.weights().substring(JanusConfig.RANDOM.length()));
      WeightSource weights = WeightSource.random(architecture.weights());
      WeightSource decoder = WeightSource.random(VqArchitecture.publishedJanus().weights());
      PromptIds text = new PromptIds.Untrained(RANDOM_TEXT_TOKENS, architecture.vocabSize());
      return assemble(
          config,
          MissingNode.getInstance(),
          weights,
          decoder,
          architecture,
          text,
          0,
          context,
          config::weights);
    }
    try (Opened opened = Opened.of(config, context)) {
      PromptIds.Conversation text = opened.text();
      return assemble(
          config,
          opened.config,
          opened.weights,
          opened.decoder,
          opened.architecture,
          text,
          text.padding(),
          context,
          opened.weights::sha256);
    }
  }

  /** The files of one model, open and checked. No tensor has been read. */
  private record Opened(
      Path directory,
      JsonNode config,
      WeightSource weights,
      WeightSource decoder,
      JanusArchitecture architecture)
      implements AutoCloseable {

    static Opened of(JanusConfig config, LoadContext context) {
      Path location = WeightsLocation.resolve("janus", config.weights(), context);
      Path directory = WeightsLocation.directory(location);
      Path file = directory.resolve("config.json");
      JsonNode json = ModelJson.optional(file);
      if (json.isMissingNode()) {
        throw EspalierException.config(
            "The configuration (" + file + ") does not exist.",
            "Maybe the download of Janus is not complete.");
      }
      Deque<AutoCloseable> opened = new ArrayDeque<>();
      try {
        WeightSource weights =
            JanusArchitecture.normalize(keep(opened, WeightSource.open(location)));
        JanusArchitecture architecture = JanusArchitecture.of(json, weights);
        architecture.weights().check(weights);
        WeightSource decoder = weights.under("model.vqmodel.");
        VqArchitecture code = VqArchitecture.of(decoder);
        code.weights(UNREAD).check(decoder);
        if (code.vocabulary() != architecture.codes()) {
          throw EspalierException.config(
              "The transformer %s draws from %d vectors; its decoder has %d."
                  .formatted(location, architecture.codes(), code.vocabulary()),
              "Maybe the file is damaged.");
        }
        return new Opened(directory, json, weights, decoder, architecture);
      } catch (RuntimeException e) {
        InfinityLoader.closeAll(opened, e);
        throw e;
      }
    }

    PromptIds.Conversation text() {
      return PromptIds.Conversation.open(
          directory, architecture.maxPositions() - architecture.cells());
    }

    @Override
    public void close() {
      weights.close();
    }
  }

  private static JanusModel assemble(
      JanusConfig config,
      JsonNode json,
      WeightSource weights,
      WeightSource decoderWeights,
      JanusArchitecture architecture,
      PromptIds text,
      long padding,
      LoadContext context,
      Supplier<String> sha256) {
    Deque<AutoCloseable> opened = new ArrayDeque<>();
    keep(opened, text);
    try {
      Device device = TorchEngine.device(context);
      double cfg = config.cfg() != null ? config.cfg() : 5;
      double tau = config.tau() != null ? config.tau() : 1;
      int block = config.stepTokens() != null ? config.stepTokens() : architecture.side();
      VqDecoder decoder =
          keep(opened, new VqDecoder(decoderWeights, true, 0, device, false, UNREAD));
      JanusNetwork network =
          keep(
              opened,
              new JanusNetwork(
                  weights, architecture, block, cfg, tau, padding, device, /* traced= */ false));
      TokenSampler sampler =
          new TokenSampler(
              config.topK() != null ? config.topK() : 0, config.topP() != null ? config.topP() : 0);
      Map<String, String> facts = new LinkedHashMap<>();
      facts.put("device", device.toString());
      facts.put("dtype", network.program().dtype() == DType.BF16 ? "bfloat16" : "float32");
      facts.put("libtorch", TorchEngine.version());
      facts.put("layers", String.valueOf(architecture.layers()));
      facts.put("width", String.valueOf(architecture.hiddenSize()));
      facts.put("vocabulary", String.valueOf(architecture.codes()));
      facts.put("parameters", String.valueOf(architecture.weights().parameters()));
      facts.put("tokens", String.valueOf(architecture.cells()));
      facts.put("stepTokens", String.valueOf(block));
      facts.put("cfg", String.valueOf(cfg));
      facts.put("tau", String.valueOf(tau));
      facts.put("topK", String.valueOf(sampler.topK()));
      facts.put("topP", String.valueOf(sampler.topP()));
      return new JanusModel(
          text,
          network,
          decoder,
          cfg != 1,
          sampler,
          sha256.get(),
          Sha256.of(network.program().sha256() + decoder.program().sha256()),
          json.path("licence").asText(json.path("license").asText("unknown")),
          facts);
    } catch (RuntimeException e) {
      InfinityLoader.closeAll(opened, e);
      throw e;
    }
  }
}
