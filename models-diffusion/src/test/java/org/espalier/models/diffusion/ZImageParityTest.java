package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
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

/** Transformer, schedule and trajectory of Z-Image against the reference implementation. */
class ZImageParityTest {
  static Stream<ParityCase> cases() {
    return ParityCase.all("zimage-", ZImageParityTest.class).stream();
  }

  private static FlowConditioning caption(Golden golden, String name) {
    long[] shape = golden.file().info(name).shape().stream().mapToLong(Long::longValue).toArray();
    TorchTensor features =
        TorchTensor.of(Device.cpu(), golden.file().floats(name), 1, shape[0], shape[1]);
    return new FlowConditioning(List.of(features), (int) shape[0], false);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void everyTensorIsTheReferences(ParityCase parity) {
    try (Golden golden = new Golden(parity);
        WeightSource weights = ZImageArchitecture.layout(parity.weights("weights"))) {
      JsonNode config = golden.json("config");
      ZImageArchitecture zimage = ZImageArchitecture.of(weights, config);
      assertThat(zimage.heads()).isEqualTo(config.get("n_heads").asInt());
      int rows = golden.json("latent_hw").get(0).asInt() / 2;
      int columns = golden.json("latent_hw").get(1).asInt() / 2;
      int steps = golden.json("num_inference_steps").asInt();
      double shift = golden.json("scheduler_config").get("shift").asDouble();
      FlowSampler sampler = FlowSampler.ode(FlowSchedule.times(steps, shift));
      golden.compare("sigmas", sampler.times(), golden.file().floats("sigmas"));
      double scale = golden.json("guidance_scale").asDouble();
      double cap = golden.json("cfg_normalization").asDouble();
      try (FlowNetwork network =
          new FlowNetwork(
              zimage, zimage.program().traced(), weights, Device.cpu(), rows, columns)) {
        int captionStart = 0;
        for (int row = 0; row < golden.rows("noise"); row++) {
          FlowNetwork.Guidance guidance =
              scale > 0
                  ? new FlowNetwork.Guidance(
                      caption(golden, golden.negative("." + row)), 1 + scale, cap)
                  : FlowNetwork.Guidance.NONE;
          try (FlowConditioning text = caption(golden, "cap_feats." + row)) {
            float[] x = golden.row("noise", row);
            golden.compare("velocity.t1", row, Golden.at(network, x, 1, text));
            float[] velocity = Golden.at(network, x, 0.37f, text);
            golden.compare("velocity.t037", row, velocity);
            float[] output = velocity.clone();
            for (int i = 0; i < output.length; i++) {
              output[i] = -output[i];
            }
            golden.compare("t037.model_output", row, output);
            captionStart = intermediates(golden, network.program(), zimage, row, captionStart);
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
          }
        }
        golden.assertClose(Map.of());
      }
    }
  }

  /**
   * The reference fills rows to a common length and embeds fillers that it then replaces; compared
   * are the tokens that count, which come first.
   */
  private static int intermediates(
      Golden golden, TorchProgram program, ZImageArchitecture zimage, int row, int captionStart) {
    int width = zimage.width();
    for (String name :
        List.of(
            "noise_refiner_last",
            "context_refiner_last",
            "layer0",
            "layer_last",
            "final_layer",
            "t_embedder")) {
      String traced = name.replace("layer_last", "layer" + (zimage.layers() - 1));
      try (TorchTensor part = program.traced(traced)) {
        float[] actual = part.toFloats();
        golden.compare(
            "t037." + name, actual, Arrays.copyOf(golden.row("t037." + name, row), actual.length));
      }
    }
    try (TorchTensor part = program.traced("x_embedder")) {
      float[] actual = part.toFloats();
      int each = golden.rows("t037.x_embedder") / golden.rows("noise") * width;
      float[] all = golden.file().floats("t037.x_embedder");
      golden.compare(
          "t037.x_embedder",
          actual,
          Arrays.copyOfRange(all, row * each, row * each + actual.length));
    }
    try (TorchTensor part = program.traced("cap_embedder")) {
      float[] actual = part.toFloats();
      float[] all = golden.file().floats("t037.cap_embedder");
      golden.compare(
          "t037.cap_embedder",
          actual,
          Arrays.copyOfRange(all, captionStart * width, captionStart * width + actual.length));
      captionStart += (part.size(1) + 31) / 32 * 32;
    }
    for (String kind : List.of("image", "caption")) {
      try (TorchTensor part = program.traced("position_ids." + kind)) {
        long[] ids = golden.file().longs("position_ids." + kind + "." + row);
        float[] expected = new float[ids.length];
        for (int i = 0; i < ids.length; i++) {
          expected[i] = ids[i];
        }
        golden.compare("position_ids." + kind + "." + row, part.toFloats(), expected);
      }
    }
    return captionStart;
  }
}
