package org.espalier.verifiers;

import java.util.List;
import org.espalier.spi.RgbImage;

/** Qwen2.5-VL or Qwen3-VL with the preparation of its images. */
record QwenVlModel(QwenVlNetwork network, QwenVlArchitecture architecture, QwenPictures pictures)
    implements VisionLanguageModel<QwenPictures.Patches> {

  @Override
  public Decoder decoder() {
    return architecture.decoder();
  }

  @Override
  public int imageToken() {
    return architecture.imageToken();
  }

  @Override
  public int mostImageTokens() {
    return pictures.mostTokens();
  }

  @Override
  public Seen seen(int width, int height) {
    if (!QwenPictures.readable(width, height)) {
      return Seen.NOTHING;
    }
    PatchGrid grid = pictures.grid(width, height);
    return new Seen(
        grid.cells(),
        1,
        grid.patches(),
        architecture.vision().flops(grid, architecture.decoder().width()));
  }

  @Override
  public QwenPictures.Patches prepare(RgbImage image) {
    return pictures.prepare(image);
  }

  @Override
  public String preprocessing() {
    return pictures.describe();
  }

  @Override
  public JudgeRead read(QwenPictures.Patches image, long[] ids) {
    return network.read(List.of(image), ids);
  }

  @Override
  public JudgeRead step(JudgeRead before, long id) {
    return network.step(before, id);
  }

  @Override
  public String programSha256() {
    return network.programSha256();
  }

  @Override
  public void close() {
    network.close();
  }
}
