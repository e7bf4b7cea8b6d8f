package org.espalier.shapes;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.espalier.api.DrawKey;
import org.espalier.api.Noise;
import org.espalier.noise.KeyedNoise;

/** Random choices as a function of a key. */
final class KeyedDice {
  private static final int BLOCK = 64;

  private final Noise noise;
  private float[] block = new float[0];
  private int blocks;
  private int next;

  KeyedDice(DrawKey key) {
    this.noise = new Noise.Keyed(key);
  }

  /** A uniform number in [0, 1). */
  double next() {
    if (next == block.length) {
      block = KeyedNoise.uniform(noise, blocks++, BLOCK);
      next = 0;
    }
    return block[next++];
  }

  double between(double low, double high) {
    return low + (high - low) * next();
  }

  boolean chance(double probability) {
    return next() < probability;
  }

  <T> T choose(List<T> from) {
    return from.get((int) (next() * from.size()));
  }

  <T> T choose(T[] from) {
    return choose(Arrays.asList(from));
  }

  /** All of them in random order. */
  <T> List<T> shuffled(T[] values) {
    List<T> rest = new ArrayList<>(Arrays.asList(values));
    List<T> order = new ArrayList<>();
    while (!rest.isEmpty()) {
      order.add(rest.remove((int) (next() * rest.size())));
    }
    return order;
  }
}
