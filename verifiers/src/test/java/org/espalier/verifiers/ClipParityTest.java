package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with Hugging Face's {@code CLIPModel} on small random weights. */
class ClipParityTest {
  private static final double TOLERANCE = 1e-4;

  /** A case and one of the layouts in which its weights are there. */
  record Layout(ParityCase parity, String part) {
    WeightSource weights() {
      return OpenClipLayout.canonical(parity.weights(part));
    }
  }

  static List<Layout> layouts() {
    List<Layout> layouts = new ArrayList<>();
    for (String prefix : List.of("clip-", "pickscore-")) {
      for (ParityCase parity : ParityCase.all(prefix, ClipParityTest.class)) {
        layouts.add(new Layout(parity, "weights"));
        if (Files.exists(parity.directory().resolve(parity.name() + ".openclip.safetensors"))) {
          layouts.add(new Layout(parity, "openclip"));
        }
      }
    }
    return layouts;
  }

  private static JsonNode json(SafetensorsFile golden, String name) {
    return ModelJson.parse(TinyCheckpoints.metadata(golden, name));
  }

  @ParameterizedTest
  @MethodSource("layouts")
  void agreesWithTheReference(Layout layout) {
    ParityCase parity = layout.parity;
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = layout.weights()) {
      ClipArchitecture architecture = ClipArchitecture.of(json(golden, "config"), weights);
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
          int width = architecture.projection();
          float[] cosines = new float[images * texts];
          float[] logits = new float[images * texts];
          float[] scores = new float[images * texts];
          for (int t = 0; t < texts; t++) {
            float[] repeated = new float[images * width];
            for (int i = 0; i < images; i++) {
              System.arraycopy(text.unit(), t * width, repeated, i * width, width);
            }
            float[][] column = network.compare(image, repeated);
            for (int i = 0; i < images; i++) {
              cosines[i * texts + t] = column[0][i];
              logits[i * texts + t] = column[1][i];
              scores[t * images + i] =
                  (float) ClipScore.PICKSCORE.value(column[0][i], column[1][i]);
            }
          }
          report(parity, golden, "logits_per_image", logits);
          if (golden.names().contains("pick_scores")) {
            report(parity, golden, "cosine", cosines);
            report(parity, golden, "pick_scores", scores);
          }
        }
      }
    }
  }

  static List<ParityCase> pictures() {
    return ParityCase.all("pickscore-", ClipParityTest.class);
  }

  /** From the bytes of pictures to what the network reads, as Pillow does it. */
  @ParameterizedTest
  @MethodSource("pictures")
  void preparesPicturesAsTheReference(ParityCase parity) {
    try (SafetensorsFile golden = parity.golden()) {
      ImageTransform transform =
          ImageTransform.of(
              json(golden, "preprocessor_config"),
              parity.directory(),
              ImageTransform.clip(1, ImageTransform.CropRounding.DOWN));
      int count = golden.info("pixel_values").size(0);
      float[] expected = golden.floats("pixel_values");
      float[] actual = new float[expected.length];
      for (int i = 0; i < count; i++) {
        float[] planes = transform.apply(TinyCheckpoints.picture(golden, "image_u8." + i));
        System.arraycopy(planes, 0, actual, i * planes.length, planes.length);
      }
      assertThat(ParityCase.largestError(actual, expected)).isLessThan(1e-6);
    }
  }

  /** Nothing but the keys, as HPSv2's file comes without a configuration. */
  @Test
  void readsAlmostEverythingOffTheKeys() {
    ParityCase parity = TinyCheckpoints.parity("pickscore-tiny-a");
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = new Layout(parity, "openclip").weights()) {
      ClipArchitecture stated = ClipArchitecture.of(json(golden, "config"), weights);
      ClipArchitecture read =
          ClipArchitecture.of(
              OpenClipLayout.config(
                  ModelJson.parse(
                      "{\"model_cfg\": {\"vision_cfg\": {\"width\": 40, \"head_width\": 8},"
                          + " \"text_cfg\": {\"heads\": 4}}}")),
              weights);
      assertThat(read).isEqualTo(stated);
    }
  }

  private static void report(
      ParityCase parity, SafetensorsFile golden, String name, float[] actual) {
    double error = ParityCase.largestError(actual, golden.floats(name));
    System.out.printf("%s %s: largest error %.2g%n", parity, name, error);
    assertThat(error).as("%s %s", parity, name).isLessThanOrEqualTo(TOLERANCE);
  }
}
