package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.HashMap;
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

/** Transformer, schedule, trajectory and decoder of SANA against the reference implementation. */
class SanaParityTest {
  static Stream<ParityCase> cases() {
    return ParityCase.all("sana-", SanaParityTest.class).stream();
  }

  private static FlowConditioning text(Golden golden, String prefix, int row) {
    long[] mask = golden.file().longs(prefix + "prompt_attention_mask");
    int length = golden.file().info(prefix + "prompt_attention_mask").size(1);
    float[] keep = new float[length];
    for (int i = 0; i < length; i++) {
      keep[i] = mask[row * length + i];
    }
    return new FlowConditioning(
        List.of(
            golden.tensor(prefix + "prompt_embeds", row),
            TorchTensor.of(Device.cpu(), keep, 1, length)),
        length,
        false);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void everyTensorIsTheReferences(ParityCase parity) {
    try (Golden golden = new Golden(parity);
        WeightSource weights = parity.weights("weights");
        WeightSource imageWeights = parity.weights("vae")) {
      JsonNode config = golden.json("config");
      SanaArchitecture sana = SanaArchitecture.of(weights, config);
      assertThat(sana.layers()).isEqualTo(config.get("num_layers").asInt());
      int rows = golden.json("latent_hw").get(0).asInt();
      int columns = golden.json("latent_hw").get(1).asInt();
      int steps = golden.json("num_inference_steps").asInt();
      double shift = golden.json("scheduler_config").get("flow_shift").asDouble();
      FlowSampler sampler = FlowSampler.multistep(FlowSchedule.almostFromOne(steps, shift));
      golden.compare("sigmas", sampler.times(), golden.file().floats("sigmas"));
      long[] whole = golden.file().longs("timesteps");
      for (int step = 0; step < steps; step++) {
        assertThat(Math.round(sampler.told(step) * 1000)).isEqualTo((int) whole[step]);
      }
      DcArchitecture image = DcArchitecture.of(imageWeights, golden.json("vae_config"));
      double scale = golden.json("guidance_scale").asDouble();
      try (FlowNetwork network =
              new FlowNetwork(sana, sana.program().traced(), weights, Device.cpu(), rows, columns);
          TorchProgram decoder =
              DcAutoencoder.program(image).traced().load(imageWeights, image.spec())) {
        for (int row = 0; row < golden.rows("noise"); row++) {
          try (FlowConditioning text = text(golden, "", row);
              FlowConditioning negative = text(golden, "negative_", row)) {
            FlowNetwork.Guidance guidance = new FlowNetwork.Guidance(negative, scale, 0);
            float[] x = golden.row("noise", row);
            golden.compare("velocity.t1", row, Golden.at(network, x, 1, text));
            golden.compare("velocity.t037", row, Golden.at(network, x, 0.37f, text));
            for (String name : golden.file().names()) {
              if (name.startsWith("t037.")) {
                String traced = name.substring(5).replace("_last", "" + (sana.layers() - 1));
                golden.compareTraced(network.program(), traced, name, row);
              }
            }
            float[] before = null;
            for (int step = 0; step < steps; step++) {
              float[] v =
                  network
                      .velocities(
                          List.of(new FlowNetwork.Row(x, sampler.told(step), text)), guidance)
                      .get(0);
              float[] predicted = sampler.denoised(x, v, step);
              x = sampler.multistep(x, predicted, step, before);
              before = predicted;
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
        // Values of the decoder's blocks go up to 18, so their own rounding does.
        Map<String, Double> bounds = new HashMap<>();
        for (String block : List.of("first", "second", "third")) {
          String name = "vae." + block + "_block";
          float[] values = golden.file().floats(name);
          double largest = 1;
          for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
          }
          bounds.put(name, 1e-4 * largest);
        }
        golden.assertClose(bounds, "vae.latent", "timesteps");
        assertThat(Arrays.stream(whole).max().orElse(0)).isLessThan(1000);
      }
    }
  }

  private static void decode(
      Golden golden, TorchProgram decoder, DcArchitecture image, int row, int rows, int columns) {
    try (TorchTensor latent =
            TorchTensor.of(
                Device.cpu(),
                golden.row("vae.latent", row),
                1,
                image.latentChannels(),
                rows,
                columns);
        TorchTensor pixels = decoder.call("decode", latent, rows, columns)) {
      golden.compare("image", row, pixels.toFloats());
      golden.compareTraced(decoder, "conv_in", "vae.conv_in", row);
      golden.compareTraced(decoder, "block0", "vae.first_block", row);
      golden.compareTraced(decoder, "block1", "vae.second_block", row);
      golden.compareTraced(decoder, "block2", "vae.third_block", row);
    }
  }
}
