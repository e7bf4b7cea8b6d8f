package org.espalier.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Runs the command line in this process. */
public final class CommandLineKit {
  /** A small study on the toys; %s is replaced by nothing. */
  public static final String TOY_STUDY =
      """
      study: toy
      seed: 7
      prompts: {inline: [a red circle, a blue square, two green stars]}
      budgets: {unit: flops, levels: [4x]}
      models:
        var: {id: toy-scale, steps: 4}
      verifiers:
        search: toy-target
        evaluate: {id: toy-bright}
      arms:
        - {name: alone, strategy: single, levels: [1x]}
        - {strategy: {id: best-of-n, n: auto}}
        - {strategy: {id: beam, width: 2, candidates: auto}}
      """;

  private CommandLineKit() {}

  /**
   * What a command ended with.
   *
   * @param code exit code
   * @param out standard output
   * @param err standard error
   */
  public record Ended(int code, String out, String err) {}

  /**
   * Runs a command.
   *
   * @param args strings and paths
   */
  public static Ended espalier(Object... args) {
    List<String> strings = new ArrayList<>();
    for (Object arg : args) {
      strings.add(arg instanceof Path path ? path.toString() : String.valueOf(arg));
    }
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code =
        Main.run(
            new Terminal(new PrintWriter(out, true), new PrintWriter(err, true), false),
            CommandLineKit.class.getClassLoader(),
            strings.toArray(String[]::new));
    return new Ended(code, out.toString(), err.toString());
  }
}
