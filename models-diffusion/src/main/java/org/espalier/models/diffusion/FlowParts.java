package org.espalier.models.diffusion;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import org.espalier.torch.TorchProgram;

/**
 * The parts of one model while it is being loaded; what has been opened is closed if a later part
 * fails.
 */
final class FlowParts implements AutoCloseable {
  private final Deque<AutoCloseable> opened = new ArrayDeque<>();

  /**
   * Keeps a part.
   *
   * @param part to be closed unless the model gets complete
   */
  <T extends AutoCloseable> T keep(T part) {
    opened.push(part);
    return part;
  }

  /** From now on the model owns its parts. */
  void complete() {
    opened.clear();
  }

  /**
   * A hash over programs.
   *
   * @param programs in a stable order
   */
  static String hash(List<TorchProgram> programs) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (TorchProgram program : programs) {
        digest.update(program.sha256().getBytes(StandardCharsets.UTF_8));
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /** Closes what was opened, unless the model is complete. */
  @Override
  public void close() {
    while (!opened.isEmpty()) {
      try {
        opened.pop().close();
      } catch (Exception e) {
        // The failure that stopped the loading matters more than one of closing.
        System.getLogger(FlowParts.class.getName())
            .log(System.Logger.Level.WARNING, "A part could not be closed.", e);
      }
    }
  }
}
