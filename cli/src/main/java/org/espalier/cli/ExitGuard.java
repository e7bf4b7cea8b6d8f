package org.espalier.cli;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/**
 * Watches over the end of the process while a run goes on. After a signal it says how to go on; an
 * exit that a plugin calls never passes for a success.
 */
final class ExitGuard implements AutoCloseable {
  private final Terminal terminal;
  private final Path run;
  private final Thread hook = new Thread(this::ending, "exit-guard");

  /**
   * Starts to watch.
   *
   * @param terminal where it writes
   * @param run the run's directory
   */
  ExitGuard(Terminal terminal, Path run) {
    this.terminal = terminal;
    this.run = run;
    Runtime.getRuntime().addShutdownHook(hook);
  }

  private void ending() {
    for (Map.Entry<Thread, StackTraceElement[]> each : Thread.getAllStackTraces().entrySet()) {
      boolean exits =
          Arrays.stream(each.getValue())
              .anyMatch(
                  frame ->
                      frame.getClassName().equals("java.lang.Runtime")
                          && frame.getMethodName().equals("exit"));
      if (exits) {
        terminal
            .err()
            .println(
                "[PLUGIN_CONTRACT] A plugin has ended the process (System.exit, called by %s)."
                    .formatted(caller(each.getValue())));
        terminal.err().println("Maybe remove the plugin, then use `espalier resume " + run + "`.");
        terminal.err().flush();
        // The plugin's own code may be 0.
        Runtime.getRuntime().halt(ExitCode.DEFECT.code());
      }
    }
    terminal.err().println("stopped: `espalier resume " + run + "` goes on; nothing done is lost.");
    terminal.err().flush();
  }

  private static String caller(StackTraceElement[] stack) {
    return Arrays.stream(stack)
        .map(StackTraceElement::getClassName)
        .filter(name -> !name.startsWith("java.lang."))
        .findFirst()
        .orElse("unknown code");
  }

  @Override
  public void close() {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending: the hook runs already.
    }
  }
}
