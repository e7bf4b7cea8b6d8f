package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.weights.ModelJson;

/**
 * A transformer encoder: the part that all towers have in common.
 *
 * @param layers how many
 * @param heads attention heads
 * @param width channels of a token
 * @param hidden channels inside the feed-forward part
 * @param eps of the norms
 * @param activation of the feed-forward part, by its name in Hugging Face configurations
 */
record Tower(int layers, int heads, int width, int hidden, double eps, String activation) {
  private static final List<String> ACTIVATIONS =
      List.of("quick_gelu", "gelu", "gelu_pytorch_tanh", "gelu_new", "silu", "relu");

  Tower {
    if (heads < 1 || width % heads != 0) {
      throw EspalierException.config(
          "The width (" + width + ") is not a multiple of the attention heads (" + heads + ").",
          "Maybe num_attention_heads in config.json belongs to another checkpoint.");
    }
    requireActivation(activation);
  }

  static String requireActivation(String name) {
    if (!ACTIVATIONS.contains(name)) {
      throw EspalierException.config(
          "The activation (" + name + ") is unknown.",
          "Maybe use one of " + String.join(", ", ACTIVATIONS) + ".");
    }
    return name;
  }

  /**
   * A tower in the layout of transformers' CLIP and SigLIP.
   *
   * @param config its section of {@code config.json}; what is missing is read off the weights
   * @param source the weights
   * @param prefix of its layers' keys, up to the number
   * @param headWidth channels of a head where the configuration does not say
   * @param eps of the norms, likewise
   * @param activation likewise
   * @param model for messages
   */
  static Tower of(
      JsonNode config,
      WeightSource source,
      String prefix,
      int headWidth,
      double eps,
      String activation,
      String model) {
    int width = Checkpoint.size(source, prefix + "0.mlp.fc1.weight", 1, model);
    width = ModelJson.positive(config, "hidden_size", width);
    return new Tower(
        ModelJson.positive(config, "num_hidden_layers", Checkpoint.layers(source, prefix)),
        ModelJson.positive(config, "num_attention_heads", Math.max(1, width / headWidth)),
        width,
        ModelJson.positive(
            config,
            "intermediate_size",
            Checkpoint.size(source, prefix + "0.mlp.fc1.weight", 0, model)),
        config.path("layer_norm_eps").asDouble(eps),
        config.path("hidden_act").asText(activation));
  }

  /** Adds the attributes that programs read as {@code self.PREFIX_layers} and so on. */
  void attributes(TorchProgram.Builder program, String prefix) {
    program
        .attribute(prefix + "_layers", layers)
        .attribute(prefix + "_heads", heads)
        .attribute(prefix + "_eps", eps)
        .attribute(prefix + "_act", activation);
  }

  /** Expects the keys of transformers' CLIP and SigLIP towers. */
  void expect(WeightSpec.Builder spec, WeightSource source, String prefix) {
    for (int i = 0; i < layers; i++) {
      String p = prefix + i + ".";
      spec.norm(p + "layer_norm1", width).norm(p + "layer_norm2", width);
      for (String name : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
        Checkpoint.dense(spec, source, p + "self_attn." + name, width, width);
      }
      Checkpoint.dense(spec, source, p + "mlp.fc1", hidden, width);
      Checkpoint.dense(spec, source, p + "mlp.fc2", width, hidden);
    }
  }

  /**
   * Operations of all layers over one sequence.
   *
   * @param tokens its length
   */
  long flops(long tokens) {
    return layers
        * (4 * Flops.linear(tokens, width, width)
            + Flops.attention(heads, tokens, tokens, width / heads)
            + 2 * Flops.linear(tokens, width, hidden));
  }
}
