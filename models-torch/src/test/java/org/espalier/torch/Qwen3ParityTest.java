package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.espalier.api.EspalierException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class Qwen3ParityTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  static List<ParityCase> cases() {
    return ParityCase.all("qwen3-encoder-", Qwen3ParityTest.class);
  }

  private static Qwen3Config config(SafetensorsFile golden, ParityCase parity) throws Exception {
    return Qwen3Config.of(MAPPER.readTree(golden.metadata().get("config")), parity.name());
  }

  /** Row {@code row} of a tensor of which the first axis is the batch. */
  private static float[] row(SafetensorsFile golden, String name, int row) {
    float[] all = golden.floats(name);
    int size = all.length / golden.info(name).size(0);
    return Arrays.copyOfRange(all, row * size, (row + 1) * size);
  }

  private static Tokens tokens(SafetensorsFile golden, int row) {
    int length = golden.info("input_ids").size(1);
    long[] ids = Arrays.copyOfRange(golden.longs("input_ids"), row * length, (row + 1) * length);
    long[] mask =
        Arrays.copyOfRange(golden.longs("attention_mask"), row * length, (row + 1) * length);
    return new Tokens(ids, (int) Arrays.stream(mask).sum(), false);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void everyStateIsTheReferences(ParityCase parity) throws Exception {
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = Qwen3Encoder.layout(parity.weights("weights"))) {
      Qwen3Config config = config(golden, parity);
      List<Integer> all = IntStream.rangeClosed(0, config.numHiddenLayers()).boxed().toList();
      Map<String, Double> errors = new LinkedHashMap<>();
      try (TorchProgram program =
          Qwen3Encoder.program(config, all).traced().load(weights, config.weights(all))) {
        for (int row = 0; row < golden.info("input_ids").size(0); row++) {
          Tokens tokens = tokens(golden, row);
          int length = tokens.ids().length;
          int width = config.hiddenSize();
          try (TorchTensor ids = TorchTensor.of(Device.cpu(), tokens.ids(), 1, length);
              TorchTensor mask = TorchTensor.of(Device.cpu(), tokens.mask(), 1, length);
              TorchTensor states = program.call("forward", ids, mask)) {
            float[] values = states.toFloats();
            for (int layer : all) {
              float[] state = new float[length * width];
              for (int i = 0; i < length; i++) {
                System.arraycopy(values, (i * all.size() + layer) * width, state, i * width, width);
              }
              String name = "hidden_states." + layer;
              errors.merge(name, ParityCase.largestError(state, row(golden, name, row)), Math::max);
            }
          }
          for (String name : golden.names()) {
            if (name.startsWith("layer0.")) {
              try (TorchTensor part = program.traced(name.replace("layer0.", "layers.0."))) {
                errors.merge(
                    name,
                    ParityCase.largestError(part.toFloats(), row(golden, name, row)),
                    Math::max);
              }
            }
          }
        }
      }
      System.out.println(parity + ": " + errors);
      assertThat(errors).containsKey("layer0.mlp");
      assertThat(errors.values()).allSatisfy(error -> assertThat(error).isLessThan(1e-4));
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void promptsAreEncodedAsThePipelinesDo(ParityCase parity) throws Exception {
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = Qwen3Encoder.layout(parity.weights("weights"))) {
      Qwen3Config config = config(golden, parity);
      JsonNode layers = MAPPER.readTree(golden.metadata().get("klein_hidden_states_layers"));
      List<Integer> klein =
          IntStream.range(0, layers.size()).mapToObj(i -> layers.get(i).asInt()).toList();
      List<Integer> penultimate = List.of(config.numHiddenLayers() - 1);
      try (Qwen3Encoder joined = new Qwen3Encoder(config, klein, weights, Device.cpu());
          Qwen3Encoder last = new Qwen3Encoder(config, penultimate, weights, Device.cpu())) {
        assertThat(joined.width()).isEqualTo(3 * config.hiddenSize());
        long flops = 0;
        for (int row = 0; row < golden.info("input_ids").size(0); row++) {
          Tokens tokens = tokens(golden, row);
          try (TorchTensor states = joined.encode(tokens)) {
            float[] expected = row(golden, "klein_prompt_embeds", row);
            assertThat(ParityCase.largestError(states.toFloats(), expected)).isLessThan(1e-4);
          }
          Tokens bare =
              new Tokens(Arrays.copyOf(tokens.ids(), tokens.length()), tokens.length(), false);
          try (TorchTensor states = last.encode(bare)) {
            float[] expected = golden.floats("zimage_prompt_embeds." + row);
            assertThat(ParityCase.largestError(states.toFloats(), expected)).isLessThan(1e-4);
          }
          flops += last.flops(tokens.length());
        }
        assertThat(last.flops()).isEqualTo(flops);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void operationsAreTheHandCount(ParityCase parity) throws Exception {
    try (SafetensorsFile golden = parity.golden()) {
      Qwen3Config c = config(golden, parity);
      long tokens = 10;
      long queries = (long) c.numAttentionHeads() * c.headDim();
      long keys = (long) c.numKeyValueHeads() * c.headDim();
      // A multiply-add is two; per token: q, k, v, o, gate, up, down, then scores and sums.
      long perToken =
          2L * c.hiddenSize() * (queries + keys + keys + queries)
              + 2L * c.hiddenSize() * c.intermediateSize() * 3
              + 2 * 2L * tokens * queries;
      assertThat(c.flops(10, List.of(2))).isEqualTo(2 * tokens * perToken);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void aWrongCheckpointIsNamedByItsKey(ParityCase parity) throws Exception {
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = Qwen3Encoder.layout(parity.weights("weights"))) {
      Qwen3Config config = config(golden, parity);
      List<Integer> taken = List.of(config.numHiddenLayers());
      WeightSource lacking =
          weights.renamed(n -> n.equals("layers.0.self_attn.q_norm.weight") ? null : n);
      assertThatThrownBy(() -> config.weights(taken).check(lacking))
          .isInstanceOf(EspalierException.class)
          .hasMessageContaining("lack the key layers.0.self_attn.q_norm.weight");
      WeightSource odd = weights.renamed(n -> n.equals("norm.weight") ? "norm.scale" : n);
      assertThatThrownBy(() -> config.weights(List.of(1)).check(odd))
          .isInstanceOf(EspalierException.class)
          .hasMessageContaining("norm.scale");
    }
  }
}
