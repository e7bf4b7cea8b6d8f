package org.espalier.torch;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeSet;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.spi.WeightsBundle;
import org.espalier.weights.HubCache;
import org.espalier.weights.HubId;
import org.espalier.weights.PipelineSnapshot;
import org.espalier.weights.Places;

/** Where the weights of a configuration lie. */
public final class WeightsLocation {
  private WeightsLocation() {}

  /**
   * Resolves {@code weights:} of a configuration: the name of a bundle on the class path, such as
   * {@code nano}; else a path, in which {@code ~} and {@code ${VARIABLE}} are expanded; else {@code
   * hf:ORG/NAME[@REVISION][/FILE]}, or a plain {@code ORG/NAME}, in the local cache of the Hugging
   * Face hub. Nothing is downloaded.
   *
   * @param providerId id of the model's or verifier's provider
   * @param weights bundle name, path relative to the context's base directory, or reference
   * @param context where paths start
   * @return an existing directory or file
   * @throws EspalierException CONFIG where there is neither
   */
  public static Path resolve(String providerId, String weights, LoadContext context) {
    Set<String> bundles = new TreeSet<>();
    for (WeightsBundle bundle : ServiceLoader.load(WeightsBundle.class)) {
      for (String name : bundle.names()) {
        if (name.equals(providerId + "/" + weights)) {
          return bundle.directory(name);
        }
        if (name.startsWith(providerId + "/")) {
          bundles.add(name.substring(providerId.length() + 1));
        }
      }
    }
    if (weights.startsWith(HubId.PREFIX)) {
      return whole(HubCache.ofUser().resolve(HubId.of(weights)));
    }
    Path path = context.baseDirectory().resolve(Places.expand(weights));
    if (Files.exists(path)) {
      return whole(path);
    }
    Optional<HubId> id = HubId.maybe(weights);
    if (id.isPresent() && HubCache.ofUser().has(id.get())) {
      return whole(HubCache.ofUser().resolve(id.get()));
    }
    String what =
        "The weights ("
            + weights
            + ") of "
            + providerId
            + " are neither a bundle nor a path: "
            + path
            + (Files.isSymbolicLink(path) ? " is a link that leads nowhere" : " does not exist");
    if (id.isPresent()) {
      throw EspalierException.config(
          what + ", and the cache of the hub (" + HubCache.ofUser().root() + ") has none either.",
          "Maybe run: " + HubCache.getLine(id.get()));
    }
    throw EspalierException.config(
        what + ".",
        bundles.isEmpty()
            ? "Maybe the path is misspelt; it is relative to " + context.baseDirectory() + "."
            : "Maybe use " + String.join(" or ", bundles) + ", which travel on the class path.");
  }

  private static Path whole(Path path) {
    PipelineSnapshot.requireWhole(path);
    return path;
  }

  /**
   * Resolves a further path of a configuration, such as that of a text encoder.
   *
   * @param text a path relative to the context's base directory, with {@code ~} and {@code
   *     ${VARIABLE}} expanded, or {@code hf:ORG/NAME[@REVISION][/FILE]} in the cache of the hub
   * @param base the context's base directory
   * @return a path, which need not exist if it is not of the hub
   */
  public static Path path(String text, Path base) {
    return text.startsWith(HubId.PREFIX)
        ? HubCache.ofUser().resolve(HubId.of(text))
        : base.resolve(Places.expand(text));
  }

  /**
   * Where the companions of some weights lie.
   *
   * @param weights a directory, or a file in it
   */
  public static Path directory(Path weights) {
    Path parent = weights.toAbsolutePath().getParent();
    return Files.isDirectory(weights) || parent == null ? weights : parent;
  }
}
