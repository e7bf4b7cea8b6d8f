package org.espalier.weights;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import org.espalier.api.EspalierException;

/** SHA-256 as lower-case hex: of texts, and of files however large. */
public final class Sha256 {
  private Sha256() {}

  /** A digest to be fed by the caller. */
  public static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /**
   * What a digest has read.
   *
   * @param digest from {@link #digest}; reset by this
   */
  public static String hex(MessageDigest digest) {
    return HexFormat.of().formatHex(digest.digest());
  }

  /**
   * Of a text's UTF-8.
   *
   * @param text any text
   */
  public static String of(String text) {
    MessageDigest digest = digest();
    digest.update(text.getBytes(StandardCharsets.UTF_8));
    return hex(digest);
  }

  /**
   * Of files, one after the other, streamed.
   *
   * @param files the files
   * @throws EspalierException CONFIG where one cannot be read
   */
  public static String of(List<Path> files) {
    MessageDigest digest = digest();
    byte[] buffer = new byte[1 << 20];
    for (Path file : files) {
      try (InputStream in = Files.newInputStream(file)) {
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
          digest.update(buffer, 0, n);
        }
      } catch (IOException e) {
        throw new EspalierException(
            EspalierException.Code.CONFIG,
            "The file " + file + " cannot be read: " + e.getMessage() + ".",
            "Maybe check the path and its permissions.",
            e);
      }
    }
    return hex(digest);
  }
}
