package org.espalier.verifiers;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.espalier.api.DrawKey;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.models.var.InfinityConfig;
import org.espalier.models.var.InfinityProvider;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Judgement;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelState;
import org.espalier.spi.Root;
import org.espalier.spi.Verifier;
import org.espalier.weights.ModelJson;

/**
 * How the calibration of the nano ensemble was made: samples of the nano VAR for the validation
 * prompts, scored by the nano verifiers. Arguments: the file to write, and samples a prompt.
 */
final class NanoCalibration {
  private static final String PROMPTS = "/org/espalier/shapes/prompts/validation.jsonl";

  private NanoCalibration() {}

  public static void main(String[] arguments) throws IOException {
    LoadContext context =
        new LoadContext(
            "cpu",
            Path.of("."),
            spec -> {
              throw new IllegalStateException("no composed verifiers here");
            });
    List<Judgement> images = new ArrayList<>();
    InfinityConfig nano =
        new InfinityConfig("nano", null, null, null, null, null, null, null, null, null, null);
    try (GenerativeModel model = new InfinityProvider().load(nano, context)) {
      DrawKey root = DrawKey.root(6).child("calibration");
      for (Prompt prompt : prompts()) {
        images.addAll(samples(model, prompt, root, Integer.parseInt(arguments[1])));
        System.out.println(images.size());
      }
    }
    Map<String, Verifier> members = new LinkedHashMap<>();
    try (Verifier clip = new ClipProvider().load(new ClipConfig("nano"), context);
        Verifier reward = new ImageRewardProvider().load(ImageRewardConfig.of("nano"), context)) {
      members.put("clip", clip);
      members.put("image-reward", reward);
      Calibration.measure(members, images).write(Path.of(arguments[0]));
    }
  }

  private static List<Judgement> samples(
      GenerativeModel model, Prompt prompt, DrawKey root, int count) {
    List<Judgement> images = new ArrayList<>();
    try (Conditioning conditioning = model.encode(List.of(prompt)).get(0)) {
      List<Noise> noises = new ArrayList<>();
      List<Root> roots = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        noises.add(new Noise.Keyed(root.child(prompt.id()).child(i)));
        roots.add(new Root(conditioning, noises.get(i)));
      }
      List<ModelState> all = new ArrayList<>(model.begin(roots));
      List<ModelState> states = List.copyOf(all);
      for (int step = 0; step < model.card().horizon(); step++) {
        List<Branch> branches = new ArrayList<>();
        for (int i = 0; i < count; i++) {
          branches.add(new Branch(states.get(i), conditioning, List.of(noises.get(i))));
        }
        List<ModelState> next = new ArrayList<>();
        model.expand(branches).forEach(next::addAll);
        all.addAll(next);
        states = next;
      }
      List<DecodeRow> rows = new ArrayList<>();
      states.forEach(state -> rows.add(new DecodeRow(state, conditioning)));
      for (Artifact decoded : model.decode(rows)) {
        images.add(
            new Judgement(prompt.id() + images.size(), prompt, Artifact.of(decoded.image())));
        decoded.close();
      }
      for (int i = all.size() - 1; i >= 0; i--) {
        all.get(i).close();
      }
    }
    return images;
  }

  private static List<Prompt> prompts() throws IOException {
    List<Prompt> prompts = new ArrayList<>();
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(
                Objects.requireNonNull(NanoCalibration.class.getResourceAsStream(PROMPTS)),
                StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String text = ModelJson.parse(line).get("prompt").asText();
        prompts.add(Prompt.of("validation-" + prompts.size(), text));
      }
    }
    return prompts;
  }
}
