package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.List;
import org.espalier.torch.Device;
import org.espalier.torch.Qwen3Encoder;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;

/** The network of Qwen2.5-VL and Qwen3-VL. */
final class QwenVlNetwork implements AutoCloseable {
  private final QwenVlArchitecture architecture;
  private final TorchProgram program;

  QwenVlNetwork(QwenVlArchitecture architecture, TorchProgram program) {
    this.architecture = architecture;
    this.program = program;
  }

  static QwenVlNetwork load(QwenVlArchitecture architecture, WeightSource source, Device device) {
    return new QwenVlNetwork(
        architecture, program(architecture).device(device).load(source, architecture.spec(source)));
  }

  static TorchProgram.Builder program(QwenVlArchitecture architecture) {
    TorchProgram.Builder builder =
        TorchProgram.builder("QwenVl")
            .text(Qwen3Encoder.class, "decoder.py")
            .text(QwenVlNetwork.class, "transformer.py")
            .text(QwenVlNetwork.class, "judge_decoder.py")
            .text(QwenVlNetwork.class, "qwen_vl.py");
    architecture.attributes(builder);
    return builder;
  }

  /**
   * Embeds an image.
   *
   * @param image its patches
   * @return embeddings of its cells (cells, width) in picture order, and as many for each deepstack
   *     layer; to be closed by the caller
   */
  List<TorchTensor> embed(QwenPictures.Patches image) {
    PatchGrid grid = image.grid();
    int patches = grid.patches();
    try (TorchTensor values =
            TorchTensor.of(
                program.device(), image.values(), patches, image.values().length / patches);
        TorchTensor places = TorchTensor.of(program.device(), grid.places(), patches, 2);
        TorchTensor back = TorchTensor.of(program.device(), grid.back(), grid.cells())) {
      return program.run(
          "embed_image",
          values,
          places,
          new long[] {grid.rows(), grid.columns()},
          grid.runs(),
          back);
    }
  }

  /**
   * Reads images and a text.
   *
   * @param images their patches, in the order of the text
   * @param ids with one image token for each cell
   */
  JudgeRead read(List<QwenPictures.Patches> images, long[] ids) {
    List<TorchTensor> embedded = new ArrayList<>();
    QwenVlArchitecture.Positions positions =
        architecture.positions(ids, images.stream().map(QwenPictures.Patches::grid).toList());
    try (TorchTensor text = TorchTensor.of(program.device(), ids, 1, ids.length);
        TorchTensor at = places(positions)) {
      images.forEach(image -> embedded.addAll(embed(image)));
      return JudgeRead.of(program.run("prefill", text, at, embedded), positions.next());
    } finally {
      embedded.forEach(TorchTensor::close);
    }
  }

  /**
   * Reads on.
   *
   * @param before what has been read; stays open
   * @param id the token that follows
   */
  JudgeRead step(JudgeRead before, long id) {
    long p = before.next();
    try (TorchTensor text = TorchTensor.of(program.device(), new long[] {id}, 1, 1);
        TorchTensor at = places(new QwenVlArchitecture.Positions(new long[] {p, p, p}, p + 1))) {
      return JudgeRead.of(program.run("step", text, at, before.keys(), before.values()), p + 1);
    }
  }

  private TorchTensor places(QwenVlArchitecture.Positions positions) {
    int frequencies = architecture.axes().size();
    long[] values = positions.byFrequency(architecture.axes());
    return TorchTensor.of(program.device(), values, values.length / frequencies, frequencies);
  }

  String programSha256() {
    return program.sha256();
  }

  @Override
  public void close() {
    program.close();
  }
}
