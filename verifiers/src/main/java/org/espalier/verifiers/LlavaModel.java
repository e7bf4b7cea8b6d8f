package org.espalier.verifiers;

import java.util.Arrays;
import org.espalier.spi.RgbImage;
import org.espalier.verifiers.LlavaModel.Tiles;

/** LLaVA-OneVision with the preparation of its images: the whole one, and tiles of it. */
record LlavaModel(LlavaNetwork network, LlavaArchitecture architecture, ImageTransform transform)
    implements VisionLanguageModel<Tiles> {

  /** The whole image and its tiles, prepared. */
  record Tiles(TilePlan plan, float[] pixels) {}

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
    return architecture.mostImageTokens();
  }

  @Override
  public Seen seen(int width, int height) {
    TilePlan plan = architecture.plan(width, height);
    return new Seen(
        plan.imageTokens(),
        plan.tiles(),
        (long) plan.tiles() * plan.side() * plan.side(),
        architecture.imageFlops(plan.tiles()));
  }

  @Override
  public Tiles prepare(RgbImage image) {
    TilePlan plan = architecture.plan(image.width(), image.height());
    int size = architecture.imageSize();
    float[] whole = transform.apply(image);
    float[] pixels = Arrays.copyOf(whole, plan.tiles() * whole.length);
    RgbImage canvas = onCanvas(image, plan);
    for (int tile = 0; tile < plan.rows() * plan.columns(); tile++) {
      RgbImage cut =
          ImageTransform.crop(
              canvas, tile % plan.columns() * size, tile / plan.columns() * size, size, size);
      System.arraycopy(
          transform.normalize(cut), 0, pixels, (tile + 1) * whole.length, whole.length);
    }
    return new Tiles(plan, pixels);
  }

  /** The image as large as it can be, in the middle of a black canvas. */
  private RgbImage onCanvas(RgbImage image, TilePlan plan) {
    double across = (double) plan.width() / image.width();
    double down = (double) plan.height() / image.height();
    int width = plan.width();
    int height = plan.height();
    if (across < down) {
      height = Math.min((int) Math.ceil(image.height() * across), height);
    } else {
      width = Math.min((int) Math.ceil(image.width() * down), width);
    }
    RgbImage resized = transform.filter().resize(image, width, height);
    return ImageTransform.crop(
        resized,
        -((plan.width() - width) / 2),
        -((plan.height() - height) / 2),
        plan.width(),
        plan.height());
  }

  @Override
  public String preprocessing() {
    return "the whole image and up to about %d tiles of it, each: %s"
        .formatted(architecture.mostTiles(), transform.describe());
  }

  @Override
  public JudgeRead read(Tiles image, long[] ids) {
    return network.prefill(image.pixels, image.plan, ids);
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
