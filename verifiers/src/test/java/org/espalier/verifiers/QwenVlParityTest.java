package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with Hugging Face's Qwen2.5-VL and Qwen3-VL on small random weights. */
class QwenVlParityTest {
  private static final double TOLERANCE = 1e-4;

  static List<ParityCase> cases() {
    return Stream.of("qwen2-5-vl-", "qwen3-vl-")
        .flatMap(prefix -> ParityCase.all(prefix, QwenVlParityTest.class).stream())
        .toList();
  }

  private static JsonNode json(SafetensorsFile golden, String name) {
    return ModelJson.parse(TinyCheckpoints.metadata(golden, name));
  }

  private static List<QwenPictures.Patches> images(
      SafetensorsFile golden, QwenPictures pictures, int row) {
    List<QwenPictures.Patches> images = new ArrayList<>();
    for (int j = 0; golden.names().contains("image_u8." + row + "." + j); j++) {
      images.add(pictures.prepare(TinyCheckpoints.picture(golden, "image_u8." + row + "." + j)));
    }
    return images;
  }

  /** Patches in the picture's order of cells, as the reference's processor gives them. */
  private static float[] inPictureOrder(List<QwenPictures.Patches> images) {
    int length = images.stream().mapToInt(image -> image.values().length).sum();
    float[] all = new float[length];
    int start = 0;
    for (QwenPictures.Patches image : images) {
      int[] order = image.grid().order();
      int cell = image.values().length / order.length;
      for (int i = 0; i < order.length; i++) {
        System.arraycopy(image.values(), i * cell, all, start + order[i] * cell, cell);
      }
      start += image.values().length;
    }
    return all;
  }

  private static float[] join(List<float[]> parts) {
    float[] all = new float[parts.stream().mapToInt(part -> part.length).sum()];
    int at = 0;
    for (float[] part : parts) {
      System.arraycopy(part, 0, all, at, part.length);
      at += part.length;
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheReference(ParityCase parity) {
    Map<String, Double> errors = new LinkedHashMap<>();
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = parity.weights("weights").renamed(QwenVlArchitecture::canonical)) {
      QwenVlArchitecture architecture = QwenVlArchitecture.of(json(golden, "config"), weights);
      QwenPictures pictures =
          QwenPictures.of(
              json(golden, "preprocessor_config"), parity.directory(), architecture.vision(), null);
      try (TorchProgram program =
              QwenVlNetwork.program(architecture)
                  .traced()
                  .load(weights, architecture.spec(weights));
          QwenVlNetwork network = new QwenVlNetwork(architecture, program)) {
        int rows = Integer.parseInt(TinyCheckpoints.metadata(golden, "rows"));
        for (int row = 0; row < rows; row++) {
          List<QwenPictures.Patches> images = images(golden, pictures, row);
          // 8-bit values normalised: a difference of 1e-6 is a difference of no level.
          assertThat(
                  ParityCase.largestError(
                      inPictureOrder(images), golden.floats("pixel_values." + row)))
              .isLessThan(1e-6);
          compareVision(golden, program, network, architecture, images, row, errors);
          compareText(golden, program, network, architecture, images, row, errors);
        }
      }
    }
    System.out.println(parity + ": " + errors);
    assertThat(errors).containsKeys("vision.block0", "image_embeds", "layer_last", "logits_next");
    assertThat(errors.values()).allSatisfy(e -> assertThat(e).isLessThanOrEqualTo(TOLERANCE));
  }

  private static void compareVision(
      SafetensorsFile golden,
      TorchProgram program,
      QwenVlNetwork network,
      QwenVlArchitecture architecture,
      List<QwenPictures.Patches> images,
      int row,
      Map<String, Double> errors) {
    Map<String, List<float[]>> traced = new LinkedHashMap<>();
    for (QwenPictures.Patches image : images) {
      List<TorchTensor> embedded = network.embed(image);
      traced
          .computeIfAbsent("image_embeds", name -> new ArrayList<>())
          .add(embedded.get(0).toFloats());
      embedded.forEach(TorchTensor::close);
      for (String name : golden.names()) {
        if (name.startsWith("vision.") && name.endsWith("." + row)) {
          String base = name.substring(0, name.lastIndexOf('.'));
          String mark = base.replace("_last", "" + (architecture.vision().layers() - 1));
          try (TorchTensor part = program.traced(mark)) {
            traced.computeIfAbsent(base, n -> new ArrayList<>()).add(part.toFloats());
          }
        }
      }
    }
    traced.forEach((name, parts) -> merge(errors, golden, name, row, join(parts)));
  }

  private static void compareText(
      SafetensorsFile golden,
      TorchProgram program,
      QwenVlNetwork network,
      QwenVlArchitecture architecture,
      List<QwenPictures.Patches> images,
      int row,
      Map<String, Double> errors) {
    long[] ids = golden.longs("input_ids." + row);
    QwenVlArchitecture.Positions positions =
        architecture.positions(ids, images.stream().map(QwenPictures.Patches::grid).toList());
    assertThat(positions.axes()).isEqualTo(golden.longs("position_ids." + row));
    assertThat(positions.next() - ids.length).isEqualTo(golden.longs("rope_delta." + row)[0]);
    int yes = Integer.parseInt(TinyCheckpoints.metadata(golden, "yes_token_id"));
    int no = Integer.parseInt(TinyCheckpoints.metadata(golden, "no_token_id"));
    int next = Integer.parseInt(TinyCheckpoints.metadata(golden, "next_token_id"));
    try (JudgeRead read = network.read(images, ids)) {
      float[] logits = read.logits().toFloats();
      merge(errors, golden, "logits_last", row, logits);
      for (String name : List.of("inputs_embeds", "layer0", "layer_last")) {
        String mark = name.replace("_last", "" + (architecture.decoder().layers() - 1));
        try (TorchTensor part = program.traced(mark)) {
          merge(errors, golden, name, row, part.toFloats());
        }
      }
      double ofAll = Math.exp(JudgeAnswer.logProbability(logits, yes));
      double other = Math.exp(JudgeAnswer.logProbability(logits, no));
      merge(errors, golden, "p_yes_of_all", row, new float[] {(float) ofAll});
      merge(errors, golden, "p_yes_of_two", row, new float[] {(float) (ofAll / (ofAll + other))});
      try (JudgeRead after = network.step(read, next)) {
        merge(errors, golden, "logits_next", row, after.logits().toFloats());
      }
    }
  }

  private static void merge(
      Map<String, Double> errors, SafetensorsFile golden, String name, int row, float[] actual) {
    if (golden.names().contains(name + "." + row)) {
      errors.merge(
          name, ParityCase.largestError(actual, golden.floats(name + "." + row)), Math::max);
    }
  }
}
