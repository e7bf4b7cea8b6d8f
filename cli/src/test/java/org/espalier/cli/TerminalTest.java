package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class TerminalTest {
  @Test
  void controlCharactersDoNotReachIt() {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    Terminal terminal = new Terminal(new PrintWriter(out), new PrintWriter(err), false);
    terminal.out().print("a\u001B[2Jb\u009B1m\tc\u2028\n");
    terminal.out().print('\u0007');
    terminal.err().println("\u001B]0;title\u0007 caf\u00E9");
    terminal.out().flush();
    assertThat(out).hasToString("a\uFFFD[2Jb\uFFFD1m\tc\u2028\n\uFFFD");
    assertThat(err.toString()).isEqualToNormalizingNewlines("\uFFFD]0;title\uFFFD caf\u00E9\n");
  }
}
