package org.espalier.weights;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.espalier.api.EspalierException;

/**
 * Which files of a repository are read: configurations, tokenizers, and of the several forms in
 * which repositories hold the same weights the one that is read first, with the shards that its
 * index names.
 */
final class HubSelection {
  private static final String INDEX = ".index.json";

  /** The forms of the same weights, the preferred one first. */
  static final List<String> WEIGHTS =
      List.of(
          "model.safetensors",
          "model.safetensors.index.json",
          "diffusion_pytorch_model.safetensors",
          "diffusion_pytorch_model.safetensors.index.json",
          "open_clip_model.safetensors",
          "pytorch_model.bin",
          "pytorch_model.bin.index.json",
          "open_clip_pytorch_model.bin");

  /** Folders of a pipeline that are read. */
  static final Set<String> PIPELINE =
      Set.of(
          "transformer",
          "vae",
          "text_encoder",
          "text_encoder_2",
          "text_encoder_3",
          "tokenizer",
          "tokenizer_2",
          "tokenizer_3",
          "scheduler");

  /** Copies of weights for other programs, and what training leaves. */
  private static final String OTHERS =
      ".*\\.(fp16|fp8|bf16|non_ema|ema)\\..*|.*(optimizer|training_args|scheduler\\.pt|rng_state).*";

  private final HubId id;
  private final Collection<String> names;
  private final Function<String, Collection<String>> shards;
  private final Set<String> chosen = new TreeSet<>();

  private HubSelection(
      HubId id, Collection<String> names, Function<String, Collection<String>> shards) {
    this.id = id;
    this.names = names;
    this.shards = shards;
  }

  /**
   * Chooses.
   *
   * @param id the repository, with the file or folder that is wanted
   * @param names all files of the repository
   * @param shards gives the names of an index of shards, relative to its folder
   * @return what is read, in a stable order
   * @throws EspalierException CONFIG where there is nothing of that name, or several models
   */
  static Set<String> of(
      HubId id, Collection<String> names, Function<String, Collection<String>> shards) {
    HubSelection selection = new HubSelection(id, names, shards);
    String file = id.file();
    if (file != null && names.contains(file)) {
      selection.weights("", file);
    } else {
      selection.folder(file == null ? "" : file + "/");
    }
    return selection.chosen;
  }

  private void folder(String prefix) {
    List<String> here =
        names.stream()
            .filter(name -> name.startsWith(prefix))
            .map(name -> name.substring(prefix.length()))
            .toList();
    if (here.isEmpty()) {
      throw EspalierException.config(
          "The hub's " + id.repository() + " has no file or folder (" + id.file() + ").",
          "Maybe it is misspelt; there are "
              + names.stream().limit(12).collect(Collectors.joining(", "))
              + ".");
    }
    if (here.contains("model_index.json")) {
      chosen.add(prefix + "model_index.json");
      here.stream()
          .filter(name -> name.contains("/"))
          .map(name -> name.substring(0, name.indexOf('/')))
          .filter(PIPELINE::contains)
          .distinct()
          .forEach(part -> part(prefix + part + "/"));
    } else {
      part(prefix);
    }
  }

  private void part(String prefix) {
    List<String> here =
        names.stream()
            .filter(name -> name.startsWith(prefix))
            .map(name -> name.substring(prefix.length()))
            .filter(name -> !name.contains("/"))
            .toList();
    here.stream()
        .filter(
            name -> name.endsWith(".json") && !name.endsWith(INDEX) || name.equals("merges.txt"))
        .forEach(name -> chosen.add(prefix + name));
    for (String form : WEIGHTS) {
      if (here.contains(form)) {
        weights(prefix, form);
        return;
      }
    }
    List<String> others = new ArrayList<>();
    for (String name : here) {
      if (name.matches(".*\\.(safetensors|pth|pt|bin)|.*\\.(safetensors|bin)\\.index\\.json")
          && !name.matches(OTHERS)) {
        others.add(name);
      }
    }
    // Shards go with their index.
    if (others.stream().anyMatch(name -> name.endsWith(INDEX))) {
      others.removeIf(name -> name.matches(".*-\\d{5}-of-\\d{5}\\..*"));
    }
    if (others.size() > 1) {
      throw EspalierException.config(
          "The hub's " + id.repository() + " holds several models (" + join(prefix, others) + ").",
          "Maybe name one: " + id.withFile(prefix + others.get(0)) + ".");
    }
    others.forEach(name -> weights(prefix, name));
  }

  private void weights(String prefix, String name) {
    chosen.add(prefix + name);
    if (name.endsWith(INDEX)) {
      String folder = (prefix + name).substring(0, (prefix + name).lastIndexOf('/') + 1);
      for (String shard : shards.apply(prefix + name)) {
        String path = folder + shard;
        if (!HubId.isPlain(path) || !names.contains(path)) {
          throw EspalierException.config(
              "The index %s of the hub's %s names a shard (%s) that is not there."
                  .formatted(prefix + name, id.repository(), shard),
              "Maybe the repository is being changed; name a revision.");
        }
        chosen.add(path);
      }
    }
  }

  private static String join(String prefix, List<String> names) {
    return names.stream().map(name -> prefix + name).collect(Collectors.joining(", "));
  }
}
