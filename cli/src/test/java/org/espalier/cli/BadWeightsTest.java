package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.espalier;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.espalier.shapes.ShapesWeights;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights and prompts that are not what they should be: code 2, and no run directory. */
@SuppressWarnings("NullAway.Init")
class BadWeightsTest {
  @TempDir Path directory;

  private CommandLineKit.Ended run(String model, String prompts) throws IOException {
    return run(model, prompts, "toy-target");
  }

  private CommandLineKit.Ended run(String model, String prompts, String verifier)
      throws IOException {
    Path study = directory.resolve("study.yaml");
    Files.writeString(
        study,
        """
        study: bad
        prompts: %s
        budgets: {unit: nfe, levels: [1x], caps: {verifier_calls: 8}}
        models: {m: %s}
        verifiers: {search: %s}
        arms: [{strategy: single}]
        """
            .formatted(prompts, model, verifier));
    return espalier("run", study, "-q", "--out", directory.resolve("out"));
  }

  private void requireRefusal(CommandLineKit.Ended ended, String... parts) {
    assertThat(ended.code()).as(ended.err()).isEqualTo(2);
    assertThat(ended.err()).startsWith("[CONFIG] ").contains("\nMaybe ").contains(parts);
    assertThat(directory.resolve("out")).doesNotExist();
  }

  private void requireRefusedModel(String model, String... parts) throws IOException {
    requireRefusal(run(model, "{inline: [a red circle]}"), parts);
  }

  private Path copy(String bundle, String name) throws IOException {
    Path from = new ShapesWeights().directory(bundle);
    Path to = directory.resolve(name);
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path target = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.copy(file, target);
        }
      }
    }
    return to;
  }

  @Test
  void anAutoregressiveModelWithoutWholeWeights() throws IOException {
    Path weights = copy("infinity/nano", "var");
    String model = "{id: infinity, weights: var}";
    Path file = weights.resolve("transformer.safetensors");
    byte[] whole = Files.readAllBytes(file);

    Files.write(file, Arrays.copyOf(whole, whole.length / 2));
    requireRefusedModel(model, "study.yaml:4:", "transformer.safetensors", "truncated");

    Files.write(file, withAKeyTransposed(whole));
    requireRefusedModel(model, "transformer.safetensors", "shape");

    Files.delete(file);
    requireRefusedModel(model, "study.yaml:4:", "transformer.safetensors");
    requireRefusedModel("{id: infinity, weights: nowhere}", "(nowhere)", "Maybe use nano");
  }

  /** The first matrix that is not square gets its sizes exchanged in the header. */
  private static byte[] withAKeyTransposed(byte[] file) throws IOException {
    int length = (int) ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong();
    ObjectMapper json = new ObjectMapper();
    ObjectNode header =
        (ObjectNode) json.readTree(new String(file, 8, length, StandardCharsets.UTF_8));
    List<String> keys = new ArrayList<>();
    header.fieldNames().forEachRemaining(keys::add);
    for (String key : keys) {
      if (header.get(key).get("shape") instanceof ArrayNode shape
          && shape.size() == 2
          && shape.get(0).asLong() != shape.get(1).asLong()) {
        shape.add(shape.remove(0));
        break;
      }
    }
    byte[] text = json.writeValueAsBytes(header);
    assertThat(text).hasSizeLessThanOrEqualTo(length);
    byte[] changed = file.clone();
    Arrays.fill(changed, 8, 8 + length, (byte) ' ');
    System.arraycopy(text, 0, changed, 8, text.length);
    return changed;
  }

  @Test
  void everyModelIsCheckedBeforeTheFirstIsLoaded() throws IOException {
    requireRefusedModel(
        "{id: toy-scale, failsToLoad: true}, last: {id: flux, weights: nano, width: 60}",
        "study.yaml:4:",
        "width (60)");
  }

  /** The model says so where it is loaded: nothing may come so far. */
  @Test
  void everyVerifierIsCheckedBeforeTheFirstModelIsLoaded() throws IOException {
    String model = "{id: toy-scale, steps: 4, failsToLoad: true}";
    String prompts = "{inline: [a red circle]}";
    requireRefusal(run(model, prompts, "toy-target"), "loaded although");

    Path weights = copy("clip/nano", "judge").resolve("model.safetensors");
    byte[] whole = Files.readAllBytes(weights);
    Files.write(weights, Arrays.copyOf(whole, whole.length / 2));
    String clip = "{id: clip, weights: judge}";
    String ensemble = "{id: ensemble, calibration: nano, members: [" + clip + "]}";
    requireRefusal(run(model, prompts, clip), "study.yaml:5:", "model.safetensors", "truncated");
    requireRefusal(run(model, prompts, ensemble), "model.safetensors", "truncated");

    Files.write(weights, withAKeyTransposed(whole));
    requireRefusal(run(model, prompts, clip), "study.yaml:5:", "model.safetensors", "shape");
    requireRefusal(run(model, prompts, ensemble), "model.safetensors", "shape");
  }

  @Test
  void aFlowModelThatCannotBe() throws IOException {
    requireRefusedModel("{id: flux, weights: nano, sampler: {steps: 0}}", "steps (0)");
    requireRefusedModel("{id: flux, weights: nano, sampler: {kind: euler}}", "(euler)", "ode");
    requireRefusedModel("{id: flux, variant: schnell, guidance: 3.5}", "schnell", "(3.5)");
    requireRefusedModel("{id: flux, weights: nano, guidance: 3.5}", "(3.5)", "guidance embedding");
    requireRefusedModel(
        "{id: flux, weights: nano, width: 60}", "width (60)", "multiple of the patch size 2");
    Path weights = copy("flux/nano", "flow");
    Path autoencoder = new ShapesWeights().directory("flux/nano").resolveSibling("flux-nano-ae");
    String model = "{id: flux, weights: flow, autoencoder: " + autoencoder + "}";
    Path encoder = weights.resolve("text_encoder_clip");
    Files.delete(encoder.resolve("tokenizer.json"));
    requireRefusedModel(model, "tokenizer");
    Files.move(encoder, directory.resolve("elsewhere"));
    requireRefusedModel(model, "text encoder", "text_encoder_clip");
  }

  @Test
  void aPromptFileWithABadLine() throws IOException {
    String model = "{id: toy-scale, steps: 4}";
    Files.writeString(
        directory.resolve("prompts.jsonl"),
        """
        {"prompt": "a red circle", "tag": "single_object"}
        {"prompt": "a blue square", "tag": "single_object"
        {"prompt": "a green star", "tag": "single_object"}
        """);
    requireRefusal(run(model, "{file: prompts.jsonl}"), "prompts.jsonl:2");
    Files.writeString(
        directory.resolve("prompts.jsonl"), "{\"prompt\": \"a red circle\"}\n{\"prompt\": 7}\n");
    requireRefusal(run(model, "{file: prompts.jsonl}"), "prompts.jsonl:2", "prompt");
  }
}
