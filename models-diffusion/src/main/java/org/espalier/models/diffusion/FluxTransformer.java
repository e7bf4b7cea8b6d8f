package org.espalier.models.diffusion;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.espalier.torch.Device;
import org.espalier.torch.RowExecutor;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.jspecify.annotations.Nullable;

/**
 * The transformer of FLUX.1 for images of one size. Work is counted at the native call.
 * Thread-safe.
 */
final class FluxTransformer implements AutoCloseable {
  private final FlowArchitecture architecture;
  private final TorchProgram program;
  private final int rows;
  private final int columns;
  private final int textTokens;
  private final TorchTensor rope;
  private final AtomicLong countedRows = new AtomicLong();

  /**
   * Loads a transformer.
   *
   * @param architecture its sizes
   * @param weights in Black Forest Labs' keys
   * @param device where it computes
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   * @param textTokens length of the text sequences, padding included
   */
  FluxTransformer(
      FlowArchitecture architecture,
      WeightSource weights,
      Device device,
      int rows,
      int columns,
      int textTokens) {
    this.architecture = architecture;
    this.rows = rows;
    this.columns = columns;
    this.textTokens = textTokens;
    this.program =
        TorchProgram.builder("Flux")
            .text(FluxTransformer.class, "flux.py")
            .attribute("double_blocks", architecture.doubleBlocks())
            .attribute("single_blocks", architecture.singleBlocks())
            .attribute("heads", architecture.heads())
            .attribute("mlp_width", architecture.mlpWidth())
            .attribute("theta", architecture.theta())
            .attribute("axes", architecture.axes())
            .device(device)
            .load(weights, architecture.spec());
    // Text tokens lie at the origin; image tokens at (0, row, column).
    float[] positions = new float[(textTokens + rows * columns) * 3];
    for (int i = 0; i < rows * columns; i++) {
      int row = i / columns;
      positions[(textTokens + i) * 3 + 1] = row;
      positions[(textTokens + i) * 3 + 2] = i % columns;
    }
    try (TorchTensor at = TorchTensor.of(device, positions, textTokens + rows * columns, 3)) {
      rope = program.call("rotary", at);
    } catch (RuntimeException e) {
      program.close();
      throw e;
    }
  }

  /**
   * What the network is conditioned on. Closing it frees both tensors.
   *
   * @param text the T5 sequence (1, tokens, width)
   * @param pooled the CLIP vector (1, width)
   */
  record Text(TorchTensor text, TorchTensor pooled) implements AutoCloseable {
    @Override
    public void close() {
      try (text;
          pooled) {
        // Both are closed even where one fails.
      }
    }
  }

  /**
   * How an evaluation is guided.
   *
   * @param embedded the distilled guidance scale; unused by weights without its embedding
   * @param negative what classifier-free guidance leads away from, or null for none
   * @param scale of classifier-free guidance
   */
  record Guidance(double embedded, @Nullable Text negative, double scale) {
    /** Rows through the network for each row of the batch. */
    int rows() {
      return negative == null ? 1 : 2;
    }
  }

  /**
   * One row to evaluate.
   *
   * @param latent packed latent, {@link #latentLength} numbers
   * @param time from 1 (noise) to 0
   * @param text its conditioning
   */
  @SuppressWarnings("ArrayRecordComponent") // made for one call, never compared
  record Row(float[] latent, float time, Text text) {}

  /** Numbers in a packed latent. */
  int latentLength() {
    return rows * columns * architecture.latentChannels();
  }

  /** Floating-point operations of one row through the network. */
  long flopsPerRow() {
    return architecture.flops(rows * columns, textTokens);
  }

  /** Tokens of one row, text included. */
  long tokensPerRow() {
    return (long) rows * columns + textTokens;
  }

  /**
   * Bytes that one row of a batch takes during a call.
   *
   * @param guidance which may make a pair of it
   */
  long rowBytes(Guidance guidance) {
    return guidance.rows() * architecture.bytes(rows * columns, textTokens, program.dtype());
  }

  /** Rows that have gone through the network. */
  long countedRows() {
    return countedRows.get();
  }

  TorchProgram program() {
    return program;
  }

  /**
   * Evaluates rows: one native call a row on the CPU, one for as many as fit into memory on a GPU.
   *
   * @param batch what to evaluate, possibly at different times and for different prompts
   * @param guidance the same for all
   * @return the velocity of each, as long as its latent
   */
  List<float[]> velocities(List<Row> batch, Guidance guidance) {
    if (batch.isEmpty()) {
      return List.of();
    }
    if (program.device().isGpu()) {
      return RowExecutor.together(
          program.device(),
          batch,
          rowBytes(guidance),
          rows -> evaluate(List.copyOf(rows), guidance));
    }
    return RowExecutor.map(program.device(), batch, row -> evaluate(List.of(row), guidance).get(0));
  }

  /** Evaluates rows in one native call. */
  List<float[]> evaluate(List<Row> batch, Guidance guidance) {
    int length = latentLength();
    float[] latents = new float[batch.size() * length];
    float[] times = new float[batch.size()];
    List<TorchTensor> texts = new ArrayList<>();
    List<TorchTensor> pooled = new ArrayList<>();
    for (int i = 0; i < batch.size(); i++) {
      Row row = batch.get(i);
      System.arraycopy(row.latent, 0, latents, i * length, length);
      times[i] = row.time;
      texts.add(row.text.text);
      pooled.add(row.text.pooled);
    }
    Device device = program.device();
    long tokens = (long) rows * columns;
    Text negative = guidance.negative;
    try (TorchTensor image =
            TorchTensor.of(device, latents, batch.size(), tokens, architecture.latentChannels());
        TorchTensor time = TorchTensor.of(device, times, batch.size());
        TorchTensor velocity =
            negative == null
                ? program.call("rows", image, texts, pooled, time, guidance.embedded, rope)
                : program.call(
                    "pairs",
                    image,
                    texts,
                    pooled,
                    time,
                    guidance.embedded,
                    rope,
                    negative.text,
                    negative.pooled,
                    guidance.scale)) {
      countedRows.addAndGet((long) batch.size() * guidance.rows());
      float[] all = velocity.toFloats();
      List<float[]> result = new ArrayList<>(batch.size());
      for (int i = 0; i < batch.size(); i++) {
        result.add(Arrays.copyOfRange(all, i * length, (i + 1) * length));
      }
      return result;
    }
  }

  @Override
  public void close() {
    try (program;
        rope) {
      // Both are closed even where one fails.
    }
  }
}
