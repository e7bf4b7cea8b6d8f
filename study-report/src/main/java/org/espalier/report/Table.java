package org.espalier.report;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A table of texts, in the forms that it is printed in.
 *
 * @param title what it shows, or empty
 * @param labels how many of its first columns name the line; they are aligned to the left
 * @param headings of the columns
 * @param lines each as wide as the headings
 */
public record Table(String title, int labels, List<String> headings, List<List<String>> lines) {

  /** For a terminal: the title, then columns aligned by spaces. */
  public String text() {
    List<List<String>> all = new ArrayList<>(List.of(headings));
    all.addAll(lines);
    int[] widths = new int[headings.size()];
    for (List<String> line : all) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], line.get(i).length());
      }
    }
    StringBuilder out = new StringBuilder(title.isEmpty() ? "" : title + "\n");
    for (List<String> line : all) {
      StringBuilder text = new StringBuilder();
      for (int i = 0; i < widths.length; i++) {
        String cell = line.get(i);
        String pad = " ".repeat(widths[i] - cell.length());
        text.append(i == 0 ? "" : "  ").append(i < labels ? cell + pad : pad + cell);
      }
      out.append(text.toString().stripTrailing()).append('\n');
    }
    return out.toString();
  }

  /** For Markdown: the title as a sentence, then a table. */
  public String markdown() {
    StringBuilder out = new StringBuilder(title.isEmpty() ? "" : title + ".\n\n");
    out.append(markdown(headings))
        .append("|---".repeat(labels))
        .append("|--:".repeat(headings.size() - labels))
        .append("|\n");
    lines.forEach(line -> out.append(markdown(line)));
    return out.toString();
  }

  private static String markdown(List<String> line) {
    return line.stream()
        .map(cell -> cell.replace("|", "\\|"))
        .collect(Collectors.joining(" | ", "| ", " |\n"));
  }

  /** For LaTeX with the package booktabs. */
  public String latex() {
    StringBuilder out = new StringBuilder("\\begin{tabular}{");
    out.append("l".repeat(labels)).append("r".repeat(headings.size() - labels)).append("}\n");
    out.append("\\toprule\n").append(latex(headings)).append("\\midrule\n");
    lines.forEach(line -> out.append(latex(line)));
    return out.append("\\bottomrule\n\\end{tabular}\n").toString();
  }

  private static String latex(List<String> line) {
    return line.stream().map(Table::latex).collect(Collectors.joining(" & ", "", " \\\\\n"));
  }

  private static String latex(String text) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      out.append(
          switch (c) {
            case '%', '&', '#', '_', '$', '{', '}' -> "\\" + c;
            case '\\' -> "\\textbackslash{}";
            case '^' -> "\\textasciicircum{}";
            case '~' -> "\\textasciitilde{}";
            case '\u00b1' -> "$\\pm$";
            default -> String.valueOf(c);
          });
    }
    return out.toString();
  }
}
