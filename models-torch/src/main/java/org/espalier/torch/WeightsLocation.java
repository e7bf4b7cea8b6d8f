package org.espalier.torch;

import java.nio.file.Path;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeSet;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.spi.WeightsBundle;

/** Where the weights of a configuration lie. */
public final class WeightsLocation {
  private WeightsLocation() {}

  /**
   * Resolves {@code weights:} of a configuration: the name of a bundle on the class path, such as
   * {@code nano}, else a path.
   *
   * @param providerId id of the model's or verifier's provider
   * @param weights bundle name, or path relative to the context's base directory
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
    Path path = context.baseDirectory().resolve(weights);
    if (!path.toFile().exists()) {
      throw EspalierException.config(
          "The weights ("
              + weights
              + ") of "
              + providerId
              + " are neither a bundle nor a path: "
              + path
              + " does not exist.",
          bundles.isEmpty()
              ? "Maybe the path is misspelt; it is relative to " + context.baseDirectory() + "."
              : "Maybe use " + String.join(" or ", bundles) + ", which travel on the class path.");
    }
    return path;
  }
}
