package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Transformer, trajectory and decoder against the reference implementation. */
class FluxParityTest {
  static Stream<ParityCase> cases() {
    return ParityCase.all("flux-", FluxParityTest.class).stream();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void velocitiesTrajectoryAndImageAreTheReferences(ParityCase parity) throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    try (SafetensorsFile golden = parity.golden();
        SafetensorsFile weights = parity.weights("weights");
        SafetensorsFile imageWeights = parity.weights("ae")) {
      Map<String, String> metadata = golden.metadata();
      JsonNode params = mapper.readTree(metadata.get("params"));
      JsonNode ae = mapper.readTree(metadata.get("ae"));
      List<Integer> axes = new ArrayList<>();
      params.get("axes_dim").forEach(axis -> axes.add(axis.asInt()));
      FlowArchitecture architecture =
          FlowArchitecture.of(weights, axes, params.get("theta").asDouble());
      assertThat(architecture.heads()).isEqualTo(params.get("num_heads").asInt());
      assertThat(architecture.guidanceEmbedded())
          .isEqualTo(params.get("guidance_embed").asBoolean());
      JsonNode latentSize = mapper.readTree(metadata.get("latent_hw"));
      int rows = latentSize.get(0).asInt() / 2;
      int columns = latentSize.get(1).asInt() / 2;
      int textTokens = golden.info("txt").size(1);
      int batch = golden.info("noise").size(0);
      // Weights without guidance embedding have no guidance to state.
      double scale =
          architecture.guidanceEmbedded() ? Double.parseDouble(metadata.get("guidance")) : 0;
      FluxTransformer.Guidance guidance = new FluxTransformer.Guidance(scale, null, 1);
      try (FluxTransformer transformer =
              new FluxTransformer(architecture, weights, Device.cpu(), rows, columns, textTokens);
          FluxAutoencoder autoencoder =
              new FluxAutoencoder(
                  AutoencoderArchitecture.of(
                      imageWeights,
                      ae.get("scale_factor").asDouble(),
                      ae.get("shift_factor").asDouble()),
                  imageWeights,
                  Device.cpu())) {
        JsonNode times = mapper.readTree(metadata.get("timesteps"));
        double[] schedule = new double[times.size()];
        for (int i = 0; i < schedule.length; i++) {
          schedule[i] = times.get(i).asDouble();
        }
        FlowSampler sampler = FlowSampler.ode(schedule);
        double first = 0;
        double middle = 0;
        double tokens = 0;
        double latent = 0;
        double image = 0;
        for (int row = 0; row < batch; row++) {
          try (FluxTransformer.Text text =
              new FluxTransformer.Text(
                  tensor(golden, "txt", row, batch), tensor(golden, "vec", row, batch))) {
            float[] x = part(golden, "noise", row, batch);
            first =
                Math.max(
                    first,
                    ParityCase.largestError(
                        at(transformer, x, 1, text, guidance),
                        part(golden, "velocity_first", row, batch)));
            middle =
                Math.max(
                    middle,
                    ParityCase.largestError(
                        at(transformer, x, 0.37f, text, guidance),
                        part(golden, "velocity_t037", row, batch)));
            for (int step = 0; step < sampler.steps(); step++) {
              float[] velocity = at(transformer, x, sampler.time(step), text, guidance);
              x = sampler.step(x, velocity, step, new float[0]);
            }
            tokens =
                Math.max(
                    tokens, ParityCase.largestError(x, part(golden, "latent_tokens", row, batch)));
            latent =
                Math.max(
                    latent,
                    ParityCase.largestError(
                        unpacked(x, rows, columns), part(golden, "latent", row, batch)));
            image =
                Math.max(
                    image,
                    ParityCase.largestError(
                        autoencoder.decodeFloats(x, rows, columns),
                        part(golden, "image", row, batch)));
          }
        }
        System.out.printf(
            "%s: largest errors: velocity_first %.2e, velocity_t037 %.2e, latent_tokens %.2e,"
                + " latent %.2e, image %.2e%n",
            parity, first, middle, tokens, latent, image);
        assertThat(List.of(first, middle, tokens, latent, image))
            .allSatisfy(error -> assertThat(error).isLessThan(1e-4));
        assertThat(transformer.countedRows()).isEqualTo((long) batch * (2 + sampler.steps()));
      }
    }
  }

  private static float[] at(
      FluxTransformer transformer,
      float[] latent,
      float time,
      FluxTransformer.Text text,
      FluxTransformer.Guidance guidance) {
    return transformer
        .velocities(List.of(new FluxTransformer.Row(latent, time, text)), guidance)
        .get(0);
  }

  private static float[] part(SafetensorsFile golden, String name, int row, int rows) {
    float[] all = golden.floats(name);
    int length = all.length / rows;
    return Arrays.copyOfRange(all, row * length, (row + 1) * length);
  }

  private static TorchTensor tensor(SafetensorsFile golden, String name, int row, int rows) {
    long[] shape = golden.info(name).shape().stream().mapToLong(Long::longValue).toArray();
    shape[0] = 1;
    return TorchTensor.of(Device.cpu(), part(golden, name, row, rows), shape);
  }

  /** (rows * columns, channels * 2 * 2) as (channels, 2 * rows, 2 * columns). */
  private static float[] unpacked(float[] tokens, int rows, int columns) {
    int channels = tokens.length / rows / columns / 4;
    float[] latent = new float[tokens.length];
    for (int c = 0; c < channels; c++) {
      for (int y = 0; y < 2 * rows; y++) {
        for (int x = 0; x < 2 * columns; x++) {
          int token = (y / 2) * columns + x / 2;
          latent[(c * 2 * rows + y) * 2 * columns + x] =
              tokens[token * channels * 4 + c * 4 + (y % 2) * 2 + x % 2];
        }
      }
    }
    return latent;
  }
}
