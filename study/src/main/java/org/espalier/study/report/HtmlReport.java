package org.espalier.study.report;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.espalier.study.RunDirectory;

/** Writes the report. */
public final class HtmlReport {
  private HtmlReport() {}

  /**
   * Writes {@code report/index.html} of a run.
   *
   * @param data the run
   * @return the file
   */
  public static Path write(RunData data) {
    Path file = data.directory().report();
    String html = "<!doctype html><html lang=en><meta charset=utf-8><pre>" + data.summary().text().replace("&", "&amp;").replace("<", "&lt;") + "</pre>";
    RunDirectory.write(file, html.getBytes(StandardCharsets.UTF_8));
    return file;
  }
}
