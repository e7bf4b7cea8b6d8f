package org.espalier.cli;

import java.io.FilterWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;

/**
 * Where commands write. Names and messages of plugins, prompts and files pass here: their control
 * characters become U+FFFD, so that none reaches a terminal or a log.
 *
 * @param out results
 * @param err progress, notes and errors
 * @param interactive whether a person watches, so that a bar may be drawn
 */
public record Terminal(PrintWriter out, PrintWriter err, boolean interactive) {
  public Terminal {
    out = new PrintWriter(new Printable(out), true);
    err = new PrintWriter(new Printable(err), true);
  }

  private static final class Printable extends FilterWriter {
    Printable(Writer out) {
      super(out);
    }

    private static char printable(char c) {
      return Character.isISOControl(c) && c != '\n' && c != '\r' && c != '\t' ? '\uFFFD' : c;
    }

    @Override
    public void write(int c) throws IOException {
      out.write(printable((char) c));
    }

    @Override
    public void write(char[] chars, int offset, int length) throws IOException {
      char[] printable = new char[length];
      for (int i = 0; i < length; i++) {
        printable[i] = printable(chars[offset + i]);
      }
      out.write(printable, 0, length);
    }

    @Override
    public void write(String text, int offset, int length) throws IOException {
      write(text.toCharArray(), offset, length);
    }
  }
}
