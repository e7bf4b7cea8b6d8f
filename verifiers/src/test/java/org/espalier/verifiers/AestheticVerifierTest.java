package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.espalier.api.EspalierException;
import org.espalier.spi.Artifact;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.testkit.VerifierContract;
import org.espalier.torch.Device;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AestheticVerifierTest {
  private static final int[] NUMBERS = {0, 2, 4, 6, 7};
  private static final int[] WIDTHS = {32, 8, 6, 4, 3, 1};

  private Path base;
  private Map<String, float[]> head;

  @BeforeEach
  void layOut(@TempDir Path base) throws IOException {
    this.base = base;
    TinyCheckpoints.clip(base.resolve("clip"));
    head = head(WIDTHS[0]);
    write(base.resolve("head.safetensors"), head, WIDTHS[0]);
  }

  private static Map<String, float[]> head(int inputWidth) {
    Random random = new Random(7);
    Map<String, float[]> head = new LinkedHashMap<>();
    for (int i = 0; i < NUMBERS.length; i++) {
      int in = i == 0 ? inputWidth : WIDTHS[i];
      float[] weight = new float[WIDTHS[i + 1] * in];
      float[] bias = new float[WIDTHS[i + 1]];
      for (int j = 0; j < weight.length; j++) {
        weight[j] = (float) random.nextGaussian();
      }
      for (int j = 0; j < bias.length; j++) {
        bias[j] = (float) random.nextGaussian();
      }
      head.put("layers." + NUMBERS[i] + ".weight", weight);
      head.put("layers." + NUMBERS[i] + ".bias", bias);
    }
    return head;
  }

  /** Writes a safetensors file; two-dimensional where the name says weight. */
  private static void write(Path file, Map<String, float[]> tensors, int inputWidth)
      throws IOException {
    StringBuilder header = new StringBuilder("{");
    int offset = 0;
    int layer = 0;
    for (Map.Entry<String, float[]> tensor : tensors.entrySet()) {
      int n = tensor.getValue().length;
      boolean bias = tensor.getKey().endsWith("bias");
      int in = layer == 0 ? inputWidth : WIDTHS[layer];
      header
          .append(offset == 0 ? "" : ",")
          .append('"')
          .append(tensor.getKey())
          .append("\":{\"dtype\":\"F32\",\"shape\":[")
          .append(bias ? String.valueOf(n) : n / in + "," + in)
          .append("],\"data_offsets\":[")
          .append(offset)
          .append(',')
          .append(offset + 4 * n)
          .append("]}");
      offset += 4 * n;
      layer += bias ? 1 : 0;
    }
    byte[] json = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer out = ByteBuffer.allocate(8 + json.length + offset).order(ByteOrder.LITTLE_ENDIAN);
    out.putLong(json.length).put(json);
    tensors
        .values()
        .forEach(
            values -> {
              for (float value : values) {
                out.putFloat(value);
              }
            });
    Files.write(file, out.array());
  }

  private Verifier load() {
    return new AestheticProvider()
        .load(new AestheticConfig("head.safetensors", "clip"), TinyCheckpoints.context(base));
  }

  @Test
  void appliesTheLayersToTheUnitEmbedding() {
    RgbImage image = Pictures.noise(50, 40, 9);
    double[] x;
    try (WeightSource source = WeightSource.open(base.resolve("clip"))) {
      ClipArchitecture architecture =
          ClipArchitecture.of(
              ModelJson.require(base.resolve("clip/config.json"), "config"), source);
      try (ClipNetwork clip = ClipNetwork.load(architecture, source, Device.cpu());
          TorchTensor unit =
              clip.embedImages(
                  ImageTransform.clip(32, ImageTransform.CropRounding.DOWN).apply(image), 1, 32)) {
        float[] values = unit.toFloats();
        x = new double[values.length];
        for (int i = 0; i < x.length; i++) {
          x[i] = values[i];
        }
      }
    }
    for (int layer = 0; layer < NUMBERS.length; layer++) {
      float[] weight = Objects.requireNonNull(head.get("layers." + NUMBERS[layer] + ".weight"));
      float[] bias = Objects.requireNonNull(head.get("layers." + NUMBERS[layer] + ".bias"));
      double[] y = new double[bias.length];
      for (int o = 0; o < y.length; o++) {
        y[o] = bias[o];
        for (int i = 0; i < x.length; i++) {
          y[o] += weight[o * x.length + i] * x[i];
        }
      }
      x = y;
    }
    try (Verifier verifier = load()) {
      double value =
          VerifierChecks.scored(
                  verifier
                      .verify(List.of(VerifierChecks.judgement(0, "w3", Artifact.of(image))))
                      .get(0))
              .value();
      assertThat(value).isCloseTo(x[0], within(1e-4));
    }
  }

  @Test
  void batchEqualsSingleCallsAndThePromptDoesNotMatter() {
    try (Verifier verifier = load()) {
      VerifierChecks.batchEqualsSingleCalls(verifier, List.of("w3 w4", "anything at all"));
      Artifact image = Artifact.of(Pictures.noise(50, 40, 9));
      assertThat(verifier.verify(List.of(VerifierChecks.judgement(0, "a", image))))
          .isEqualTo(verifier.verify(List.of(VerifierChecks.judgement(0, "b", image))));
    }
  }

  @Test
  void failuresStayAlone() {
    try (Verifier verifier = load()) {
      VerifierChecks.failuresStayAlone(verifier, "w3 w4");
    }
  }

  @Test
  void costsWhatAHandCountSays() {
    long vision =
        2L * 16 * (3 * 8 * 8) * 64
            + 3L * (2 * 17 * (4 * 64 * 64 + 2 * 64 * 256) + 2 * 2 * 17 * 17 * 64)
            + 2L * 64 * 32;
    long layers = 2L * (32 * 8 + 8 * 6 + 6 * 4 + 4 * 3 + 3);
    try (Verifier verifier = load()) {
      VerifierChecks.quoteEqualsCounters(verifier, "w3 w4", vision + layers);
    }
  }

  @Test
  void refusesAClipOfAnotherWidth() throws IOException {
    write(base.resolve("head.safetensors"), head(16), 16);

    assertThatThrownBy(this::load)
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("reads embeddings of 16 numbers, but CLIP in")
        .hasMessageContaining("gives 32");
  }

  @Test
  void saysWhatIsMissing() {
    assertThatThrownBy(() -> new AestheticConfig(null, "clip"))
        .hasMessageContaining("The aesthetic predictor's weights are missing.");
    assertThatThrownBy(() -> new AestheticConfig("head.safetensors", null))
        .hasMessageContaining("clip, whose embeddings it reads, is missing");
    assertThatThrownBy(
            () ->
                new AestheticProvider()
                    .load(
                        new AestheticConfig("clip/model.safetensors", "clip"),
                        TinyCheckpoints.context(base)))
        .hasMessageContaining("are not those of the aesthetic predictor");
  }

  @Nested
  class Contract extends VerifierContract {
    @Override
    protected Verifier create() {
      return load();
    }
  }
}
