package org.espalier.verifiers;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;

/**
 * How LLaVA-OneVision cuts an image into tiles ("anyres") and puts their patches together again: a
 * pure function of the image's size.
 *
 * @param width of the canvas of tiles in pixels
 * @param height of the canvas of tiles in pixels
 * @param rows of tiles
 * @param columns of tiles
 * @param side patches along a tile's side
 * @param top first row of patches that is no padding
 * @param left first column of patches that is no padding
 * @param patchRows rows of patches that are no padding
 * @param patchColumns columns of patches that are no padding
 * @param shrunkRows rows after shrinking an image of too many patches, or 0
 * @param shrunkColumns columns after that, or 0
 */
record TilePlan(
    int width,
    int height,
    int rows,
    int columns,
    int side,
    int top,
    int left,
    int patchRows,
    int patchColumns,
    int shrunkRows,
    int shrunkColumns) {

  /** A canvas that tiles can fill, in pixels. */
  record Canvas(int height, int width) {}

  /**
   * Plans an image.
   *
   * @param imageWidth in pixels
   * @param imageHeight in pixels
   * @param canvases that are allowed
   * @param tile side of a tile in pixels
   * @param side patches along it
   * @param mostTiles the image is shrunk to about the patches of so many tiles
   */
  static TilePlan of(
      int imageWidth, int imageHeight, List<Canvas> canvases, int tile, int side, int mostTiles) {
    Canvas canvas = best(imageWidth, imageHeight, canvases);
    int rows = canvas.height / tile;
    int columns = canvas.width / tile;
    int allRows = rows * side;
    int allColumns = columns * side;
    int top = 0;
    int left = 0;
    if ((double) imageWidth / imageHeight > (double) allColumns / allRows) {
      top = (allRows - rounded(imageHeight * ((double) allColumns / imageWidth))) / 2;
    } else {
      left = (allColumns - rounded(imageWidth * ((double) allRows / imageHeight))) / 2;
    }
    int patchRows = allRows - 2 * top;
    int patchColumns = allColumns - 2 * left;
    double ratio =
        Math.sqrt((double) patchRows * patchColumns / ((double) mostTiles * side * side));
    boolean shrink = ratio > 1.1;
    return new TilePlan(
        canvas.width,
        canvas.height,
        rows,
        columns,
        side,
        top,
        left,
        patchRows,
        patchColumns,
        shrink ? quotient(patchRows, ratio) : 0,
        shrink ? quotient(patchColumns, ratio) : 0);
  }

  /** The canvas that keeps most of the image's pixels, and of those the one that wastes least. */
  private static Canvas best(int imageWidth, int imageHeight, List<Canvas> canvases) {
    Canvas best = canvases.get(0);
    long bestKept = -1;
    long bestWasted = Long.MAX_VALUE;
    for (Canvas canvas : canvases) {
      double scale =
          Math.min((double) canvas.width / imageWidth, (double) canvas.height / imageHeight);
      long kept =
          Math.min(
              (long) (imageWidth * scale) * (long) (imageHeight * scale),
              (long) imageWidth * imageHeight);
      long wasted = (long) canvas.width * canvas.height - kept;
      if (kept > bestKept || (kept == bestKept && wasted < bestWasted)) {
        best = canvas;
        bestKept = kept;
        bestWasted = wasted;
      }
    }
    return best;
  }

  /** Rounded down, but not because of an error in the seventh decimal: as the reference does. */
  private static int rounded(double value) {
    return new BigDecimal(value).setScale(7, RoundingMode.HALF_EVEN).intValue();
  }

  /** The integer quotient, by the exact remainder: dividing first could round up. */
  private static int quotient(double dividend, double divisor) {
    return (int) Math.rint((dividend - dividend % divisor) / divisor);
  }

  /** The whole image and its tiles. */
  int tiles() {
    return 1 + rows * columns;
  }

  /** Places that the image takes in the decoder's sequence: patches, and a newline a row. */
  int imageTokens() {
    int r = shrunkRows > 0 ? shrunkRows : patchRows;
    int c = shrunkRows > 0 ? shrunkColumns : patchColumns;
    return side * side + r * (c + 1);
  }

  /** As the program reads it. */
  long[] toLongs() {
    return new long[] {
      rows, columns, side, top, left, patchRows, patchColumns, shrunkRows, shrunkColumns
    };
  }
}
