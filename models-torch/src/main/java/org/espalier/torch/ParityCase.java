package org.espalier.torch;

import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Reference tensors of one small network with random weights: what tests of parity compare a
 * program with. Files are {@code NAME.golden.safetensors} (inputs and outputs; the configuration is
 * in its metadata) and {@code NAME.PART.safetensors} (weights).
 *
 * @param name such as {@code t5-tiny-a}
 * @param directory where its files lie
 */
public record ParityCase(String name, Path directory) {
  /** System property: a directory whose cases are taken instead of the module's own. */
  public static final String DIRECTORY_PROPERTY = "espalier.parity.dir";

  private static final String GOLDEN = ".golden.safetensors";

  /**
   * All cases of one kind: from {@link #DIRECTORY_PROPERTY} where it is set and has any, else from
   * {@code /parity} of the test's own class path.
   *
   * @param prefix of the cases' names, such as {@code t5-}
   * @param anchor a class of the module that holds the resources
   * @return at least one case
   */
  public static List<ParityCase> all(String prefix, Class<?> anchor) {
    String property = System.getProperty(DIRECTORY_PROPERTY, "");
    if (!property.isEmpty() && !property.startsWith("${")) {
      List<ParityCase> cases = in(Path.of(property), prefix);
      if (!cases.isEmpty()) {
        return cases;
      }
      System.out.println("no parity case " + prefix + "* in " + property + ": taking the module's");
    }
    List<ParityCase> cases = in(resources(anchor), prefix);
    if (cases.isEmpty()) {
      throw new IllegalStateException("no parity case " + prefix + "* on the class path");
    }
    return cases;
  }

  private static Path resources(Class<?> anchor) {
    @Nullable URL url = anchor.getResource("/parity");
    if (url == null) {
      throw new IllegalStateException("no resource /parity beside " + anchor);
    }
    try {
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static List<ParityCase> in(Path directory, String prefix) {
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(file -> file.startsWith(prefix) && file.endsWith(GOLDEN))
          .sorted()
          .map(file -> file.substring(0, file.length() - GOLDEN.length()))
          .map(name -> new ParityCase(name, directory))
          .toList();
    } catch (IOException e) {
      throw new IllegalStateException("cannot list " + directory, e);
    }
  }

  /** Inputs and expected outputs. */
  public SafetensorsFile golden() {
    return new SafetensorsFile(directory.resolve(name + GOLDEN));
  }

  /**
   * Weights.
   *
   * @param part which, such as {@code weights}
   */
  public SafetensorsFile weights(String part) {
    return new SafetensorsFile(directory.resolve(name + "." + part + ".safetensors"));
  }

  /**
   * The largest absolute difference; infinite where one of the numbers is not a number.
   *
   * @param actual numbers
   * @param expected as many numbers
   */
  public static double largestError(float[] actual, float[] expected) {
    if (actual.length != expected.length) {
      throw new IllegalArgumentException(actual.length + " numbers instead of " + expected.length);
    }
    double largest = 0;
    for (int i = 0; i < actual.length; i++) {
      double error = Math.abs((double) actual[i] - expected[i]);
      largest = error <= largest ? largest : Double.isNaN(error) ? Double.POSITIVE_INFINITY : error;
    }
    return largest;
  }

  @Override
  public String toString() {
    return name;
  }
}
