package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.jspecify.annotations.NullUnmarked;

/** A case's golden tensors, and the largest error met of each. */
@NullUnmarked
final class Golden implements AutoCloseable {
  private final ParityCase parity;
  private final SafetensorsFile file;
  private final Map<String, Double> errors = new LinkedHashMap<>();

  Golden(ParityCase parity) {
    this.parity = parity;
    this.file = parity.golden();
  }

  SafetensorsFile file() {
    return file;
  }

  /** An entry of the metadata as JSON; missing where there is none. */
  JsonNode json(String key) {
    String text = file.metadata().get(key);
    try {
      return text == null ? MissingNode.getInstance() : new ObjectMapper().readTree(text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The input of a guided case that guidance leads away from. */
  String negative(String suffix) {
    for (JsonNode name : json("inputs")) {
      String text = name.asText();
      if ((text.contains("negative") || text.contains("uncond")) && text.endsWith(suffix)) {
        return text;
      }
    }
    throw new IllegalStateException("no negative input with the end " + suffix);
  }

  boolean has(String name) {
    return file.names().contains(name);
  }

  /** Size of the first axis. */
  int rows(String name) {
    return file.info(name).size(0);
  }

  /** One row of a tensor of which the first axis is the batch. */
  float[] row(String name, int row) {
    float[] all = file.floats(name);
    int length = all.length / rows(name);
    return Arrays.copyOfRange(all, row * length, (row + 1) * length);
  }

  /** One row as a tensor with a batch of one. */
  TorchTensor tensor(String name, int row) {
    long[] shape = file.info(name).shape().stream().mapToLong(Long::longValue).toArray();
    shape[0] = 1;
    return TorchTensor.of(Device.cpu(), row(name, row), shape);
  }

  /** Rows of several tensors as a conditioning; its tokens are those of the first. */
  FlowConditioning conditioning(int row, String... names) {
    List<TorchTensor> tensors = Arrays.stream(names).map(name -> tensor(name, row)).toList();
    return new FlowConditioning(tensors, tensors.get(0).size(1), false);
  }

  /** Holds numbers against one row of a tensor. */
  void compare(String name, int row, float[] actual) {
    compare(name, actual, row(name, row));
  }

  void compare(String name, float[] actual, float[] expected) {
    errors.merge(name, ParityCase.largestError(actual, expected), Math::max);
  }

  /** Holds what a program remembered of its last call against one row of a tensor. */
  void compareTraced(TorchProgram program, String traced, String name, int row) {
    try (TorchTensor part = program.traced(traced)) {
      compare(name, row, part.toFloats());
    }
  }

  /**
   * All outputs have been compared and are close.
   *
   * @param bounds of tensors whose own rounding is larger than usual
   * @param inputs beside those that the metadata names
   */
  void assertClose(Map<String, Double> bounds, String... inputs) {
    System.out.println(
        parity
            + ": largest errors: "
            + errors.entrySet().stream()
                .map(e -> e.getKey() + " %.1e".formatted(e.getValue()))
                .collect(Collectors.joining(", ")));
    errors.forEach(
        (name, error) -> assertThat(error).as(name).isLessThan(bounds.getOrDefault(name, 1e-4)));
    List<String> known = new java.util.ArrayList<>(List.of(inputs));
    json("inputs").forEach(name -> known.add(name.asText()));
    assertThat(file.names())
        .allSatisfy(
            name -> assertThat(errors.containsKey(name) || known.contains(name)).as(name).isTrue());
  }

  /** Packed (rows * columns, channels * 2 * 2) as (channels, 2 * rows, 2 * columns). */
  static float[] unpacked(float[] tokens, int rows, int columns) {
    int channels = tokens.length / rows / columns / 4;
    float[] latent = new float[tokens.length];
    for (int c = 0; c < channels; c++) {
      for (int y = 0; y < 2 * rows; y++) {
        for (int x = 0; x < 2 * columns; x++) {
          int token = (y / 2) * columns + x / 2;
          latent[(c * 2 * rows + y) * 2 * columns + x] =
              tokens[token * channels * 4 + c * 4 + (y % 2) * 2 + x % 2];
        }
      }
    }
    return latent;
  }

  /** (channels, pixels) as (pixels, channels). */
  static float[] lastChannels(float[] values, int pixels) {
    int channels = values.length / pixels;
    float[] turned = new float[values.length];
    for (int c = 0; c < channels; c++) {
      for (int i = 0; i < pixels; i++) {
        turned[i * channels + c] = values[c * pixels + i];
      }
    }
    return turned;
  }

  /** A sampler's times but the last, in other units. */
  static float[] times(FlowSampler sampler, float factor) {
    float[] times = new float[sampler.steps()];
    for (int i = 0; i < times.length; i++) {
      times[i] = sampler.time(i) * factor;
    }
    return times;
  }

  /** The velocity without guidance. */
  static float[] at(FlowNetwork network, float[] latent, float time, FlowConditioning text) {
    return network
        .velocities(List.of(new FlowNetwork.Row(latent, time, text)), FlowNetwork.Guidance.NONE)
        .get(0);
  }

  @Override
  public void close() {
    file.close();
  }
}
