package org.espalier.weights;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint on the Hugging Face hub, or a part of one.
 *
 * @param repository {@code ORG/NAME}, or a bare name of the hub's early days
 * @param revision branch, tag or commit; null for {@code main}
 * @param file path of a file or folder within it, with slashes; null for all of it
 */
public record HubId(String repository, @Nullable String revision, @Nullable String file) {
  /** How a reference to the hub begins. */
  public static final String PREFIX = "hf:";

  private static final String WORD = "[A-Za-z0-9][A-Za-z0-9._-]{0,95}";
  private static final Pattern FORM =
      Pattern.compile("(" + WORD + "(?:/" + WORD + ")?+)(?:@(" + WORD + "))?(?:/(.+))?");
  private static final Pattern PLAIN = Pattern.compile(WORD + "/" + WORD);

  public HubId {
    if (file != null && !isPlain(file)) {
      throw EspalierException.config(
          "The file (" + file + ") of " + repository + " is not a path within a repository.",
          "Maybe leave out .. and slashes at its ends.");
    }
  }

  /**
   * Reads {@code hf:ORG/NAME[@REVISION][/FILE]}.
   *
   * @param text with or without the prefix
   * @throws EspalierException CONFIG where it has another form
   */
  public static HubId of(String text) {
    String body = text.startsWith(PREFIX) ? text.substring(PREFIX.length()) : text;
    Matcher matcher = FORM.matcher(body);
    if (!matcher.matches()) {
      throw EspalierException.config(
          "The reference to the hub (" + text + ") has not the form hf:ORG/NAME[@REVISION][/FILE].",
          "Maybe use hf:google/flan-t5-xl, or hf:ORG/NAME/model.safetensors.");
    }
    return new HubId(matcher.group(1), matcher.group(2), matcher.group(3));
  }

  /**
   * A reference that a text is, if it is one: begins with {@code hf:}, or is {@code ORG/NAME}.
   *
   * @param text any text; whether a path of that name exists is the caller's to check
   */
  public static Optional<HubId> maybe(String text) {
    return text.startsWith(PREFIX) || PLAIN.matcher(text).matches()
        ? Optional.of(of(text))
        : Optional.empty();
  }

  /** Whether a path, with slashes, stays within a folder on every system. */
  static boolean isPlain(String path) {
    if (path.isEmpty() || path.length() > 1024 || path.contains("\\") || path.contains(":")) {
      return false;
    }
    for (String part : path.split("/", -1)) {
      if (part.isEmpty() || part.equals(".") || part.equals("..")) {
        return false;
      }
    }
    return path.chars().noneMatch(c -> c < ' ' || c == 0x7f);
  }

  /** The same repository and revision, another file. */
  HubId withFile(@Nullable String other) {
    return new HubId(repository, revision, other);
  }

  /** The branch, tag or commit. */
  String revisionOrMain() {
    return revision == null ? "main" : revision;
  }

  /** The folder's name in the hub's cache. */
  String folder() {
    return "models--" + repository.replace("/", "--");
  }

  @Override
  public String toString() {
    return PREFIX
        + repository
        + (revision == null ? "" : "@" + revision)
        + (file == null ? "" : "/" + file);
  }
}
