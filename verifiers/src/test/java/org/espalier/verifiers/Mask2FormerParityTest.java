package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.espalier.spi.RgbImage;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with transformers' Mask2Former on small random weights. */
class Mask2FormerParityTest {
  private static final double TOLERANCE = 1e-4;

  static List<ParityCase> cases() {
    return ParityCase.all("mask2former-", Mask2FormerParityTest.class);
  }

  private static JsonNode json(SafetensorsFile golden, String name) {
    return ModelJson.parse(TinyCheckpoints.metadata(golden, name));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheReference(ParityCase parity) {
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = Mask2FormerLayout.canonical(parity.weights("weights"))) {
      Mask2FormerArchitecture architecture =
          Mask2FormerArchitecture.of(json(golden, "config"), weights, false);
      try (Mask2FormerNetwork network =
          Mask2FormerNetwork.load(architecture, weights, Device.cpu())) {
        int height = golden.info("pixel_values").size(2);
        int width = golden.info("pixel_values").size(3);
        List<TorchTensor> all = network.trace(golden.floats("pixel_values"), height, width);
        try {
          compare(parity, golden, architecture, all);
        } finally {
          all.forEach(TorchTensor::close);
        }
        compareInstances(golden, network, height, width);
      }
    }
  }

  private static void compare(
      ParityCase parity,
      SafetensorsFile golden,
      Mask2FormerArchitecture architecture,
      List<TorchTensor> all) {
    int at = 0;
    for (int i = 0; i < architecture.stages().size(); i++) {
      report(parity, golden, "backbone." + i, planes(all.get(at++)));
    }
    for (int i = 0; i < architecture.levels(); i++) {
      report(parity, golden, "pixel_decoder.level" + i, planes(all.get(at++)));
    }
    report(parity, golden, "pixel_decoder.mask_features", all.get(at++).toFloats());
    int places = architecture.layers() + 1;
    for (int i = 0; i < places; i++) {
      report(parity, golden, "decoder.hidden" + i, all.get(at + i).toFloats());
      String prefix = i == places - 1 ? "" : "aux" + i + ".";
      report(parity, golden, prefix + "class_logits", all.get(at + places + i).toFloats());
      report(parity, golden, prefix + "mask_logits", all.get(at + 2 * places + i).toFloats());
    }
    assertThat(at + 3 * places).isEqualTo(all.size());
  }

  /** Channels from the innermost to the outermost axis. */
  private static float[] planes(TorchTensor map) {
    float[] values = map.toFloats();
    int channels = map.size(-1);
    int area = values.length / channels;
    float[] planes = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      planes[i % channels * area + i / channels] = values[i];
    }
    return planes;
  }

  private static void report(
      ParityCase parity, SafetensorsFile golden, String name, float[] actual) {
    double error = ParityCase.largestError(actual, golden.floats(name));
    System.out.printf("%s %s: largest error %.2g%n", parity, name, error);
    assertThat(error).as("%s %s", parity, name).isLessThanOrEqualTo(TOLERANCE);
  }

  /** The rule of mmdetection's fusion head: same instances, boxes and pixels. */
  private static void compareInstances(
      SafetensorsFile golden, Mask2FormerNetwork network, int height, int width) {
    long[] padded = {height, width};
    int[] size = {golden.info("mmdet.masks").size(1), golden.info("mmdet.masks").size(2)};
    List<Instance> found =
        network.detect(
            golden.floats("pixel_values"),
            padded,
            shown(golden.longs("pixel_mask"), height, width),
            new long[] {size[0], size[1]});
    long[] queries = golden.longs("mmdet.query");
    long[] labels = golden.longs("mmdet.labels");
    long[] boxes = golden.longs("mmdet.boxes");
    long[] masks = golden.longs("mmdet.masks");
    float[] scores = golden.floats("mmdet.scores");
    Map<List<Long>, Integer> rows = new HashMap<>();
    for (int i = 0; i < labels.length; i++) {
      rows.put(List.of(queries[i], labels[i]), i);
    }
    assertThat(found).hasSize(labels.length);
    List<Double> order = new ArrayList<>();
    for (Instance instance : found) {
      Integer row = rows.remove(List.of((long) instance.query(), (long) instance.label()));
      assertThat(row).as("query %d, class %d", instance.query(), instance.label()).isNotNull();
      assertThat(instance.score()).isCloseTo(scores[row], Offset.offset(TOLERANCE));
      assertThat(
              List.of(
                  instance.box().left(),
                  instance.box().top(),
                  instance.box().right(),
                  instance.box().bottom()))
          .containsExactly(
              (double) boxes[4 * row],
              (double) boxes[4 * row + 1],
              (double) boxes[4 * row + 2],
              (double) boxes[4 * row + 3]);
      int area = size[0] * size[1];
      for (int i = 0; i < area; i++) {
        assertThat((long) instance.mask()[i]).as("pixel %d", i).isEqualTo(masks[row * area + i]);
      }
      order.add(-instance.score());
    }
    assertThat(order).isSorted();
  }

  /** Height and width of the part of the network's input that shows the picture. */
  private static long[] shown(long[] mask, int height, int width) {
    long rows = 0;
    long columns = 0;
    for (int y = 0; y < height; y++) {
      rows += mask[y * width];
    }
    for (int x = 0; x < width; x++) {
      columns += mask[x];
    }
    return new long[] {rows, columns};
  }

  /** From the picture's bytes to the network's input. */
  @ParameterizedTest
  @MethodSource("cases")
  void preparesPicturesAsTheReference(ParityCase parity) {
    try (SafetensorsFile golden = parity.golden()) {
      DetectorInput.Prepared prepared =
          DetectorInput.transformers(json(golden, "preprocessor_config"), parity.directory())
              .prepare(picture(golden));
      assertThat(prepared.padded())
          .containsExactly(
              golden.info("pixel_values").size(2), golden.info("pixel_values").size(3));
      assertThat(ParityCase.largestError(prepared.pixels(), golden.floats("pixel_values")))
          .isLessThan(1e-6);
    }
  }

  private static RgbImage picture(SafetensorsFile golden) {
    return TinyCheckpoints.picture(golden, "image_u8");
  }
}
