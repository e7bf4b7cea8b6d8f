package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TensorInfo;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class InfinityParityTest {
  private static final double TOLERANCE = 1e-4;

  static List<ParityCase> cases() {
    return ParityCase.all("infinity-", InfinityParityTest.class);
  }

  /** Metadata holds Python literals: tuples of tuples, lists or single numbers. */
  private static JsonNode parse(Map<String, String> metadata, String key) throws Exception {
    return new ObjectMapper()
        .readTree(
            metadata
                .getOrDefault(key, "null")
                .replace('(', '[')
                .replace(')', ']')
                .replace(",]", "]"));
  }

  private static double number(JsonNode node, int scale, double otherwise) {
    return node.isArray() ? node.get(scale).asDouble() : node.asDouble(otherwise);
  }

  /**
   * The bits to feed after a scale: those the case gives, else those of its larger logits. Never of
   * our own logits, which may differ where two are nearly equal.
   */
  private static byte[] bits(SafetensorsFile golden, int scale, float[] logits) {
    byte[] bits = new byte[logits.length / 2];
    String given = "bits." + scale;
    long[] labels = golden.names().contains(given) ? golden.longs(given) : null;
    for (int i = 0; i < bits.length; i++) {
      bits[i] = (byte) (labels != null ? labels[i] : logits[2 * i + 1] > logits[2 * i] ? 1 : 0);
    }
    return bits;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void computesWhatTheReferenceDoes(ParityCase parity) throws Exception {
    try (SafetensorsFile golden = parity.golden();
        WeightSource transformer = parity.weights("transformer");
        WeightSource vae = parity.weights("vae")) {
      Map<String, String> metadata = golden.metadata();
      List<ScaleSchedule.Grid> grids = new ArrayList<>();
      for (JsonNode grid : parse(metadata, "schedule")) {
        int n = grid.size();
        grids.add(new ScaleSchedule.Grid(grid.get(n - 2).asInt(), grid.get(n - 1).asInt()));
      }
      ScaleSchedule schedule = ScaleSchedule.of(grids);
      JsonNode cfg = parse(metadata, "cfg");
      JsonNode tau = parse(metadata, "tau");
      List<Double> strengths = new ArrayList<>();
      List<Double> temperatures = new ArrayList<>();
      for (int scale = 0; scale < schedule.size(); scale++) {
        strengths.add(number(cfg, scale, 1));
        temperatures.add(number(tau, scale, 1));
      }
      double largestLogit = 0;
      double largestCode;
      double largestPixel;
      int otherPixels = 0;
      long live = TorchTensor.liveBytes();
      try (BsqTokenizer tokenizer = new BsqTokenizer(vae, Device.cpu(), false);
          InfinityNetwork network =
              new InfinityNetwork(transformer, schedule, tokenizer.bits(), false, Device.cpu())) {
        List<Integer> insertion = new ArrayList<>();
        JsonNode layers = parse(metadata, "cfg_insertion_layer");
        if (layers.isArray()) {
          layers.forEach(layer -> insertion.add(layer.asInt()));
        } else {
          insertion.add(layers.asInt(0));
        }
        int depth = network.architecture().depth();
        Guidance guidance =
            new Guidance(
                strengths,
                temperatures,
                insertion.contains(0),
                insertion.stream().filter(l -> l < 0).map(l -> (long) depth + l).toList());
        if (metadata.containsKey("num_heads")) {
          assertThat(network.architecture().heads())
              .isEqualTo(Integer.parseInt(metadata.get("num_heads")));
        }
        TensorInfo text = golden.info("text_features");
        List<InfinityNetwork.Evaluation> past = new ArrayList<>();
        TorchTensor code = network.emptyCode();
        try (TorchTensor features =
                TorchTensor.of(
                    Device.cpu(), golden.floats("text_features"), 1, text.size(0), text.size(1));
            InfinityNetwork.Shared shared = network.condition(features, guidance.guided())) {
          for (int scale = 0; scale < schedule.size(); scale++) {
            InfinityNetwork.Evaluation evaluation =
                network.step(shared, new InfinityNetwork.Row(code, past), scale, guidance);
            past.add(evaluation);
            float[] expected = golden.floats("logits." + scale);
            largestLogit =
                Math.max(largestLogit, ParityCase.largestError(evaluation.logits(), expected));
            TorchTensor next = network.accept(code, bits(golden, scale, expected), scale);
            code.close();
            code = next;
          }
          largestCode = ParityCase.largestError(code.toFloats(), golden.floats("z"));
          try (TorchTensor image = tokenizer.decodeFloats(code)) {
            largestPixel = ParityCase.largestError(image.toFloats(), golden.floats("image"));
          }
          // The order of a GPU's decoder, which computes its norms and biases by other formulas.
          try (WeightSource again = parity.weights("vae");
              BsqTokenizer last = new BsqTokenizer(again, Device.cpu(), false, false, 0, null);
              TorchTensor image = last.decodeFloats(code)) {
            largestPixel =
                Math.max(
                    largestPixel,
                    ParityCase.largestError(image.toFloats(), golden.floats("image")));
          }
          if (golden.names().contains("image_u8")) {
            byte[] rgb = tokenizer.decode(code).rgb();
            long[] bgr = golden.longs("image_u8"); // the reference writes files in OpenCV's order
            for (int i = 0; i < rgb.length; i++) {
              long expected = bgr[i / 3 * 3 + 2 - i % 3];
              otherPixels += (rgb[i] & 0xff) == expected ? 0 : 1;
              assertThat((rgb[i] & 0xff) - expected).isBetween(-1L, 1L);
            }
          }
        } finally {
          past.forEach(InfinityNetwork.Evaluation::close);
          code.close();
        }
      }
      System.out.printf(
          "%s: largest errors: logits %.2e, code %.2e, image %.2e, %d bytes of the 8-bit image%n",
          parity, largestLogit, largestCode, largestPixel, otherPixels);
      assertThat(largestLogit).isLessThan(TOLERANCE);
      assertThat(largestCode).isLessThan(TOLERANCE);
      assertThat(largestPixel).isLessThan(TOLERANCE);
      assertThat(TorchTensor.liveBytes()).isEqualTo(live);
    }
  }
}
