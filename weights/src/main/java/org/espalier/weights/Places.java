package org.espalier.weights;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/** Paths as users write them: {@code ~/models}, {@code ${SCRATCH}/flux}. */
public final class Places {
  private static final Pattern VARIABLE = Pattern.compile("\\$\\{([A-Za-z_][A-Za-z0-9_]*)}");

  private Places() {}

  /**
   * Expands a leading {@code ~} and every {@code ${VARIABLE}}.
   *
   * @param text a path
   * @throws EspalierException CONFIG where a variable is not set, or the text is no path
   */
  public static Path expand(String text) {
    return expand(text, System.getenv(), System.getProperty("user.home"));
  }

  static Path expand(String text, Map<String, String> environment, @Nullable String home) {
    Matcher matcher = VARIABLE.matcher(text);
    StringBuilder result = new StringBuilder();
    while (matcher.find()) {
      String value = environment.get(matcher.group(1));
      if (value == null || value.isEmpty()) {
        throw EspalierException.config(
            "The variable " + matcher.group() + " of the path (" + text + ") is not set.",
            "Maybe export " + matcher.group(1) + ", or write the path out.");
      }
      matcher.appendReplacement(result, Matcher.quoteReplacement(value));
    }
    matcher.appendTail(result);
    String path = result.toString();
    if (path.equals("~") || path.startsWith("~/")) {
      String own = environment.getOrDefault("HOME", home == null ? "" : home);
      if (own.isEmpty() || own.equals("?")) {
        throw EspalierException.config(
            "There is no home directory for the path (" + text + ").",
            "Maybe set HOME, or write the path out.");
      }
      path = own + path.substring(1);
    }
    try {
      return Path.of(path);
    } catch (InvalidPathException e) {
      throw EspalierException.config(
          "The text (" + text + ") is no path: " + e.getReason() + ".",
          "Maybe it holds a character that file names cannot have.");
    }
  }
}
