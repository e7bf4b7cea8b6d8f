package org.espalier.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.Capability;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelCard;
import org.espalier.spi.ModelState;
import org.espalier.spi.RewindRow;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;

/** A model that does nothing at all, so that what is measured is the engine. */
final class FreeModel implements GenerativeModel {
  private static final Cost STEP = Cost.generate(1, 2, 64, 1_000);
  private static final Cost BEGIN = Cost.ZERO;
  private static final Cost DECODE = Cost.decode(1, 1_000);
  private final ModelCard card;
  private final Artifact image = Artifact.of(new RgbImage(1, 1, new byte[3]));
  private long evaluations;
  private long decodes;

  FreeModel(int horizon) {
    this.card =
        new ModelCard(
            "free",
            "",
            "",
            "Apache-2.0",
            horizon,
            Set.of(Capability.STOCHASTIC_STEP, Capability.PREVIEW),
            step -> true,
            1,
            1,
            Map.of());
  }

  private record State(int step) implements ModelState {
    @Override
    public boolean dependsOnParent() {
      return step > 0;
    }

    @Override
    public long nativeBytes() {
      return 0;
    }

    @Override
    public void close() {}
  }

  @Override
  public ModelCard card() {
    return card;
  }

  @Override
  public Cost quote(Work work) {
    if (work instanceof Work.Step step) {
      return step.draws() == 1 ? STEP : Cost.generate(step.draws(), 2, 64, 1_000);
    }
    return work instanceof Work.Decode ? DECODE : BEGIN;
  }

  @Override
  public List<Conditioning> encode(List<Prompt> batch) {
    return List.of(() -> {});
  }

  @Override
  public List<ModelState> begin(List<Root> batch) {
    List<ModelState> states = new ArrayList<>(batch.size());
    for (int i = 0; i < batch.size(); i++) {
      states.add(new State(0));
    }
    return states;
  }

  @Override
  public List<List<ModelState>> expand(List<Branch> batch) {
    List<List<ModelState>> result = new ArrayList<>(batch.size());
    for (Branch branch : batch) {
      evaluations++;
      List<ModelState> children = new ArrayList<>(branch.draws().size());
      for (int i = 0; i < branch.draws().size(); i++) {
        children.add(new State(branch.state().step() + 1));
      }
      result.add(children);
    }
    return result;
  }

  @Override
  public List<ModelState> rewind(List<RewindRow> batch) {
    throw new UnsupportedOperationException("the free model cannot rewind");
  }

  @Override
  public List<Artifact> decode(List<DecodeRow> batch) {
    List<Artifact> images = new ArrayList<>(batch.size());
    for (int i = 0; i < batch.size(); i++) {
      decodes++;
      images.add(image);
    }
    return images;
  }

  @Override
  public WorkCounters counters() {
    return new WorkCounters(
        2 * evaluations, 64 * evaluations, 1_000 * (evaluations + decodes), decodes);
  }

  @Override
  public void close() {}
}
