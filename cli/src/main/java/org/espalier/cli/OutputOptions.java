package org.espalier.cli;

import picocli.CommandLine.Option;

/** How much is said, and in which form. */
final class OutputOptions {
  @Option(
      names = {"--quiet", "-q"},
      description = "No progress.")
  boolean quiet;

  @Option(names = "--json", description = "The result as JSON on the standard output.")
  boolean json;
}
