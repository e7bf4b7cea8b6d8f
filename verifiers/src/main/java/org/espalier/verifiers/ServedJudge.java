package org.espalier.verifiers;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.LongAdder;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Accuracy;
import org.espalier.compute.Cost;
import org.espalier.spi.ImageFiles;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.WorkCounters;
import org.espalier.verifiers.ServedConfig.Answer;

/**
 * A vision-language model behind a server. Parts: {@code p-yes} and {@code p-no}; {@code
 * input-tokens}, {@code output-tokens}, and {@code dollars} where a price is given.
 *
 * <p>An image that the server refuses or whose answer cannot be read is {@link Verdict.Failed}. A
 * server that does not serve is an error of the kind RESOURCE, which stops a run so that it can be
 * resumed: else a server that was away for a minute would leave searches without verdicts for ever.
 * Which of the two it is, is asked of the server with a picture of which it is known that it can be
 * judged.
 *
 * <p>What passes by itself is tried again here, request by request, and not by the engine, which
 * would make all requests of a call again for one that failed. Thread-safe.
 */
final class ServedJudge implements Verifier {
  /** By how much of the scale a judge must prefer the true caption. */
  private static final double MARGIN = 0.2;

  private static final ObjectMapper JSON = new ObjectMapper();

  private final ServedConfig config;
  private final ChatClient client;
  private final VerifierCard card;
  private final ExecutorService requests;
  private final LongAdder rows = new LongAdder();
  private final LongAdder tokens = new LongAdder();
  private final LongAdder images = new LongAdder();
  private final LongAdder microDollars = new LongAdder();

  ServedJudge(ServedConfig config, ChatClient client) {
    this.config = config;
    this.client = client;
    this.requests =
        Executors.newFixedThreadPool(
            config.concurrency(),
            body -> {
              Thread thread = new Thread(body, "served-judge");
              thread.setDaemon(true);
              return thread;
            });
    this.card = card(config);
  }

  private static VerifierCard card(ServedConfig config) {
    boolean rating = config.answer() == Answer.RATING;
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put(VerifierCard.SEES, "the whole image, unless the server cuts it");
    facts.put("model", config.model());
    facts.put("question", config.question());
    Long flops = config.flops();
    facts.put("flops", flops == null ? "unknown: the server does not say" : "estimated");
    if (!rating) {
      facts.put(OpenQuestion.FACT, "one word, up to the least of the listed probabilities");
    }
    facts.put("repeatable", "as far as the server is: it is asked with temperature 0");
    return new VerifierCard(
        "served",
        "",
        "",
        "the served model's",
        "sent as PNG in full size; resized and cut by the server as its model wants",
        OptionalInt.empty(),
        rating
            ? "[%d, %d]: the rating said".formatted(config.scale().worst(), config.scale().best())
            : "[0, 1]: P(yes) / (P(yes) + P(no))",
        (rating ? "rating by " : "vqa-score by ") + config.model(),
        facts,
        config.concurrency(),
        flops == null ? Accuracy.UNKNOWN : Accuracy.ESTIMATED);
  }

  @Override
  public VerifierCard card() {
    return card;
  }

  @Override
  public Cost quote(Prompt prompt, int width, int height, int count) {
    Cost each = Cost.verify(1, flops());
    ServedConfig.Usage usage = config.usage();
    if (usage != null) {
      each =
          each.withService(
              Math.addExact(usage.input(), usage.output()),
              microDollars(usage.input(), usage.output()));
    }
    return each.times(count);
  }

  private long microDollars(long inputTokens, long outputTokens) {
    ServedConfig.Price price = config.price();
    return price == null ? 0 : (long) Math.ceil(1e6 * price.of(inputTokens, outputTokens));
  }

  private long flops() {
    Long flops = config.flops();
    return flops == null ? 0 : flops;
  }

  @Override
  public WorkCounters counters() {
    long judged = images.sum();
    return new WorkCounters(rows.sum(), tokens.sum(), judged * flops(), judged, microDollars.sum());
  }

  @Override
  public List<Verdict> verify(List<Judgement> batch) {
    Verdict[] verdicts = new Verdict[batch.size()];
    ExecutorCompletionService<Integer> tasks = new ExecutorCompletionService<>(requests);
    List<Future<Integer>> open = new ArrayList<>();
    for (int i = 0; i < batch.size(); i++) {
      int place = i;
      RgbImage image;
      try {
        image = batch.get(i).artifact().image();
        VerifierImages.requireSize(image.width(), image.height(), batch.get(i).candidateId());
      } catch (RuntimeException e) {
        verdicts[i] = new Verdict.Failed("The image cannot be read: " + e.getMessage());
        continue;
      }
      Prompt prompt = batch.get(i).prompt();
      open.add(
          tasks.submit(
              () -> {
                verdicts[place] = judge(image, prompt);
                return place;
              }));
    }
    try {
      for (int i = 0; i < open.size(); i++) {
        tasks.take().get();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The wait for the served judge was interrupted.",
          "Maybe use `espalier resume`: finished cells are kept.",
          e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof EspalierException known) {
        throw known;
      }
      throw new IllegalStateException("A request to the served judge failed.", e.getCause());
    } finally {
      open.forEach(task -> task.cancel(true));
    }
    return Collections.unmodifiableList(Arrays.asList(verdicts));
  }

  private Verdict judge(RgbImage image, Prompt prompt) throws InterruptedException {
    ObjectNode request = request(image, prompt.text());
    ChatClient.Reply reply = ask(request);
    if (reply instanceof ChatClient.Reply.Down down) {
      if (!serves()) {
        throw stopped(down);
      }
      // The server is well: it was so only now, or it stumbles over this image.
      reply = ask(request);
    }
    images.increment();
    return verdict(reply, OpenQuestion.answers(prompt));
  }

  /** Asks, and counts what was answered. A judge is of no use without what it is asked for. */
  private ChatClient.Reply ask(ObjectNode request) throws InterruptedException {
    return counted(client.ask(request));
  }

  private ChatClient.Reply counted(ChatClient.Reply reply) {
    if (reply instanceof ChatClient.Reply.Answered answered) {
      rows.increment();
      tokens.add(answered.inputTokens() + answered.outputTokens());
      microDollars.add(microDollars(answered.inputTokens(), answered.outputTokens()));
      if (config.answer() == Answer.PROBABILITY && !ChatAnswers.hasLogprobs(answered.choice())) {
        return new ChatClient.Reply.Down(
            "the answer comes without top_logprobs", ChatClient.ANSWERED);
      }
    }
    return reply;
  }

  /** Whether the server judges a picture of which it is known that it can be judged. */
  private boolean serves() throws InterruptedException {
    GoldenPictures.Golden golden = GoldenPictures.ALL.get(0);
    return counted(client.askOnce(request(golden.image(), golden.caption())))
        instanceof ChatClient.Reply.Answered;
  }

  /** The verdict that an answer is, on its prompt or, where there are words, on these. */
  private Verdict verdict(ChatClient.Reply reply, List<String> words) {
    if (reply instanceof ChatClient.Reply.Refused refused) {
      return new Verdict.Failed("The server refuses this image or prompt: " + refused.reason());
    }
    if (reply instanceof ChatClient.Reply.Down down) {
      return new Verdict.Failed(
          "The server judges other images, but not this one: " + down.reason());
    }
    ChatClient.Reply.Answered answered = (ChatClient.Reply.Answered) reply;
    Verdict verdict =
        config.answer() == Answer.RATING
            ? ChatAnswers.rating(answered.choice(), config.scale(), client::clean)
            : words.isEmpty()
                ? ChatAnswers.probability(answered.choice(), client::clean)
                : ChatAnswers.words(answered.choice(), words, client::clean);
    if (!(verdict instanceof Verdict.Scored scored)) {
      return verdict;
    }
    Map<String, Double> parts = new LinkedHashMap<>(scored.parts());
    parts.put("input-tokens", (double) answered.inputTokens());
    parts.put("output-tokens", (double) answered.outputTokens());
    ServedConfig.Price price = config.price();
    if (price != null) {
      parts.put("dollars", price.of(answered.inputTokens(), answered.outputTokens()));
    }
    return new Verdict.Scored(scored.value(), parts);
  }

  private String who() {
    return "The served judge (" + config.model() + " at " + config.endpoint() + ")";
  }

  private EspalierException stopped(ChatClient.Reply.Down down) {
    return new EspalierException(
        EspalierException.Code.RESOURCE,
        who() + " does not answer: " + down.reason() + ".",
        "Maybe mend the server and use `espalier resume`: finished cells are kept.");
  }

  /**
   * Refuses a judge that cannot tell two pictures apart, or that cannot be asked at all.
   *
   * @throws EspalierException CONFIG where the judge is at fault, RESOURCE where its server is
   */
  void requireSight() {
    List<GoldenPictures.Golden> pictures = GoldenPictures.ALL;
    double range =
        config.answer() == Answer.RATING ? config.scale().best() - config.scale().worst() : 1;
    try {
      for (int i = 0; i < pictures.size(); i++) {
        GoldenPictures.Golden shown = pictures.get(i);
        String other = pictures.get(1 - i).caption();
        double right = golden(shown.image(), shown.caption());
        double wrong = golden(shown.image(), other);
        if (!(right - wrong >= MARGIN * range)) {
          throw EspalierException.config(
              "%s cannot tell pictures apart: of %s it gives %.3g to \"%s\" and %.3g to \"%s\"."
                  .formatted(who(), shown.caption(), right, shown.caption(), wrong, other),
              "Maybe the model reads no images, or thinks before it answers (for Qwen3 set body:"
                  + " {chat_template_kwargs: {enable_thinking: false}}); golden: false leaves this"
                  + " check out.");
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The wait for the served judge was interrupted.",
          null,
          e);
    }
  }

  private double golden(RgbImage image, String caption) throws InterruptedException {
    ChatClient.Reply reply = ask(request(image, caption));
    if (reply instanceof ChatClient.Reply.Down down) {
      throw unusable(down);
    }
    Verdict verdict = verdict(reply, List.of());
    if (verdict instanceof Verdict.Scored scored) {
      return scored.value();
    }
    throw EspalierException.config(
        who() + " cannot judge a picture: " + ((Verdict.Failed) verdict).reason(),
        "Maybe the model reads no images, or thinks before it answers (for Qwen3 set body:"
            + " {chat_template_kwargs: {enable_thinking: false}}).");
  }

  private EspalierException unusable(ChatClient.Reply.Down down) {
    boolean ours = List.of(401, 403, 404, ChatClient.ANSWERED).contains(down.status());
    String advice =
        switch (down.status()) {
          case 401, 403 ->
              config.keyVariable() == null
                  ? "Maybe set keyVariable: the environment variable that holds the key."
                  : "Maybe the key in " + config.keyVariable() + " is wrong or has expired.";
          case 404 -> "Maybe the model is named otherwise, or the endpoint lacks /v1.";
          case ChatClient.ANSWERED -> "Maybe the server gives none; use answer: rating.";
          default -> "Maybe the server is not running, or the endpoint is misspelt.";
        };
    return new EspalierException(
        ours ? EspalierException.Code.CONFIG : EspalierException.Code.RESOURCE,
        who() + " cannot be asked: " + down.reason() + ".",
        advice);
  }

  private ObjectNode request(RgbImage image, String prompt) {
    ObjectNode request = JSON.createObjectNode();
    request.put("model", config.model());
    ObjectNode message = request.putArray("messages").addObject();
    message.put("role", "user");
    ArrayNode content = message.putArray("content");
    content
        .addObject()
        .put("type", "image_url")
        .putObject("image_url")
        .put(
            "url",
            "data:image/png;base64," + Base64.getEncoder().encodeToString(ImageFiles.png(image)));
    content.addObject().put("type", "text").put("text", wellFormed(config.ask(prompt)));
    request.put("temperature", 0);
    if (config.answer() == Answer.RATING) {
      request.put("max_tokens", 64);
      schema(request.putObject("response_format"));
    } else {
      request.put("max_tokens", 1);
      request.put("logprobs", true);
      request.put("top_logprobs", config.topLogprobs());
    }
    config
        .body()
        .forEach(
            (name, value) -> {
              if (value == null) {
                request.remove(name);
              } else {
                request.set(name, JSON.valueToTree(value));
              }
            });
    return request;
  }

  /** Halves of surrogate pairs, which JSON cannot carry, become question marks. */
  private static String wellFormed(String text) {
    return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
  }

  private void schema(ObjectNode format) {
    format.put("type", "json_schema");
    ObjectNode named = format.putObject("json_schema");
    named.put("name", "rating");
    named.put("strict", true);
    ObjectNode schema = named.putObject("schema");
    schema.put("type", "object");
    schema
        .putObject("properties")
        .putObject("rating")
        .put("type", "integer")
        .put("minimum", config.scale().worst())
        .put("maximum", config.scale().best());
    schema.putArray("required").add("rating");
    schema.put("additionalProperties", false);
  }

  @Override
  public void close() {
    requests.shutdownNow();
  }
}
