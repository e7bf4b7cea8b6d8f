package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * A verifier's checkpoint whose files, keys and shapes fit together; no tensor has been read.
 *
 * @param <A> its architecture
 * @param directory where it lies
 * @param json its {@code config.json}
 * @param source its weights, closed with this
 * @param architecture sizes, as configuration and weights say
 * @param transform how images are prepared
 */
record OpenedCheckpoint<A>(
    Path directory, JsonNode json, WeightSource source, A architecture, ImageTransform transform)
    implements AutoCloseable {

  /**
   * Checks what has been opened.
   *
   * @param source its weights; closed if something does not fit
   * @param architecture reads the sizes
   * @param transform reads how images are prepared
   * @param spec the keys and shapes that the weights must have
   */
  static <A> OpenedCheckpoint<A> of(
      Path directory,
      JsonNode json,
      WeightSource source,
      Function<WeightSource, A> architecture,
      Function<A, ImageTransform> transform,
      BiFunction<A, WeightSource, WeightSpec> spec) {
    try {
      A sizes = architecture.apply(source);
      ImageTransform prepared = transform.apply(sizes);
      spec.apply(sizes, source).check(source);
      return new OpenedCheckpoint<>(directory, json, source, sizes, prepared);
    } catch (RuntimeException e) {
      source.close();
      throw e;
    }
  }

  /**
   * Opens the tokenizer beside the weights.
   *
   * @param limit the most tokens of a text, special ones included
   */
  TextTokenizer tokenizer(int limit) {
    return TextTokenizer.open(directory.resolve("tokenizer.json"), limit);
  }

  @Override
  public void close() {
    source.close();
  }
}
