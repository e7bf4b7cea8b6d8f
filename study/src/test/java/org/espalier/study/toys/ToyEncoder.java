package org.espalier.study.toys;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelCard;
import org.espalier.spi.ModelProvider;
import org.espalier.spi.ModelState;
import org.espalier.spi.RewindRow;
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;

/** The next-scale toy with a text encoder that can be switched off. */
public final class ToyEncoder implements ModelProvider<ToyModels.ScaleConfig> {
  /** The contexts in which such models were loaded, oldest first. */
  public static final List<LoadContext> CONTEXTS = new CopyOnWriteArrayList<>();

  /** Whether encoding a prompt throws. */
  public static final AtomicBoolean BROKEN = new AtomicBoolean();

  @Override
  public String id() {
    return "toy-encoder";
  }

  @Override
  public Class<ToyModels.ScaleConfig> configType() {
    return ToyModels.ScaleConfig.class;
  }

  @Override
  public GenerativeModel load(ToyModels.ScaleConfig config, LoadContext context) {
    CONTEXTS.add(context);
    return new Model(new ToyModels.Scale().load(config, context));
  }

  private record Model(GenerativeModel inner) implements GenerativeModel {
    @Override
    public ModelCard card() {
      return inner.card();
    }

    @Override
    public Cost quote(Work work) {
      return inner.quote(work);
    }

    @Override
    public List<Conditioning> encode(List<Prompt> batch) {
      if (BROKEN.get()) {
        throw new IllegalStateException("the text encoder ran");
      }
      return inner.encode(batch);
    }

    @Override
    public List<ModelState> begin(List<Root> batch) {
      return inner.begin(batch);
    }

    @Override
    public List<List<ModelState>> expand(List<Branch> batch) {
      return inner.expand(batch);
    }

    @Override
    public List<ModelState> rewind(List<RewindRow> batch) {
      return inner.rewind(batch);
    }

    @Override
    public List<Artifact> decode(List<DecodeRow> batch) {
      return inner.decode(batch);
    }

    @Override
    public WorkCounters counters() {
      return inner.counters();
    }

    @Override
    public void close() {
      inner.close();
    }
  }
}
