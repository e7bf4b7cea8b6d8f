package org.espalier.models.diffusion;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import org.espalier.torch.Device;
import org.espalier.torch.RowExecutor;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.jspecify.annotations.Nullable;

/** A flow's transformer for images of one size. Work is counted at the native call. Thread-safe. */
final class FlowNetwork implements AutoCloseable {
  private final FlowArchitecture architecture;
  private final TorchProgram program;
  private final int rows;
  private final int columns;
  private final AtomicLong countedRows = new AtomicLong();
  private final AtomicLong countedTokens = new AtomicLong();
  private final AtomicLong countedFlops = new AtomicLong();

  /**
   * Loads a transformer.
   *
   * @param architecture its sizes
   * @param builder the architecture's program, with what is configured besides
   * @param weights in the architecture's keys
   * @param device where it computes
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   */
  FlowNetwork(
      FlowArchitecture architecture,
      TorchProgram.Builder builder,
      WeightSource weights,
      Device device,
      int rows,
      int columns) {
    this.architecture = architecture;
    this.rows = rows;
    this.columns = columns;
    this.program =
        builder
            .text(FlowNetwork.class, "rows.py")
            .attribute("grid_rows", rows)
            .attribute("grid_columns", columns)
            .device(device)
            .load(weights, architecture.spec());
  }

  /**
   * Classifier-free guidance of an evaluation: {@code negative + scale (positive - negative)}.
   *
   * @param negative what it leads away from, or null for none
   * @param scale 1 for none
   * @param cap bound of the norm of a guided velocity, in those of the positive one; 0 for none
   */
  record Guidance(@Nullable FlowConditioning negative, double scale, double cap) {
    /** One row an evaluation. */
    static final Guidance NONE = new Guidance(null, 1, 0);
  }

  /**
   * One row to evaluate.
   *
   * @param latent {@link #latentLength} numbers
   * @param time from 1 (noise) to 0
   * @param text its conditioning
   */
  @SuppressWarnings("ArrayRecordComponent") // made for one call, never compared
  record Row(float[] latent, float time, FlowConditioning text) {}

  /** Numbers in a latent. */
  int latentLength() {
    return (int) Arrays.stream(architecture.latentShape(rows, columns)).reduce(1, (a, b) -> a * b);
  }

  /** Image tokens from top to bottom. */
  int rows() {
    return rows;
  }

  /** Image tokens from left to right. */
  int columns() {
    return columns;
  }

  /**
   * Floating-point operations of one row through the network.
   *
   * @param textTokens of its text
   */
  long flops(int textTokens) {
    return architecture.flops(rows, columns, textTokens);
  }

  /**
   * Tokens of one row, text included.
   *
   * @param textTokens of its text
   */
  long tokens(int textTokens) {
    return architecture.tokens(rows, columns, textTokens);
  }

  /**
   * Bytes that one row of a batch takes during a call.
   *
   * @param textTokens of its text
   * @param guidance which may make a pair of it
   */
  long rowBytes(int textTokens, Guidance guidance) {
    long row = architecture.bytes(rows, columns, textTokens, program.dtype());
    FlowConditioning negative = guidance.negative;
    return negative == null
        ? row
        : row + architecture.bytes(rows, columns, negative.tokens(), program.dtype());
  }

  /** Rows that have gone through the network. */
  long countedRows() {
    return countedRows.get();
  }

  /** Tokens that have gone through the network. */
  long countedTokens() {
    return countedTokens.get();
  }

  /** Floating-point operations since it was loaded. */
  long countedFlops() {
    return countedFlops.get();
  }

  /** Number of weights. */
  long parameters() {
    return architecture.spec().parameters();
  }

  TorchProgram program() {
    return program;
  }

  /**
   * Evaluates rows: one native call a row on the CPU, on a GPU one for as many rows with texts of
   * one length as fit into memory.
   *
   * @param batch what to evaluate, possibly at different times and for different prompts
   * @param guidance the same for all
   * @return the velocity of each, as long as its latent
   */
  List<float[]> velocities(List<Row> batch, Guidance guidance) {
    if (!program.device().isGpu()) {
      return RowExecutor.map(
          program.device(), batch, row -> evaluate(List.of(row), guidance).get(0));
    }
    Map<Integer, List<Integer>> byLength = new TreeMap<>();
    for (int i = 0; i < batch.size(); i++) {
      byLength.computeIfAbsent(batch.get(i).text.tokens(), n -> new ArrayList<>()).add(i);
    }
    float[][] velocities = new float[batch.size()][];
    byLength.forEach(
        (tokens, places) -> {
          List<float[]> answers =
              RowExecutor.together(
                  program.device(),
                  places.stream().map(batch::get).toList(),
                  rowBytes(tokens, guidance),
                  rows -> evaluate(List.copyOf(rows), guidance));
          for (int i = 0; i < answers.size(); i++) {
            velocities[places.get(i)] = answers.get(i);
          }
        });
    return List.of(velocities);
  }

  /**
   * Evaluates rows in one native call.
   *
   * @param batch rows with texts of one length
   * @param guidance the same for all
   */
  List<float[]> evaluate(List<Row> batch, Guidance guidance) {
    int length = latentLength();
    float[] latents = new float[batch.size() * length];
    float[] times = new float[batch.size()];
    List<TorchTensor> texts = new ArrayList<>();
    for (int kind = 0; kind < batch.get(0).text.tensors().size(); kind++) {
      for (Row row : batch) {
        texts.add(row.text.tensors().get(kind));
      }
    }
    for (int i = 0; i < batch.size(); i++) {
      System.arraycopy(batch.get(i).latent, 0, latents, i * length, length);
      times[i] = batch.get(i).time;
    }
    Device device = program.device();
    long[] one = architecture.latentShape(rows, columns);
    long[] shape = new long[one.length + 1];
    shape[0] = batch.size();
    System.arraycopy(one, 0, shape, 1, one.length);
    FlowConditioning negative = guidance.negative;
    try (TorchTensor latent = TorchTensor.of(device, latents, shape);
        TorchTensor time = TorchTensor.of(device, times, batch.size());
        TorchTensor velocity =
            negative == null
                ? program.call("rows", latent, texts, time)
                : program.call(
                    "pairs",
                    latent,
                    texts,
                    time,
                    negative.tensors(),
                    guidance.scale,
                    guidance.cap)) {
      for (Row row : batch) {
        count(row.text.tokens());
        if (negative != null) {
          count(negative.tokens());
        }
      }
      float[] all = velocity.toFloats();
      List<float[]> result = new ArrayList<>(batch.size());
      for (int i = 0; i < batch.size(); i++) {
        result.add(Arrays.copyOfRange(all, i * length, (i + 1) * length));
      }
      return result;
    }
  }

  private void count(int textTokens) {
    countedRows.incrementAndGet();
    countedTokens.addAndGet(tokens(textTokens));
    countedFlops.addAndGet(flops(textTokens));
  }

  @Override
  public void close() {
    program.close();
  }
}
