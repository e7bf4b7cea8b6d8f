package org.espalier.models.diffusion;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.espalier.torch.WeightSource;

/** Weights that are open while a model is checked or loaded. */
final class OpenWeights implements AutoCloseable {
  private final List<WeightSource> sources = new ArrayList<>();

  /**
   * Opens weights.
   *
   * @param path file, index of shards, or directory with one of them
   * @param layout from what the file has to the keys that a program reads
   */
  WeightSource open(Path path, UnaryOperator<WeightSource> layout) {
    WeightSource source = WeightSource.open(path);
    sources.add(source);
    return layout.apply(source); // reading through it needs no more closing than its source
  }

  /** The hash over all files, in the order in which they were opened. */
  String sha256() {
    List<Path> files =
        sources.stream().flatMap(source -> source.files().stream()).distinct().toList();
    return WeightSource.sha256(files);
  }

  @Override
  public void close() {
    sources.forEach(WeightSource::close);
  }
}
