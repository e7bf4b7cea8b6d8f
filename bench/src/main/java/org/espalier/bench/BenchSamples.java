package org.espalier.bench;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.DrawKey;
import org.espalier.api.Noise;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelState;
import org.espalier.spi.Root;
import org.espalier.spi.WorkCounters;

/**
 * A batch of samples, drawn step by step without a search.
 *
 * @param artifacts the decoded samples; closed with this
 * @param steps seconds of each step
 * @param decode seconds of decoding
 * @param work of the steps
 */
@SuppressWarnings("ArrayRecordComponent") // made for one measurement, never compared
public record BenchSamples(
    List<Artifact> artifacts, double[] steps, double decode, WorkCounters work)
    implements AutoCloseable {

  /**
   * Draws.
   *
   * @param model what is sampled
   * @param prompt its prompt
   * @param batch how many samples
   * @param key of their noise
   */
  public static BenchSamples draw(
      GenerativeModel model, Conditioning prompt, int batch, DrawKey key) {
    List<Noise> noises = new ArrayList<>();
    List<Root> roots = new ArrayList<>();
    for (int i = 0; i < batch; i++) {
      noises.add(new Noise.Keyed(key.child(i)));
      roots.add(new Root(prompt, noises.get(i)));
    }
    List<List<ModelState>> path = new ArrayList<>();
    try {
      WorkCounters before = model.counters();
      double[] steps = new double[model.card().horizon()];
      path.add(model.begin(roots));
      for (int step = 0; step < steps.length; step++) {
        List<Branch> branches = new ArrayList<>();
        for (int i = 0; i < batch; i++) {
          branches.add(new Branch(path.get(step).get(i), prompt, List.of(noises.get(i))));
        }
        long start = System.nanoTime();
        List<List<ModelState>> children = model.expand(branches);
        steps[step] = (System.nanoTime() - start) * 1e-9;
        path.add(children.stream().map(siblings -> siblings.get(0)).toList());
      }
      WorkCounters work = model.counters().since(before);
      List<ModelState> last = path.get(path.size() - 1);
      // What a complete sample does not depend on is given back before it is decoded.
      while (path.size() > 1 && !last.get(0).dependsOnParent()) {
        int at = path.size() - 2;
        close(path.remove(at));
      }
      List<DecodeRow> rows = new ArrayList<>();
      last.forEach(state -> rows.add(new DecodeRow(state, prompt)));
      long start = System.nanoTime();
      List<Artifact> artifacts = model.decode(rows);
      return new BenchSamples(artifacts, steps, (System.nanoTime() - start) * 1e-9, work);
    } finally {
      for (int i = path.size() - 1; i >= 0; i--) {
        close(path.get(i));
      }
    }
  }

  private static void close(List<ModelState> states) {
    states.forEach(ModelState::close);
  }

  /** Seconds of all steps together. */
  public double sampling() {
    double sum = 0;
    for (double step : steps) {
      sum += step;
    }
    return sum;
  }

  @Override
  public void close() {
    artifacts.forEach(Artifact::close);
  }
}
