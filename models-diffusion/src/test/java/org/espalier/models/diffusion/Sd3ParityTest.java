package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
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

/** Transformer, schedule, trajectory and decoder of SD3.5 against the reference implementation. */
class Sd3ParityTest {
  static Stream<ParityCase> cases() {
    return ParityCase.all("sd3-", Sd3ParityTest.class).stream();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void everyTensorIsTheReferences(ParityCase parity) {
    try (Golden golden = new Golden(parity);
        WeightSource weights = Sd3Architecture.layout(parity.weights("weights"));
        WeightSource imageWeights = Sd3Architecture.imageLayout(parity.weights("vae"))) {
      JsonNode config = golden.json("config");
      Sd3Architecture sd3 = Sd3Architecture.of(weights, config);
      assertThat(sd3.heads()).isEqualTo(config.get("num_attention_heads").asInt());
      assertThat(sd3.dualLayers())
          .isEqualTo(PipelineFiles.integers(config.get("dual_attention_layers")));
      int rows = golden.json("latent_hw").get(0).asInt() / 2;
      int columns = golden.json("latent_hw").get(1).asInt() / 2;
      int steps = golden.json("num_inference_steps").asInt();
      double shift = golden.json("scheduler_config").get("shift").asDouble();
      FlowSampler sampler = FlowSampler.ode(FlowSchedule.twiceShifted(steps, shift));
      golden.compare("sigmas", sampler.times(), golden.file().floats("sigmas"));
      golden.compare("timesteps", Golden.times(sampler, 1000), golden.file().floats("timesteps"));
      KlArchitecture image =
          KlArchitecture.of(imageWeights, golden.json("vae_config"), KlArchitecture.Scale.SD3);
      double scale = golden.json("guidance_scale").asDouble();
      try (FlowNetwork network =
              new FlowNetwork(sd3, sd3.program().traced(), weights, Device.cpu(), rows, columns);
          TorchProgram decoder =
              KlAutoencoder.program(image, false).traced().load(imageWeights, image.spec())) {
        for (int row = 0; row < golden.rows("noise"); row++) {
          try (FlowConditioning text =
                  golden.conditioning(row, "prompt_embeds", "pooled_prompt_embeds");
              FlowConditioning negative =
                  golden.conditioning(
                      row, "negative_prompt_embeds", "negative_pooled_prompt_embeds")) {
            FlowNetwork.Guidance guidance = new FlowNetwork.Guidance(negative, scale, 0);
            float[] x = golden.row("noise", row);
            golden.compare("velocity.t1", row, Golden.at(network, x, 1, text));
            golden.compare("velocity.t037", row, Golden.at(network, x, 0.37f, text));
            for (String name : golden.file().names()) {
              if (name.startsWith("t037.")) {
                String traced = name.substring(5).replace("_last", "" + (sd3.layers() - 1));
                golden.compareTraced(network.program(), traced, name, row);
              }
            }
            for (int step = 0; step < steps; step++) {
              float[] v =
                  network
                      .velocities(
                          List.of(new FlowNetwork.Row(x, sampler.time(step), text)), guidance)
                      .get(0);
              x = sampler.step(x, v, step, new float[0]);
              String name = "latent.step" + (step + 1);
              if (golden.has(name)) {
                golden.compare(name, row, x);
              }
            }
            if (row < golden.rows("vae.latent")) {
              decode(golden, decoder, image, row, rows, columns);
            }
          }
        }
        // Its decoder starts from the end of the trajectory, brought to deviation 1.
        golden.assertClose(Map.of(), "vae.latent");
      }
    }
  }

  private static void decode(
      Golden golden, TorchProgram decoder, KlArchitecture image, int row, int rows, int columns) {
    try (TorchTensor latent =
            TorchTensor.of(
                Device.cpu(),
                golden.row("vae.latent", row),
                1,
                image.latentChannels(),
                2L * rows,
                2L * columns);
        TorchTensor pixels = decoder.call("decode", latent, rows, columns)) {
      golden.compare("image", row, pixels.toFloats());
      for (String part : List.of("conv_in", "mid_block", "up0")) {
        golden.compareTraced(decoder, part, "vae." + part, row);
      }
    }
  }
}
