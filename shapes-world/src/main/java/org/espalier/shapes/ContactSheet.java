package org.espalier.shapes;

import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.spi.ImageFiles;
import org.espalier.spi.RgbImage;

/** Pictures with their captions in one image; as a program, rendered scenes of all categories. */
public final class ContactSheet {
  private static final int SCALE = 2;
  private static final int GAP = 12;
  private static final int LINES = 4;

  private ContactSheet() {}

  /**
   * Lays pictures out in a grid.
   *
   * @param images pictures of one size, not empty
   * @param captions one each
   * @param columns how many beside each other, positive
   */
  public static BufferedImage of(List<RgbImage> images, List<String> captions, int columns) {
    Font font = new Font(Font.SANS_SERIF, Font.PLAIN, 11);
    int cellWidth = SCALE * images.get(0).width() + GAP;
    int picture = SCALE * images.get(0).height();
    int lineHeight = font.getSize() + 3;
    int cellHeight = picture + LINES * lineHeight + GAP;
    int rows = (images.size() + columns - 1) / columns;
    BufferedImage sheet =
        new BufferedImage(
            columns * cellWidth + GAP, rows * cellHeight + GAP, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = sheet.createGraphics();
    graphics.setRenderingHint(
        RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
    graphics.setColor(java.awt.Color.WHITE);
    graphics.fillRect(0, 0, sheet.getWidth(), sheet.getHeight());
    graphics.setColor(java.awt.Color.DARK_GRAY);
    graphics.setFont(font);
    for (int i = 0; i < images.size(); i++) {
      int x = GAP + i % columns * cellWidth;
      int y = GAP + i / columns * cellHeight;
      graphics.drawImage(
          ImageFiles.buffered(images.get(i)), x, y, SCALE * images.get(i).width(), picture, null);
      List<String> lines = wrap(captions.get(i), graphics.getFontMetrics(), cellWidth - GAP);
      for (int line = 0; line < Math.min(LINES, lines.size()); line++) {
        graphics.drawString(lines.get(line), x, y + picture + (line + 1) * lineHeight);
      }
    }
    graphics.dispose();
    return sheet;
  }

  private static List<String> wrap(String text, FontMetrics metrics, int width) {
    List<String> lines = new ArrayList<>();
    String line = "";
    for (String word : text.split(" ", -1)) {
      String longer = line.isEmpty() ? word : line + " " + word;
      if (!line.isEmpty() && metrics.stringWidth(longer) > width) {
        lines.add(line);
        longer = word;
      }
      line = longer;
    }
    lines.add(line);
    return lines;
  }

  /**
   * Writes a sheet with one scene of each category in every row of eight.
   *
   * @param arguments the PNG file to write; optionally rows (3) and seed (1)
   * @throws IOException where the file cannot be written
   */
  public static void main(String[] arguments) throws IOException {
    if (arguments.length == 0) {
      throw EspalierException.config(
          "No file is named.", "Maybe run ContactSheet FILE.png [ROWS [SEED]].");
    }
    int rows = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 3;
    DrawKey key = DrawKey.root(arguments.length > 2 ? Long.parseLong(arguments[2]) : 1);
    List<RgbImage> images = new ArrayList<>();
    List<String> captions = new ArrayList<>();
    for (int row = 0; row < rows; row++) {
      for (Category category : Category.values()) {
        DrawKey cell = key.child(row).child(category.word());
        Prompt prompt =
            ShapesWorld.prompt(
                category.word(),
                category,
                ShapesWorld.requirement(category, cell.child("requirement")));
        images.add(
            SceneRenderer.render(
                ShapesWorld.scene(SceneRequirement.of(prompt), cell.child("scene"))));
        captions.add(prompt.text());
      }
    }
    Path file = Path.of(arguments[0]);
    System.setProperty("java.awt.headless", "true");
    ImageIO.write(of(images, captions, Category.values().length), "png", file.toFile());
  }
}
