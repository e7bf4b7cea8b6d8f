package org.espalier.models.var;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;
import org.espalier.torch.WeightsLocation;
import org.jspecify.annotations.Nullable;

/**
 * Which of the visual tokenizers of the published repository belongs to a transformer: {@code
 * infinity_vae_d32reg.pth} to {@code infinity_2b_reg.pth}, {@code
 * infinity_vae_d56_f8_14_patchify.pth} to the 8B model, {@code infinity_vae_d16.pth} to the 125M
 * one. Bits tell most of them apart; {@code d32} and {@code d32reg} have equal shapes, and a model
 * with the wrong one paints, but badly.
 */
final class TokenizerFile {
  private static final System.Logger LOG = System.getLogger(TokenizerFile.class.getName());
  private static final String OWN = "vae.safetensors";
  private static final String PATTERN = "infinity_vae_*.{pth,safetensors}";
  private static final Pattern NAME = Pattern.compile("infinity_vae_d(\\d+)(reg)?[_.].*");

  private TokenizerFile() {}

  /**
   * The name of the tokenizer that the published repository has for a transformer.
   *
   * @param weights the transformer's file or folder, by its published name
   * @return null for other names
   */
  static @Nullable String published(String weights) {
    String name = weights.substring(weights.lastIndexOf('/') + 1);
    if (name.startsWith("infinity_2b")) {
      return name.contains("reg") ? "infinity_vae_d32reg.pth" : "infinity_vae_d32.pth";
    }
    if (name.startsWith("infinity_8b")) {
      return "infinity_vae_d56_f8_14_patchify.pth";
    }
    return name.startsWith("infinity_125M") ? "infinity_vae_d16.pth" : null;
  }

  /**
   * The one that belongs to a transformer.
   *
   * @param weights the transformer's file or folder
   * @param bits that it predicts a token
   * @throws EspalierException CONFIG where there is none, or several that could be it
   */
  static Path beside(Path weights, int bits) {
    List<Path> found = candidates(weights);
    List<Path> fitting = fitting(found, bits, isRegularised(weights));
    if (fitting.size() == 1) {
      return fitting.get(0);
    }
    throw EspalierException.config(
        "Of the tokenizers (%s) beside %s %s of its %d bits."
            .formatted(
                String.join(", ", names(found)),
                weights,
                fitting.isEmpty() ? "none is" : "more than one are",
                bits),
        "Maybe set vae to the tokenizer's file.");
  }

  /**
   * All tokenizers that lie beside a transformer.
   *
   * @param weights the transformer's file or folder
   * @throws EspalierException CONFIG where there is none
   */
  static List<Path> candidates(Path weights) {
    Path directory = WeightsLocation.directory(weights);
    if (Files.isRegularFile(directory.resolve(OWN))) {
      return List.of(directory.resolve(OWN));
    }
    List<Path> found = matches(directory);
    Path above = directory.getParent();
    if (found.isEmpty() && above != null) { // the published 8B model is a folder of its own
      found = matches(above);
    }
    if (found.isEmpty()) {
      throw EspalierException.config(
          "The directory " + directory + " has neither " + OWN + " nor " + PATTERN + ".",
          "Maybe set vae to the tokenizer's file.");
    }
    return found;
  }

  /**
   * A tokenizer that the configuration names; one whose name is another model's is warned of.
   *
   * @param vae the tokenizer's file
   * @param weights the transformer's file or folder
   */
  static Path named(Path vae, Path weights) {
    Matcher name = NAME.matcher(String.valueOf(vae.getFileName()));
    Matcher model =
        Pattern.compile("infinity_\\d.*").matcher(String.valueOf(weights.getFileName()));
    if (name.matches() && model.matches() && (name.group(2) != null) != isRegularised(weights)) {
      LOG.log(
          System.Logger.Level.WARNING,
          "The tokenizer {0} is by its name of another model than {1}: images will be poor.",
          vae.getFileName(),
          weights.getFileName());
    }
    return vae;
  }

  private static List<Path> fitting(List<Path> found, int bits, boolean regularised) {
    if (found.size() == 1) {
      return found;
    }
    List<Path> ofBits =
        found.stream()
            .filter(
                file -> {
                  Matcher name = NAME.matcher(String.valueOf(file.getFileName()));
                  return name.matches() && Integer.parseInt(name.group(1)) == bits;
                })
            .toList();
    if (ofBits.size() < 2) {
      return ofBits;
    }
    return ofBits.stream().filter(file -> isRegularised(file) == regularised).toList();
  }

  private static boolean isRegularised(Path file) {
    return String.valueOf(file.getFileName()).contains("reg");
  }

  private static List<String> names(List<Path> files) {
    return files.stream().map(file -> String.valueOf(file.getFileName())).toList();
  }

  private static List<Path> matches(Path directory) {
    List<Path> found = new ArrayList<>();
    try (DirectoryStream<Path> matches = Files.newDirectoryStream(directory, PATTERN)) {
      matches.forEach(found::add);
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The directory " + directory + " cannot be read: " + e.getMessage() + ".",
          "Maybe check its permissions.",
          e);
    }
    Collections.sort(found);
    return found;
  }
}
