package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class VarParityTest {
  private static final double TOLERANCE = 1e-4;

  static List<ParityCase> cases() {
    return ParityCase.all("var-", VarParityTest.class);
  }

  /** Compares rows of golden tensors, of which the first axis is the batch. */
  private static final class Errors {
    private final SafetensorsFile golden;
    final Map<String, Double> largest = new LinkedHashMap<>();

    Errors(SafetensorsFile golden) {
      this.golden = golden;
    }

    void compare(String name, int row, float[] actual) {
      float[] all = golden.floats(name);
      int size = all.length / golden.info(name).size(0);
      float[] expected = Arrays.copyOfRange(all, row * size, (row + 1) * size);
      largest.merge(name, ParityCase.largestError(actual, expected), Math::max);
    }

    /** Where the file has such a tensor: conditional rows come before unconditional ones. */
    void compareRows(String name, int row, int labels, TorchTensor actual) {
      try (actual) {
        if (golden.names().contains(name)) {
          float[] values = actual.toFloats();
          int half = values.length / 2;
          compare(name, row, Arrays.copyOf(values, half));
          compare(name, labels + row, Arrays.copyOfRange(values, half, values.length));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void computesWhatTheReferenceDoes(ParityCase parity) throws Exception {
    long live = TorchTensor.liveBytes();
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = parity.weights("weights");
        WeightSource vae = parity.weights("vae")) {
      ObjectMapper mapper = new ObjectMapper();
      JsonNode config = mapper.readTree(golden.metadata().get("config"));
      JsonNode code = mapper.readTree(golden.metadata().get("vae_config"));
      WeightSource source = VarArchitecture.normalize(weights);
      VarArchitecture architecture = VarArchitecture.of(source, List.of());
      assertThat(architecture.depth()).isEqualTo(config.path("depth").asInt());
      assertThat(architecture.heads()).isEqualTo(config.path("num_heads").asInt());
      assertThat(architecture.classes()).isEqualTo(config.path("num_classes").asInt());
      assertThat(architecture.sharedModulation()).isEqualTo(config.path("shared_aln").asBoolean());
      List<Integer> sides = new ArrayList<>();
      config.path("patch_nums").forEach(side -> sides.add(side.asInt()));
      assertThat(architecture.sides()).isEqualTo(sides);
      Errors errors = new Errors(golden);
      try (VqDecoder decoder =
              new VqDecoder(
                  VqArchitecture.coarsestFirst(vae),
                  false,
                  code.path("quant_resi").asDouble(),
                  Device.cpu(),
                  false);
          VarNetwork network =
              new VarNetwork(
                  source,
                  architecture,
                  decoder,
                  config.path("norm_eps").asDouble(1e-6),
                  Device.cpu(),
                  true)) {
        double strength = Double.parseDouble(golden.metadata().get("cfg"));
        Guidance guidance = VarLoader.guidance(strength, 1, network.steps());
        // Both rows' logits at every scale, the first included, where nothing is mixed.
        Guidance both =
            new Guidance(
                Collections.nCopies(network.steps(), 2.0), guidance.tau(), true, List.of());
        long[] labels = golden.longs("labels");
        for (int row = 0; row < labels.length; row++) {
          compare(errors, network, decoder, (int) labels[row], row, labels.length, guidance, both);
        }
      }
      System.out.println(parity + ": " + errors.largest);
      TreeSet<String> outputs = new TreeSet<>(golden.names());
      outputs.removeIf(name -> name.equals("labels") || name.startsWith("codes."));
      assertThat(errors.largest.keySet()).containsExactlyInAnyOrderElementsOf(outputs);
      assertThat(errors.largest.values()).allSatisfy(e -> assertThat(e).isLessThan(TOLERANCE));
    }
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  private static void compare(
      Errors errors,
      VarNetwork network,
      VqDecoder decoder,
      int label,
      int row,
      int labels,
      Guidance guidance,
      Guidance both) {
    List<VarNetwork.Evaluation> past = new ArrayList<>();
    TorchTensor sum = network.emptyCode();
    try (VarNetwork.Shared shared = network.condition(label, true)) {
      for (int scale = 0; scale < network.steps(); scale++) {
        VarNetwork.Row trajectory = new VarNetwork.Row(sum, past);
        VarNetwork.Evaluation evaluation = network.step(shared, trajectory, scale, guidance);
        errors.compare("cfg_logits." + scale, row, evaluation.logits());
        if (scale > 0) {
          try (TorchTensor input = network.program().traced("next_input")) {
            errors.compare("next_input." + (scale - 1), row, input.toFloats());
          }
        }
        for (int block = 0; block < network.architecture().depth(); block++) {
          TorchTensor state = network.program().traced("block" + block);
          errors.compareRows("block" + block + ".scale" + scale, row, labels, state);
        }
        network.step(shared, trajectory, scale, both).close();
        try (TorchTensor logits = network.program().traced("logits")) {
          float[] values = logits.toFloats();
          int half = values.length / 2;
          errors.compare("logits_cond." + scale, row, Arrays.copyOf(values, half));
          errors.compare(
              "logits_uncond." + scale, row, Arrays.copyOfRange(values, half, values.length));
        }
        past.add(evaluation);
        long[] codes = errors.golden.longs("codes." + scale);
        int tokens = network.tokens(scale);
        try (TorchTensor given =
            TorchTensor.of(
                Device.cpu(),
                Arrays.copyOfRange(codes, row * tokens, (row + 1) * tokens),
                1,
                tokens)) {
          TorchTensor next = network.accept(List.of(sum), given, scale).get(0);
          sum.close();
          sum = next;
        }
        errors.compare("f_hat." + scale, row, sum.toFloats());
      }
      try (TorchTensor image = decoder.decode(sum)) {
        errors.compare("image_raw", row, image.toFloats());
      }
    } finally {
      past.forEach(VarNetwork.Evaluation::close);
      sum.close();
    }
  }
}
