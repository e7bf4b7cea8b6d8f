package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import java.util.List;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with Hugging Face's {@code CLIPModel} on small random weights. */
class ClipParityTest {
  private static final double TOLERANCE = 1e-4;

  static List<ParityCase> cases() {
    return ParityCase.all("clip-", ClipParityTest.class);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheReference(ParityCase parity) {
    try (SafetensorsFile golden = parity.golden();
        SafetensorsFile weights = parity.weights("weights")) {
      ClipArchitecture architecture =
          ClipArchitecture.of(ModelJson.parse(TinyCheckpoints.metadata(golden, "config")), weights);
      try (ClipNetwork network = ClipNetwork.load(architecture, weights, Device.cpu())) {
        int images = golden.info("pixel_values").size(0);
        int texts = golden.info("input_ids").size(0);
        ClipNetwork.TextEmbedding text =
            network.embedTexts(golden.longs("input_ids"), golden.longs("attention_mask"), texts);
        report(parity, golden, "text_last_hidden_state", text.hidden());
        report(parity, golden, "text_pooled", text.pooled());
        report(parity, golden, "text_embeds", text.unit());
        try (TorchTensor image =
            network.embedImages(golden.floats("pixel_values"), images, architecture.imageSize())) {
          report(parity, golden, "image_embeds", image.toFloats());
          float[] logits = new float[images * texts];
          for (int t = 0; t < texts; t++) {
            float[] repeated = new float[images * architecture.projection()];
            for (int i = 0; i < images; i++) {
              System.arraycopy(
                  text.unit(),
                  t * architecture.projection(),
                  repeated,
                  i * architecture.projection(),
                  architecture.projection());
            }
            float[] column = network.compare(image, repeated)[1];
            for (int i = 0; i < images; i++) {
              logits[i * texts + t] = column[i];
            }
          }
          report(parity, golden, "logits_per_image", logits);
        }
      }
    }
  }

  private static void report(
      ParityCase parity, SafetensorsFile golden, String name, float[] actual) {
    double error = ParityCase.largestError(actual, golden.floats(name));
    System.out.printf("%s %s: largest error %.2g%n", parity, name, error);
    assertThat(error).as("%s %s", parity, name).isLessThanOrEqualTo(TOLERANCE);
  }
}
