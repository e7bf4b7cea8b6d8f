package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with the reference implementation of ImageReward on small random weights. */
class ImageRewardParityTest {
  private static final double TOLERANCE = 1e-4;

  static List<ParityCase> cases() {
    return ParityCase.all("imagereward-", ImageRewardParityTest.class);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheReference(ParityCase parity) {
    try (SafetensorsFile golden = parity.golden();
        SafetensorsFile weights = parity.weights("weights")) {
      JsonNode vit = ModelJson.parse(TinyCheckpoints.metadata(golden, "vit"));
      JsonNode bert = ModelJson.parse(TinyCheckpoints.metadata(golden, "bert"));
      ImageRewardArchitecture architecture =
          ImageRewardArchitecture.of(
              vit,
              bert,
              number(golden, "mean", ImageRewardArchitecture.PUBLISHED_MEAN),
              number(golden, "std", ImageRewardArchitecture.PUBLISHED_STD),
              weights);
      try (ImageRewardNetwork network =
          ImageRewardNetwork.load(architecture, weights, Device.cpu())) {
        float[][] out =
            network.inspect(
                golden.floats("pixel_values"),
                architecture.imageSize(),
                golden.longs("input_ids"),
                golden.longs("attention_mask"),
                golden.info("pixel_values").size(0));
        report(parity, golden, "image_embeds", out[0]);
        report(parity, golden, "last_hidden_state", out[1]);
        report(parity, golden, "reward", out[2]);
      }
    }
  }

  private static double number(SafetensorsFile golden, String name, double otherwise) {
    return Double.parseDouble(golden.metadata().getOrDefault(name, String.valueOf(otherwise)));
  }

  private static void report(
      ParityCase parity, SafetensorsFile golden, String name, float[] actual) {
    double error = ParityCase.largestError(actual, golden.floats(name));
    System.out.printf("%s %s: largest error %.2g%n", parity, name, error);
    assertThat(error).as("%s %s", parity, name).isLessThanOrEqualTo(TOLERANCE);
  }
}
