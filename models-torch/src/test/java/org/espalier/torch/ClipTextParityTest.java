package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** CLIP's text tower against the reference implementation. */
class ClipTextParityTest {
  static Stream<ParityCase> cases() {
    return ParityCase.all("clip-", ClipTextParityTest.class).stream();
  }

  private static ClipTextConfig config(SafetensorsFile golden) throws Exception {
    JsonNode json = new ObjectMapper().readTree(golden.metadata().get("config"));
    return ClipTextConfig.of(json.get("text_config"), "the case's metadata");
  }

  @ParameterizedTest
  @MethodSource("cases")
  void hiddenStatesAndPooledVectorsAreTheReferences(ParityCase parity) throws Exception {
    try (SafetensorsFile golden = parity.golden();
        SafetensorsFile weights = parity.weights("weights");
        ClipTextEncoder encoder = new ClipTextEncoder(config(golden), weights, Device.cpu())) {
      long[] ids = golden.longs("input_ids");
      long[] mask = golden.longs("attention_mask");
      float[] hidden = golden.floats("text_last_hidden_state");
      float[] pooled = golden.floats("text_pooled");
      int texts = golden.info("input_ids").size(0);
      int length = golden.info("input_ids").size(1);
      int width = encoder.config().hiddenSize();
      double hiddenError = 0;
      double pooledError = 0;
      for (int i = 0; i < texts; i++) {
        long[] row = Arrays.copyOfRange(ids, i * length, (i + 1) * length);
        int tokens = (int) Arrays.stream(mask, i * length, (i + 1) * length).sum();
        List<TorchTensor> features = encoder.encode(new Tokens(row, tokens, false));
        List<TorchTensor> unpadded =
            encoder.encode(new Tokens(Arrays.copyOf(row, tokens), tokens, false));
        try (TorchTensor states = features.get(0);
            TorchTensor vector = features.get(1);
            TorchTensor statesOfTokens = unpadded.get(0);
            TorchTensor vectorOfTokens = unpadded.get(1)) {
          float[] expectedVector = Arrays.copyOfRange(pooled, i * width, (i + 1) * width);
          hiddenError =
              Math.max(
                  hiddenError,
                  ParityCase.largestError(
                      states.toFloats(),
                      Arrays.copyOfRange(hidden, i * length * width, (i + 1) * length * width)));
          pooledError =
              Math.max(pooledError, ParityCase.largestError(vector.toFloats(), expectedVector));
          assertThat(statesOfTokens.size(1)).isEqualTo(tokens);
          assertThat(ParityCase.largestError(vectorOfTokens.toFloats(), expectedVector))
              .as("padding does not change the pooled vector")
              .isLessThan(1e-4);
        }
      }
      System.out.printf(
          "%s: largest error of text_last_hidden_state %.2e, of text_pooled %.2e%n",
          parity, hiddenError, pooledError);
      assertThat(hiddenError).isLessThan(1e-4);
      assertThat(pooledError).isLessThan(1e-4);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void projectedVectorsAreTheReferencesAndStatesThoseBeforeTheLastLayer(ParityCase parity)
      throws Exception {
    try (SafetensorsFile golden = parity.golden();
        SafetensorsFile weights = parity.weights("weights");
        ClipTextEncoder encoder = ClipTextEncoder.projected(config(golden), weights, Device.cpu());
        ClipTextEncoder shorter =
            new ClipTextEncoder(
                withLayers(config(golden), encoder.config().numHiddenLayers() - 1),
                weights.renamed(
                    name ->
                        name.contains(".layers." + (encoder.config().numHiddenLayers() - 1) + ".")
                            ? null
                            : name),
                Device.cpu())) {
      int width = encoder.config().hiddenSize();
      int length = golden.info("input_ids").size(1);
      long[] row = Arrays.copyOf(golden.longs("input_ids"), length);
      int tokens = (int) Arrays.stream(golden.longs("attention_mask"), 0, length).sum();
      Tokens text = new Tokens(Arrays.copyOf(row, tokens), tokens, false);
      List<TorchTensor> features = encoder.encodeProjected(text);
      List<TorchTensor> normed = shorter.encode(text);
      try (TorchTensor states = features.get(0);
          TorchTensor vector = features.get(1);
          TorchTensor expected = normed.get(0);
          TorchTensor unused = normed.get(1)) {
        int projection = ClipTextEncoder.projection(weights);
        float[] direction = vector.toFloats(); // the reference's has length 1
        double length2 = 0;
        for (float value : direction) {
          length2 += value * value;
        }
        for (int i = 0; i < direction.length; i++) {
          direction[i] /= (float) Math.sqrt(length2);
        }
        assertThat(
                ParityCase.largestError(
                    direction, Arrays.copyOf(golden.floats("text_embeds"), projection)))
            .isLessThan(1e-4);
        // The shorter tower ends in the final norm, which the states do without.
        float[] gain = weights.floats("text_model.final_layer_norm.weight");
        float[] bias = weights.floats("text_model.final_layer_norm.bias");
        float[] values = states.toFloats();
        for (int i = 0; i < tokens; i++) {
          normalize(values, i * width, gain, bias, encoder.config().layerNormEps());
        }
        assertThat(ParityCase.largestError(values, expected.toFloats())).isLessThan(1e-4);
        assertThat(unused.elements()).isPositive();
        assertThat(encoder.flops())
            .isEqualTo(encoder.config().flops(tokens) + 2L * width * projection);
      }
    }
  }

  private static void normalize(float[] values, int from, float[] gain, float[] bias, double eps) {
    double mean = 0;
    double square = 0;
    for (int i = 0; i < gain.length; i++) {
      mean += values[from + i] / gain.length;
      square += (double) values[from + i] * values[from + i] / gain.length;
    }
    double scale = 1 / Math.sqrt(square - mean * mean + eps);
    for (int i = 0; i < gain.length; i++) {
      values[from + i] = (float) ((values[from + i] - mean) * scale * gain[i] + bias[i]);
    }
  }

  private static ClipTextConfig withLayers(ClipTextConfig c, int layers) {
    return new ClipTextConfig(
        c.vocabSize(),
        c.hiddenSize(),
        c.intermediateSize(),
        layers,
        c.numAttentionHeads(),
        c.maxPositionEmbeddings(),
        c.layerNormEps(),
        c.quickGelu(),
        c.eosTokenId());
  }

  @Test
  void theMarkOfOldConfigurationsTakesTheLargestToken() throws Exception {
    ParityCase parity = ParityCase.all("clip-", ClipTextParityTest.class).get(0);
    try (SafetensorsFile golden = parity.golden();
        SafetensorsFile weights = parity.weights("weights")) {
      ClipTextConfig c = config(golden);
      ClipTextConfig old =
          new ClipTextConfig(
              c.vocabSize(),
              c.hiddenSize(),
              c.intermediateSize(),
              c.numHiddenLayers(),
              c.numAttentionHeads(),
              c.maxPositionEmbeddings(),
              c.layerNormEps(),
              c.quickGelu(),
              2);
      Tokens tokens = new Tokens(new long[] {3, 9, 5, 4}, 4, false);
      try (ClipTextEncoder encoder = new ClipTextEncoder(old, weights, Device.cpu())) {
        List<TorchTensor> features = encoder.encode(tokens);
        try (TorchTensor states = features.get(0);
            TorchTensor vector = features.get(1)) {
          int width = c.hiddenSize();
          assertThat(vector.toFloats())
              .isEqualTo(Arrays.copyOfRange(states.toFloats(), width, 2 * width));
        }
      }
    }
  }

  @Test
  void floatingPointOperationsAreTheHandCount() {
    ClipTextConfig config = new ClipTextConfig(99, 48, 192, 2, 2, 16, 1e-5, true, 98);
    long projections = 4 * 2L * 7 * 48 * 48;
    long attention = 2 * 2L * 7 * 7 * 48;
    long feedForward = 2 * 2L * 7 * 48 * 192;
    assertThat(config.flops(7)).isEqualTo(2 * (projections + attention + feedForward));
  }

  @Test
  void refusesTokensOutsideTheVocabularyAndTextsThatAreTooLong() throws Exception {
    ParityCase parity = ParityCase.all("clip-", ClipTextParityTest.class).get(0);
    try (SafetensorsFile golden = parity.golden();
        SafetensorsFile weights = parity.weights("weights");
        ClipTextEncoder encoder = new ClipTextEncoder(config(golden), weights, Device.cpu())) {
      int vocabulary = encoder.config().vocabSize();
      int longest = encoder.config().maxPositionEmbeddings();
      assertThatThrownBy(() -> encoder.encode(new Tokens(new long[] {vocabulary}, 1, false)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(Integer.toString(vocabulary));
      assertThatThrownBy(
              () -> encoder.encode(new Tokens(new long[longest + 1], longest + 1, false)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("positions for " + longest);
    }
  }

  @Test
  void refusesAnActivationThatIsNotKnown() throws Exception {
    JsonNode json = new ObjectMapper().readTree("{\"hidden_act\": \"tanh\"}");
    assertThatThrownBy(() -> ClipTextConfig.of(json, "config.json"))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The activation (tanh) of the CLIP configuration config.json is not"
                + " supported.\nMaybe use quick_gelu or gelu.");
  }
}
