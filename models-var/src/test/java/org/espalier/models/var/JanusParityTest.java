package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class JanusParityTest {
  private static final double TOLERANCE = 1e-4;

  static List<ParityCase> cases() {
    return ParityCase.all("janus-", JanusParityTest.class);
  }

  /** Compares tensors of the program with those of the case that bear a name. */
  private static final class Errors {
    private final SafetensorsFile golden;
    final Map<String, Double> largest = new TreeMap<>();

    Errors(SafetensorsFile golden) {
      this.golden = golden;
    }

    void compare(String name, TorchTensor actual) {
      try (actual) {
        if (golden.names().contains(name)) {
          largest.put(name, ParityCase.largestError(actual.toFloats(), golden.floats(name)));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void computesWhatTheReferenceDoes(ParityCase parity) throws Exception {
    compare(parity, parity.weights("weights"));
  }

  /** The same file under the names of DeepSeek's own repositories. */
  @ParameterizedTest
  @MethodSource("cases")
  void theOtherLayoutIsTheSameModel(ParityCase parity) throws Exception {
    WeightSource renamed = parity.weights("weights").renamed(JanusParityTest::deepSeekName);
    assertThat(renamed.names()).noneMatch(name -> name.startsWith("model."));
    compare(parity, renamed);
  }

  static String deepSeekName(String name) {
    String other =
        name.replaceFirst("^lm_head\\.", "language_model.lm_head.")
            .replaceFirst("^model\\.language_model\\.", "language_model.model.")
            .replaceFirst("^model\\.generation_embeddings\\.", "gen_embed.")
            .replaceFirst("^model\\.generation_aligner\\.fc1\\.", "gen_aligner.layers.0.")
            .replaceFirst(
                "^model\\.generation_head\\.proj_out\\.", "gen_head.output_mlp_projector.")
            .replaceFirst("^model\\.generation_head\\.", "gen_head.")
            .replaceFirst("^model\\.vqmodel\\.", "gen_vision_model.")
            .replaceFirst("decoder\\.up\\.(\\d+)\\.block\\.", "decoder.conv_blocks.$1.res.")
            .replaceFirst("decoder\\.up\\.", "decoder.conv_blocks.")
            .replace("decoder.mid.block_1.", "decoder.mid.0.")
            .replace("decoder.mid.attn_1.", "decoder.mid.1.")
            .replace("decoder.mid.block_2.", "decoder.mid.2.");
    String hidden = "model.generation_aligner.hidden_layers.";
    if (other.startsWith(hidden)) {
      int dot = other.indexOf('.', hidden.length());
      int layer = Integer.parseInt(other.substring(hidden.length(), dot));
      return "gen_aligner.layers." + 2 * (layer + 1) + other.substring(dot);
    }
    return other.startsWith("model.") ? other.substring("model.".length()) : other;
  }

  private static void compare(ParityCase parity, WeightSource file) throws Exception {
    long live = TorchTensor.liveBytes();
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = JanusArchitecture.normalize(file)) {
      JsonNode config = new ObjectMapper().readTree(golden.metadata().get("config"));
      JanusArchitecture architecture = JanusArchitecture.of(config, weights);
      assertThat(architecture.layers())
          .isEqualTo(config.path("text_config").path("num_hidden_layers").asInt());
      double guidance = Double.parseDouble(golden.metadata().get("cfg_weight"));
      long padding = Long.parseLong(golden.metadata().get("pad_token_id"));
      Errors errors = new Errors(golden);
      try (VqDecoder decoder =
              new VqDecoder(
                  weights.under("model.vqmodel."), true, 0, Device.cpu(), /* traced= */ true);
          JanusNetwork network =
              new JanusNetwork(
                  weights, architecture, 1, guidance, 1, padding, Device.cpu(), true)) {
        for (int row = 0; golden.names().contains("input_ids." + row); row++) {
          compare(errors, network, row, padding);
          decode(errors, decoder, architecture.side(), row);
        }
      }
      System.out.println(parity + ": " + errors.largest);
      TreeSet<String> outputs = new TreeSet<>(golden.names());
      outputs.removeIf(name -> name.matches("(input_ids|codes|uncond_ids|image_u8)\\..*"));
      assertThat(errors.largest.keySet()).isEqualTo(outputs);
      assertThat(errors.largest.values()).allSatisfy(e -> assertThat(e).isLessThan(TOLERANCE));
    }
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  private static void compare(Errors errors, JanusNetwork network, int row, long padding) {
    long[] ids = errors.golden.longs("input_ids." + row);
    long[] codes = errors.golden.longs("codes." + row);
    long[] rows = JanusNetwork.rows(ids, true, padding);
    assertThat(Arrays.copyOfRange(rows, ids.length, rows.length))
        .isEqualTo(errors.golden.longs("uncond_ids." + row));
    List<AutoCloseable> open = new ArrayList<>();
    List<JanusNetwork.Evaluation> past = new ArrayList<>();
    try (JanusNetwork.Shared shared = network.condition(ids, true)) {
      int last = network.architecture().layers() - 1;
      errors.compare("layer0." + row, network.program().traced("layer0"));
      errors.compare("layer_last." + row, network.program().traced("layer" + last));
      for (int n = 0; n < codes.length; n++) {
        TorchTensor code = TorchTensor.of(Device.cpu(), Arrays.copyOf(codes, n), 1, n);
        open.add(code);
        past.addAll(network.step(shared, List.of(new JanusNetwork.Row(code, past)), n, false));
        String step = "." + row + ".step" + n;
        errors.compare("hidden" + step, network.program().traced("hidden"));
        errors.compare("logits" + step, network.program().traced("logits"));
        float[] logits = past.get(n).logits();
        errors.compare("cfg_logits" + step, TorchTensor.of(Device.cpu(), logits, 1, logits.length));
        if (n > 0) {
          String before = "code_embeds." + row + ".step" + (n - 1);
          errors.compare(before, network.program().traced("code_embeds"));
        }
      }
    } finally {
      past.forEach(JanusNetwork.Evaluation::close);
      open.forEach(
          part -> {
            try {
              part.close();
            } catch (Exception e) {
              throw new AssertionError(e);
            }
          });
    }
  }

  private static void decode(Errors errors, VqDecoder decoder, int side, int row) {
    long[] codes = errors.golden.longs("codes." + row);
    try (TorchTensor given = TorchTensor.of(Device.cpu(), codes, 1, codes.length);
        TorchTensor vectors = decoder.lookUp(given, side, side)) {
      errors.compare("vq.codebook." + row, decoder.lookUp(given, side, side));
      errors.compare("image." + row, decoder.decode(vectors));
      for (String part : List.of("post_quant_conv", "conv_in", "mid")) {
        errors.compare("vq." + part + "." + row, decoder.program().traced(part));
      }
      try (TorchTensor pixels = decoder.decodePixels(vectors, true)) {
        byte[] rgb = pixels.toBytes();
        long[] planes = errors.golden.longs("image_u8." + row);
        int places = rgb.length / 3;
        for (int i = 0; i < rgb.length; i++) {
          long expected = planes[i % 3 * places + i / 3];
          assertThat((rgb[i] & 0xff) - expected).isBetween(-1L, 1L);
        }
      }
    }
  }
}
