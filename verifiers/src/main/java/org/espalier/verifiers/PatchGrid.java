package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.List;

/**
 * The patches of one image as a Qwen-VL tower reads them: in cells of merge x merge patches, which
 * the decoder sees as one token each, and the cells window by window. A pure function of sizes.
 *
 * @param rows of patches, a multiple of the merge
 * @param columns of patches, a multiple of the merge
 * @param merge patches along a cell's side
 * @param window cells along a window's side; 0 for one window over all
 */
record PatchGrid(int rows, int columns, int merge, int window) {

  /** Patches of the image. */
  int patches() {
    return rows * columns;
  }

  /** Tokens that the decoder sees. */
  int cells() {
    return patches() / (merge * merge);
  }

  private int cellRows() {
    return rows / merge;
  }

  private int cellColumns() {
    return columns / merge;
  }

  /** Windows: their sizes in cells, row by row; those at the right and lower edge are smaller. */
  private List<int[]> windows() {
    int side = window == 0 ? Math.max(cellRows(), cellColumns()) : window;
    List<int[]> windows = new ArrayList<>();
    for (int top = 0; top < cellRows(); top += side) {
      for (int left = 0; left < cellColumns(); left += side) {
        int height = Math.min(side, cellRows() - top);
        int width = Math.min(side, cellColumns() - left);
        windows.add(new int[] {top, left, height, width});
      }
    }
    return windows;
  }

  /** Numbers of the picture's cells (row-major) in the order in which the tower reads them. */
  int[] order() {
    int[] order = new int[cells()];
    int at = 0;
    for (int[] w : windows()) {
      for (int y = 0; y < w[2]; y++) {
        for (int x = 0; x < w[3]; x++) {
          order[at++] = (w[0] + y) * cellColumns() + w[1] + x;
        }
      }
    }
    return order;
  }

  /** Where each of the picture's cells lies in {@link #order}. */
  long[] back() {
    int[] order = order();
    long[] back = new long[order.length];
    for (int i = 0; i < order.length; i++) {
      back[order[i]] = i;
    }
    return back;
  }

  /** Windows that follow one another and are of one length: their number and patches, in turn. */
  long[] runs() {
    List<Long> runs = new ArrayList<>();
    for (int[] w : windows()) {
      long length = (long) w[2] * w[3] * merge * merge;
      int last = runs.size() - 2;
      if (last >= 0 && runs.get(last + 1) == length) {
        runs.set(last, runs.get(last) + 1);
      } else {
        runs.add(1L);
        runs.add(length);
      }
    }
    return runs.stream().mapToLong(Long::longValue).toArray();
  }

  /** Row and column of each patch, in the order in which the tower reads them. */
  long[] places() {
    long[] places = new long[2 * patches()];
    int at = 0;
    for (int cell : order()) {
      for (int y = 0; y < merge; y++) {
        for (int x = 0; x < merge; x++) {
          places[at++] = (long) cell / cellColumns() * merge + y;
          places[at++] = (long) cell % cellColumns() * merge + x;
        }
      }
    }
    return places;
  }
}
