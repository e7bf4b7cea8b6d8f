package org.espalier.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
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
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;
import org.jspecify.annotations.Nullable;

/**
 * A model seen through a gate that watches its states: each must be closed once, never before a
 * state that reads it, and not used afterwards. Whatever goes wrong is kept in {@link #faults}, so
 * that it is seen even where an exception is swallowed. {@link SearchTestKit} wraps every model in
 * one.
 */
public final class TrackedModel implements GenerativeModel {
  private final GenerativeModel model;
  private final List<String> faults = new ArrayList<>();
  private long live;
  private long liveBytes;
  private long peak;
  private long opened;

  /**
   * @param model the model to watch
   */
  public TrackedModel(GenerativeModel model) {
    this.model = model;
  }

  /** States that have been made and not been closed. */
  public long liveStates() {
    return live;
  }

  /** Their native bytes, as reported when each was made. */
  public long liveBytes() {
    return liveBytes;
  }

  /** The most bytes that were live at once. */
  public long peakBytes() {
    return peak;
  }

  /** How many states were ever made. */
  public long openedStates() {
    return opened;
  }

  /** What was done to states against the rules. */
  public List<String> faults() {
    return List.copyOf(faults);
  }

  private final class Tracked implements ModelState {
    private final ModelState state;
    private final @Nullable Tracked parent;
    private final long bytes;
    private int dependants;
    private boolean closed;

    Tracked(ModelState state, @Nullable Tracked parent) {
      this.state = state;
      this.parent = state.dependsOnParent() ? parent : null;
      this.bytes = state.nativeBytes();
      if (this.parent != null) {
        this.parent.dependants++;
      }
      opened++;
      live++;
      liveBytes += bytes;
      peak = Math.max(peak, liveBytes);
    }

    @Override
    public int step() {
      return state.step();
    }

    @Override
    public boolean dependsOnParent() {
      return state.dependsOnParent();
    }

    @Override
    public long nativeBytes() {
      return state.nativeBytes();
    }

    @Override
    public OptionalDouble logProb() {
      return state.logProb();
    }

    @Override
    public void close() {
      if (closed) {
        throw fault("a state at step " + step() + " was closed twice");
      }
      closed = true;
      live--;
      liveBytes -= bytes;
      if (parent != null) {
        parent.dependants--;
      }
      if (dependants > 0) {
        fault("a state at step " + step() + " was closed before " + dependants + " that read it");
      }
      state.close();
    }
  }

  private IllegalStateException fault(String what) {
    faults.add(what);
    return new IllegalStateException(what);
  }

  private Tracked tracked(ModelState state) {
    if (!(state instanceof Tracked tracked)) {
      throw fault("a state of another model was passed: " + state.getClass().getName());
    }
    if (tracked.closed) {
      throw fault("a state at step " + state.step() + " was used after it was closed");
    }
    return tracked;
  }

  @Override
  public ModelCard card() {
    return model.card();
  }

  @Override
  public Cost quote(Work work) {
    return model.quote(work);
  }

  @Override
  public List<Conditioning> encode(List<Prompt> batch) {
    return model.encode(batch);
  }

  @Override
  public List<ModelState> begin(List<Root> batch) {
    List<ModelState> result = new ArrayList<>();
    model.begin(batch).forEach(state -> result.add(new Tracked(state, null)));
    return result;
  }

  @Override
  public List<List<ModelState>> expand(List<Branch> batch) {
    List<Tracked> parents = new ArrayList<>();
    List<Branch> inner = new ArrayList<>();
    for (Branch branch : batch) {
      Tracked parent = tracked(branch.state());
      parents.add(parent);
      inner.add(new Branch(parent.state, branch.conditioning(), branch.draws()));
    }
    List<List<ModelState>> states = model.expand(inner);
    List<List<ModelState>> result = new ArrayList<>();
    for (int i = 0; i < states.size(); i++) {
      // A model that answers with too many rows is the engine's to refuse.
      Tracked parent = i < parents.size() ? parents.get(i) : null;
      List<ModelState> children = new ArrayList<>();
      states.get(i).forEach(child -> children.add(new Tracked(child, parent)));
      result.add(children);
    }
    return result;
  }

  @Override
  public List<ModelState> rewind(List<RewindRow> batch) {
    List<Tracked> origins = new ArrayList<>();
    List<RewindRow> inner = new ArrayList<>();
    for (RewindRow row : batch) {
      Tracked origin = tracked(row.state());
      origins.add(origin);
      inner.add(new RewindRow(origin.state, row.conditioning(), row.toStep(), row.noise()));
    }
    List<ModelState> states = model.rewind(inner);
    List<ModelState> result = new ArrayList<>();
    for (int i = 0; i < states.size(); i++) {
      result.add(new Tracked(states.get(i), i < origins.size() ? origins.get(i) : null));
    }
    return result;
  }

  @Override
  public List<Artifact> decode(List<DecodeRow> batch) {
    List<DecodeRow> inner = new ArrayList<>();
    batch.forEach(row -> inner.add(new DecodeRow(tracked(row.state()).state, row.conditioning())));
    return model.decode(inner);
  }

  @Override
  public WorkCounters counters() {
    return model.counters();
  }

  @Override
  public Cost replayed() {
    return model.replayed();
  }

  @Override
  public void close() {
    model.close();
  }
}
