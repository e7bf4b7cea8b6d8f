package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.Verdict;
import org.espalier.spi.RgbImage;
import org.espalier.spi.VerifierCard;
import org.espalier.torch.Device;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;

/**
 * A vision-language model as a judge: it reads the image and a question about it, and its answer is
 * read off the probabilities of what it would say. Parts besides the answer's: {@code
 * image-tokens}; {@code truncated}.
 *
 * @param <P> an image as the model reads it
 */
final class JudgeVerifier<P> extends NetworkVerifier<P> {
  private final VisionLanguageModel<P> model;
  private final JudgeQuestion question;
  private final JudgeAnswer answer;
  private final TextTokenizer tokenizer;
  private final VerifierCard card;

  /**
   * What a judge is called and made from.
   *
   * @param id of the provider
   * @param metric where it is not the answer's, else empty
   * @param weightsSha256 over all weights, hex
   * @param provenance of the weights
   * @param facts for its card
   */
  record Origin(
      String id,
      String metric,
      String weightsSha256,
      Provenance provenance,
      Map<String, String> facts) {}

  JudgeVerifier(
      VisionLanguageModel<P> model,
      JudgeQuestion question,
      JudgeAnswer answer,
      TextTokenizer tokenizer,
      Device device,
      Origin origin) {
    super(device);
    this.model = model;
    this.question = question;
    this.answer = answer;
    this.tokenizer = tokenizer;
    Map<String, String> facts = new HashMap<>(origin.facts);
    if (answersAnything()) {
      facts.put(OpenQuestion.FACT, "by the first tokens of the answer");
    }
    facts.put("dtype", device.isGpu() ? "bfloat16" : "float32");
    this.card =
        new VerifierCard(
            origin.id,
            origin.weightsSha256,
            model.programSha256(),
            origin.provenance.licence(),
            model.preprocessing(),
            OptionalInt.of(question.limit()),
            answer.range(),
            origin.metric.isEmpty() ? answer.metric() : origin.metric,
            origin.provenance.facts("all of the image", facts));
  }

  @Override
  public VerifierCard card() {
    return card;
  }

  @Override
  Tokens tokenize(String prompt) {
    return question.read(prompt);
  }

  /** Whether question, image and answer fit into a sequence of the model. */
  private boolean fits(Tokens text, VisionLanguageModel.Seen seen) {
    return seen.tokens() > 0
        && text.length() - 1L + seen.tokens() + answer.steps().length
            <= model.decoder().positions();
  }

  @Override
  Work work(Tokens text, int width, int height) {
    VisionLanguageModel.Seen seen = model.seen(width, height);
    if (!fits(text, seen)) {
      return new Work(0, 0, 0);
    }
    long length = text.length() - 1L + seen.tokens();
    long flops = seen.flops() + model.decoder().flops(length, 0);
    for (int before : answer.steps()) {
      flops += model.decoder().flops(1, length + before);
    }
    int steps = answer.steps().length;
    return new Work(seen.rows() + 1L + steps, seen.patches() + length + steps, flops);
  }

  @Override
  P prepare(RgbImage image) {
    return model.prepare(image);
  }

  @Override
  List<Verdict> judge(List<Row<P>> batch) {
    List<Verdict> verdicts = new ArrayList<>();
    for (Row<P> row : batch) {
      verdicts.add(judge(row));
    }
    return verdicts;
  }

  private Verdict judge(Row<P> row) {
    VisionLanguageModel.Seen seen = model.seen(row.width(), row.height());
    if (!fits(row.text(), seen)) {
      return new Verdict.Failed(
          "The image (%d tokens) does not fit into the model's %d positions beside the question."
              .formatted(seen.tokens(), model.decoder().positions()));
    }
    long[] ids = JudgeQuestion.expand(row.text(), model.imageToken(), seen.tokens());
    try (JudgeRead read = model.read(row.image(), ids)) {
      Map<String, Double> facts = Map.of("image-tokens", (double) seen.tokens());
      return row.answers().isEmpty() || !answersAnything()
          ? answer.judge(read, model, row.text(), facts)
          : verdict(probability(read, row.answers()), row.text(), facts);
    }
  }

  /** Whether a word's probability costs what the judge's own answer costs: one reading. */
  private boolean answersAnything() {
    return answer.steps().length == 0;
  }

  /** The probability that the answer begins with one of some words, by their first tokens. */
  private double probability(JudgeRead read, List<String> words) {
    float[] logits = read.logits().toFloats();
    return OpenQuestion.forms(words).stream()
        .map(tokenizer::part)
        .filter(ids -> ids.length > 0)
        .mapToLong(ids -> ids[0])
        .distinct()
        .mapToDouble(id -> Math.exp(JudgeAnswer.logProbability(logits, id)))
        .sum();
  }

  @Override
  public void close() {
    try {
      model.close();
    } finally {
      tokenizer.close();
    }
  }
}
