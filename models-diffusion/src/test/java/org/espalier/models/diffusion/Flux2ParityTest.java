package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Transformer, schedule, trajectory and decoder of FLUX.2 against the reference implementation. */
class Flux2ParityTest {
  static Stream<ParityCase> cases() {
    return ParityCase.all("flux2-", Flux2ParityTest.class).stream();
  }

  static FluxArchitecture architecture(Golden golden, WeightSource weights) {
    JsonNode config = golden.json("config");
    List<Integer> axes = new ArrayList<>();
    config.get("axes_dims_rope").forEach(axis -> axes.add(axis.asInt()));
    return FluxArchitecture.of(
        weights, axes, config.get("rope_theta").asDouble(), config.get("eps").asDouble());
  }

  @ParameterizedTest
  @MethodSource("cases")
  void everyTensorIsTheReferences(ParityCase parity) {
    try (Golden golden = new Golden(parity);
        WeightSource weights = DiffusersWeights.transformer(parity.weights("weights"));
        WeightSource imageWeights = DiffusersWeights.autoencoder(parity.weights("vae"))) {
      FluxArchitecture flux = architecture(golden, weights);
      assertThat(flux.heads()).isEqualTo(golden.json("config").get("num_attention_heads").asInt());
      int rows = golden.json("latent_hw").get(0).asInt();
      int columns = golden.json("latent_hw").get(1).asInt();
      int steps = golden.json("num_inference_steps").asInt();
      double shift = FlowSchedule.empiricalShift(rows * columns, steps);
      assertThat(Math.log(shift)).isCloseTo(golden.json("empirical_mu").asDouble(), within(1e-6));
      FlowSampler sampler = FlowSampler.ode(FlowSchedule.times(steps, shift));
      golden.compare("sigmas", sampler.times(), golden.file().floats("sigmas"));
      golden.compare("timesteps", Golden.times(sampler, 1000), golden.file().floats("timesteps"));
      JsonNode vae = golden.json("vae_config");
      KlArchitecture image = KlArchitecture.of(imageWeights, vae, KlArchitecture.Scale.FLUX2);
      boolean guided =
          !golden.json("is_distilled").asBoolean() && golden.json("guidance_scale").asDouble() > 1;
      try (FlowNetwork network =
              new FlowNetwork(flux, flux.program().traced(), weights, Device.cpu(), rows, columns);
          TorchProgram decoder =
              KlAutoencoder.program(image, true).traced().load(imageWeights, image.spec())) {
        for (int row = 0; row < golden.rows("noise_tokens"); row++) {
          FlowNetwork.Guidance guidance =
              guided
                  ? new FlowNetwork.Guidance(
                      golden.conditioning(row, golden.negative("")),
                      golden.json("guidance_scale").asDouble(),
                      0)
                  : FlowNetwork.Guidance.NONE;
          try (FlowConditioning text = golden.conditioning(row, "prompt_embeds")) {
            float[] x = Golden.lastChannels(golden.row("noise", row), rows * columns);
            golden.compare("noise_tokens", row, x);
            golden.compare("velocity.t1", row, Golden.at(network, x, 1, text));
            golden.compare("velocity.t037", row, Golden.at(network, x, 0.37f, text));
            compareIntermediates(golden, network, row, text.tokens(), flux);
            for (int step = 0; step < steps; step++) {
              float[] v =
                  network
                      .velocities(
                          List.of(new FlowNetwork.Row(x, sampler.time(step), text)), guidance)
                      .get(0);
              x = sampler.step(x, v, step, new float[0]);
              if (golden.has("latent_tokens.step" + (step + 1))) {
                golden.compare("latent_tokens.step" + (step + 1), row, x);
              }
            }
            try (TorchTensor tokens =
                    TorchTensor.of(
                        Device.cpu(), x, 1, (long) rows * columns, flux.latentChannels());
                TorchTensor pixels = decoder.call("decode", tokens, rows, columns)) {
              golden.compare("image", row, pixels.toFloats());
              golden.compareTraced(decoder, "vae_latent", "vae_latent", row);
              golden.compareTraced(decoder, "post_quant_conv", "vae.post_quant_conv", row);
              for (String part : List.of("conv_in", "mid_block", "up0")) {
                golden.compareTraced(decoder, part, "vae." + part, row);
              }
            }
          }
        }
        golden.assertClose(Map.of(), "img_ids", "txt_ids");
      }
    }
  }

  private static void compareIntermediates(
      Golden golden, FlowNetwork network, int row, int textTokens, FluxArchitecture flux) {
    String lastDouble = Integer.toString(flux.doubleBlocks() - 1);
    String lastSingle = Integer.toString(flux.singleBlocks() - 1);
    for (String name : golden.file().names()) {
      if (name.startsWith("t037.")) {
        String traced =
            name.substring(5)
                .replace("double_last", "double" + lastDouble)
                .replace("single_last", "single" + lastSingle);
        golden.compareTraced(network.program(), traced, name, row);
      }
    }
    // Each factor stands for two channels in the reference.
    try (TorchTensor rope = network.program().traced("rope")) {
      float[] factors = rope.toFloats();
      int head = rope.size(1) * 2;
      for (int part = 0; part < 2; part++) {
        String kind = part == 0 ? "cos" : "sin";
        float[] text = new float[textTokens * head];
        float[] image = new float[factors.length - text.length];
        for (int i = 0; i < factors.length; i++) {
          float value = factors[i / 2 * 2 + part];
          if (i < text.length) {
            text[i] = value;
          } else {
            image[i - text.length] = value;
          }
        }
        golden.compare("rope_txt_" + kind, text, golden.file().floats("rope_txt_" + kind));
        golden.compare("rope_img_" + kind, image, golden.file().floats("rope_img_" + kind));
      }
    }
  }
}
