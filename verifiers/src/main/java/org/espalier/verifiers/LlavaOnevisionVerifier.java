package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.Verdict;
import org.espalier.spi.RgbImage;
import org.espalier.spi.VerifierCard;
import org.espalier.torch.Device;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;
import org.espalier.verifiers.LlavaOnevisionVerifier.Tiles;

/**
 * LLaVA-OneVision as a judge. Parts: {@code log-yes} and {@code log-no}, the answers' log
 * probabilities; {@code image-tokens}; {@code truncated}. An answer of several tokens is read on
 * from the question's keys and values.
 */
final class LlavaOnevisionVerifier extends NetworkVerifier<Tiles> {
  private final LlavaNetwork network;
  private final LlavaArchitecture architecture;
  private final ImageTransform transform;
  private final LlavaPrompts prompts;
  private final TextTokenizer tokenizer;
  private final VerifierCard card;

  LlavaOnevisionVerifier(
      LlavaNetwork network,
      LlavaArchitecture architecture,
      ImageTransform transform,
      LlavaPrompts prompts,
      TextTokenizer tokenizer,
      Device device,
      String weightsSha256,
      String licence) {
    super(device);
    this.network = network;
    this.architecture = architecture;
    this.transform = transform;
    this.prompts = prompts;
    this.tokenizer = tokenizer;
    this.card =
        new VerifierCard(
            "llava-onevision",
            weightsSha256,
            network.programSha256(),
            licence,
            "the whole image and tiles of it, each: " + transform.describe(),
            OptionalInt.of(architecture.positions()),
            "[0, 1]: P(yes) / (P(yes) + P(no))",
            "vqa-score",
            Map.of(
                "image-size",
                String.valueOf(architecture.imageSize()),
                "tiles",
                "anyres, at most about " + architecture.mostTiles(),
                "dtype",
                device.isGpu() ? "bfloat16" : "float32"));
  }

  /** The whole image and its tiles, prepared. */
  record Tiles(TilePlan plan, float[] pixels) {}

  @Override
  public VerifierCard card() {
    return card;
  }

  @Override
  Tokens tokenize(String prompt) {
    return prompts.read(prompt);
  }

  private long length(Tokens text, TilePlan plan) {
    return text.length() - prompts.images(text) + plan.imageTokens();
  }

  /** Whether the model can be asked this at all. */
  private boolean fits(Tokens text, TilePlan plan) {
    int answer = Math.max(prompts.yes().length, prompts.no().length);
    return !text.truncated()
        && prompts.images(text) == 1
        && length(text, plan) + answer <= architecture.positions();
  }

  @Override
  Work work(Tokens text, int width, int height) {
    TilePlan plan = architecture.plan(width, height);
    if (!fits(text, plan)) {
      return new Work(0, 0, 0);
    }
    long length = length(text, plan);
    long tokens = (long) plan.tiles() * plan.side() * plan.side() + length;
    long flops = architecture.imageFlops(plan.tiles()) + architecture.decodeFlops(length, 0);
    long rows = plan.tiles() + 1L;
    for (long[] answer : List.of(prompts.yes(), prompts.no())) {
      for (int i = 1; i < answer.length; i++) {
        flops += architecture.decodeFlops(1, length + i - 1);
        tokens++;
        rows++;
      }
    }
    return new Work(rows, tokens, flops);
  }

  @Override
  Tiles prepare(RgbImage image) {
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
  List<Verdict> judge(List<Row<Tiles>> batch) {
    List<Verdict> verdicts = new ArrayList<>();
    for (Row<Tiles> row : batch) {
      verdicts.add(judge(row));
    }
    return verdicts;
  }

  private Verdict judge(Row<Tiles> row) {
    TilePlan plan = row.image().plan();
    if (!fits(row.text(), plan)) {
      return new Verdict.Failed(
          "The model cannot be asked this: the prompt is longer than %d tokens, or contains <image>."
              .formatted(architecture.positions()));
    }
    try (LlavaNetwork.Read read =
        network.prefill(
            row.image().pixels(), plan, prompts.expand(row.text(), plan.imageTokens()))) {
      double yes = logProbability(read, prompts.yes());
      double no = logProbability(read, prompts.no());
      return verdict(
          1 / (1 + Math.exp(no - yes)),
          row.text(),
          Map.of("log-yes", yes, "log-no", no, "image-tokens", (double) plan.imageTokens()));
    }
  }

  private double logProbability(LlavaNetwork.Read question, long[] answer) {
    double sum = logProbability(question.logits().toFloats(), answer[0]);
    LlavaNetwork.Read before = question;
    try {
      for (int i = 1; i < answer.length; i++) {
        LlavaNetwork.Read next = network.step(before, new long[] {answer[i - 1]});
        if (before != question) {
          before.close();
        }
        before = next;
        sum += logProbability(next.logits().toFloats(), answer[i]);
      }
      return sum;
    } finally {
      if (before != question) {
        before.close();
      }
    }
  }

  private static double logProbability(float[] logits, long token) {
    double largest = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      largest = Math.max(largest, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - largest);
    }
    return logits[(int) token] - largest - Math.log(sum);
  }

  @Override
  public void close() {
    network.close();
    tokenizer.close();
  }
}
