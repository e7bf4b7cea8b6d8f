package org.espalier.study;

import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.engine.SearchAccount;
import org.espalier.engine.SearchListener;
import org.espalier.engine.TreeNode;
import org.espalier.records.RecordLog;
import org.espalier.spi.ImageFiles;
import org.espalier.spi.RgbImage;
import org.jspecify.annotations.Nullable;

/** Collects a search's images as it goes and writes its tree: JSON, and one sheet of thumbnails. */
final class TreeLog implements SearchListener {
  private static final int SIDE = 64;
  private static final int MOST = 2048;

  private final Map<Long, BufferedImage> thumbnails = new TreeMap<>();
  private @Nullable SearchAccount account;

  @Override
  public void verified(long node, VerifierRole role, RgbImage image, Verdict verdict) {
    if (thumbnails.size() < MOST && !thumbnails.containsKey(node)) {
      thumbnails.put(node, ImageFiles.scaled(ImageFiles.buffered(image), SIDE));
    }
  }

  @Override
  public void failed(SearchAccount of) {
    account = of;
  }

  /** What a failed search had cost and tried, or null if it did not begin. */
  @Nullable SearchAccount account() {
    return account;
  }

  /** The sheet of thumbnails as JPEG, or null where nothing was verified. */
  byte @Nullable [] sheet() {
    if (thumbnails.isEmpty()) {
      return null;
    }
    int columns = columns();
    int rows = (thumbnails.size() + columns - 1) / columns;
    BufferedImage sheet =
        new BufferedImage(columns * SIDE, rows * SIDE, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = sheet.createGraphics();
    int at = 0;
    for (BufferedImage thumbnail : thumbnails.values()) {
      graphics.drawImage(
          thumbnail,
          at % columns * SIDE + (SIDE - thumbnail.getWidth()) / 2,
          at / columns * SIDE + (SIDE - thumbnail.getHeight()) / 2,
          null);
      at++;
    }
    graphics.dispose();
    return ImageFiles.encode(sheet, "jpeg");
  }

  private int columns() {
    return Math.max(1, (int) Math.ceil(Math.sqrt(thumbnails.size())));
  }

  /**
   * The tree as JSON-ready maps; no times, so that it repeats byte for byte.
   *
   * @param cell key of the cell
   * @param tree every trajectory
   * @param answer number of the answer's node, or -1
   * @param incumbent number of the incumbent's node, or -1
   * @param sheet file of the thumbnails, or null
   */
  Map<String, Object> json(
      String cell, List<TreeNode> tree, long answer, long incumbent, @Nullable String sheet) {
    Map<Long, Integer> places = new LinkedHashMap<>();
    thumbnails.keySet().forEach(node -> places.put(node, places.size()));
    List<Object> nodes = new ArrayList<>();
    for (TreeNode node : tree) {
      Map<String, Object> map = new LinkedHashMap<>();
      map.put("id", node.id());
      node.parent().ifPresent(parent -> map.put("parent", parent));
      map.put("step", node.step());
      map.put("verb", node.verb());
      map.put("nfe", node.cost().nfe());
      map.put("flops", node.cost().flops());
      node.verdicts()
          .forEach(
              (role, verdict) -> {
                String name = role.name().toLowerCase(Locale.ROOT);
                if (verdict instanceof Verdict.Scored scored) {
                  map.put(name, scored.value());
                  if (!scored.parts().isEmpty()) {
                    map.put(name + "Parts", scored.parts());
                  }
                } else if (verdict instanceof Verdict.Failed failed) {
                  map.put(name + "Failed", failed.reason());
                }
              });
      if (!node.facts().isEmpty()) {
        map.put("facts", node.facts());
      }
      if (!node.pruned().isEmpty()) {
        map.put("pruned", node.pruned());
      }
      Integer place = places.get(node.id());
      if (place != null) {
        map.put("thumbnail", place);
      }
      nodes.add(map);
    }
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("schema", RecordLog.SCHEMA);
    map.put("cell", cell);
    if (answer >= 0) {
      map.put("answer", answer);
      map.put("incumbent", incumbent);
    }
    if (sheet != null) {
      map.put("sheet", Map.of("file", sheet, "columns", columns(), "side", SIDE));
    }
    map.put("nodes", nodes);
    return map;
  }
}
