package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Transformer, trajectory and decoder against the reference implementation. */
class FluxParityTest {
  static Stream<ParityCase> cases() {
    return ParityCase.all("flux-", FluxParityTest.class).stream();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void velocitiesTrajectoryAndImageAreTheReferences(ParityCase parity) {
    try (Golden golden = new Golden(parity);
        SafetensorsFile weights = parity.weights("weights");
        SafetensorsFile imageWeights = parity.weights("ae")) {
      JsonNode params = golden.json("params");
      List<Integer> axes = new ArrayList<>();
      params.get("axes_dim").forEach(axis -> axes.add(axis.asInt()));
      FluxArchitecture architecture =
          FluxArchitecture.of(weights, axes, params.get("theta").asDouble(), 1e-6);
      assertThat(architecture.heads()).isEqualTo(params.get("num_heads").asInt());
      assertThat(architecture.guidanceEmbedded())
          .isEqualTo(params.get("guidance_embed").asBoolean());
      int rows = golden.json("latent_hw").get(0).asInt() / 2;
      int columns = golden.json("latent_hw").get(1).asInt() / 2;
      // Weights without guidance embedding have no guidance to state.
      double guidance = architecture.guidanceEmbedded() ? golden.json("guidance").asDouble() : 0;
      KlArchitecture image =
          KlArchitecture.of(imageWeights, golden.json("ae"), KlArchitecture.Scale.FLUX);
      try (FlowNetwork network =
              new FlowNetwork(
                  architecture,
                  architecture.program().attribute("guidance", guidance),
                  weights,
                  Device.cpu(),
                  rows,
                  columns);
          KlAutoencoder autoencoder = new KlAutoencoder(image, true, imageWeights, Device.cpu())) {
        JsonNode times = golden.json("timesteps");
        double[] schedule = new double[times.size()];
        for (int i = 0; i < schedule.length; i++) {
          schedule[i] = times.get(i).asDouble();
        }
        FlowSampler sampler = FlowSampler.ode(schedule);
        int batch = golden.rows("noise");
        for (int row = 0; row < batch; row++) {
          try (FlowConditioning text = golden.conditioning(row, "txt", "vec")) {
            float[] x = golden.row("noise", row);
            golden.compare("velocity_first", row, Golden.at(network, x, 1, text));
            golden.compare("velocity_t037", row, Golden.at(network, x, 0.37f, text));
            for (int step = 0; step < sampler.steps(); step++) {
              x =
                  sampler.step(
                      x, Golden.at(network, x, sampler.time(step), text), step, new float[0]);
            }
            golden.compare("latent_tokens", row, x);
            golden.compare("latent", row, Golden.unpacked(x, rows, columns));
            golden.compare("image", row, autoencoder.decodeFloats(x, rows, columns));
          }
        }
        golden.assertClose(Map.of(), "noise", "txt", "vec", "img_ids", "txt_ids");
        assertThat(network.countedRows()).isEqualTo((long) batch * (2 + sampler.steps()));
      }
    }
  }
}
