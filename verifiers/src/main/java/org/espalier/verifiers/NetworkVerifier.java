package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.Device;
import org.espalier.torch.RowExecutor;
import org.espalier.torch.Tokens;

/**
 * What verifiers that are networks have in common: images are read and prepared one by one, so that
 * one that cannot be read fails alone; on the CPU each image is a native call of its own and they
 * run in parallel, on a GPU they are batched; the work is counted at the call.
 *
 * <p>An image costs what it would cost if it were judged alone, its text included, also where the
 * text's embedding is still held from an earlier image: so the cost of a search does not depend on
 * what was judged before it or beside it.
 *
 * @param <P> an image as the network reads it
 */
abstract class NetworkVerifier<P> implements Verifier {
  private static final System.Logger LOG = System.getLogger(NetworkVerifier.class.getName());
  private static final int GPU_BATCH = 32;
  private static final int TEXTS_HELD = 4096;

  private final Device device;
  private final Map<String, Tokens> texts = recent(TEXTS_HELD);
  private final AtomicBoolean warned = new AtomicBoolean();
  private final LongAdder rows = new LongAdder();
  private final LongAdder tokens = new LongAdder();
  private final LongAdder flops = new LongAdder();
  private final LongAdder images = new LongAdder();

  NetworkVerifier(Device device) {
    this.device = device;
  }

  /**
   * A row of work: a prepared image and what it is to show.
   *
   * @param answers whose probability is asked for instead; see {@link OpenQuestion}
   */
  record Row<P>(String prompt, List<String> answers, Tokens text, P image, int width, int height) {}

  /**
   * The cost of judging one image.
   *
   * @param rows sequences through the network
   * @param tokens over all rows
   * @param flops operations
   */
  record Work(long rows, long tokens, long flops) {}

  /** Tokens of a prompt, cut off at the limit. */
  abstract Tokens tokenize(String prompt);

  /** What judging one image costs. */
  abstract Work work(Tokens text, int width, int height);

  /** Prepares an image: the same work whatever is in the batch. */
  abstract P prepare(RgbImage image);

  /** Called once a batch, before any image: what images of the same prompt share. */
  void prepareTexts(Map<String, Tokens> batch) {}

  /** Judges rows in one native call; on the CPU there is one. */
  abstract List<Verdict> judge(List<Row<P>> batch);

  final Device device() {
    return device;
  }

  @Override
  public final Cost quote(Prompt prompt, int width, int height, int count) {
    return Cost.verify(
        count, Math.multiplyExact(count, work(tokens(prompt.text()), width, height).flops));
  }

  @Override
  public final WorkCounters counters() {
    return new WorkCounters(rows.sum(), tokens.sum(), flops.sum(), images.sum());
  }

  @Override
  public final List<Verdict> verify(List<Judgement> batch) {
    List<RgbImage> pixels = new ArrayList<>();
    Verdict[] verdicts = new Verdict[batch.size()];
    List<Integer> readable = new ArrayList<>();
    Map<String, Tokens> prompts = new LinkedHashMap<>();
    for (int i = 0; i < batch.size(); i++) {
      try {
        RgbImage image = batch.get(i).artifact().image();
        VerifierImages.requireSize(image.width(), image.height(), batch.get(i).candidateId());
        pixels.add(image);
        readable.add(i);
        String text = batch.get(i).prompt().text();
        prompts.put(text, tokens(text));
      } catch (RuntimeException e) {
        verdicts[i] = new Verdict.Failed("The image cannot be read: " + e.getMessage());
      }
    }
    if (readable.isEmpty()) {
      return List.of(verdicts);
    }
    prepareTexts(prompts);
    List<Integer> places = new ArrayList<>();
    for (int i = 0; i < readable.size(); i++) {
      places.add(i);
    }
    List<Verdict> scored =
        device.isGpu()
            ? onGpu(batch, readable, pixels, places)
            : RowExecutor.map(
                device,
                places,
                place -> {
                  Object row = row(batch.get(readable.get(place)), pixels.get(place));
                  return row instanceof Verdict failed ? failed : run(List.of(cast(row))).get(0);
                });
    for (int place : places) {
      verdicts[readable.get(place)] = scored.get(place);
    }
    return List.of(verdicts);
  }

  private List<Verdict> onGpu(
      List<Judgement> batch, List<Integer> readable, List<RgbImage> pixels, List<Integer> places) {
    List<Object> prepared =
        RowExecutor.map(Device.cpu(), places, p -> row(batch.get(readable.get(p)), pixels.get(p)));
    List<Verdict> verdicts = new ArrayList<>(Collections.nCopies(places.size(), null));
    List<Integer> chunk = new ArrayList<>();
    for (int place : places) {
      if (prepared.get(place) instanceof Verdict failed) {
        verdicts.set(place, failed);
      } else {
        chunk.add(place);
      }
      if (chunk.size() == GPU_BATCH || (place == places.size() - 1 && !chunk.isEmpty())) {
        List<Verdict> scored = run(chunk.stream().map(c -> cast(prepared.get(c))).toList());
        for (int i = 0; i < chunk.size(); i++) {
          verdicts.set(chunk.get(i), scored.get(i));
        }
        chunk.clear();
      }
    }
    return verdicts;
  }

  /** A row, or a failure where the image cannot be prepared. */
  private Object row(Judgement judgement, RgbImage image) {
    try {
      String text = judgement.prompt().text();
      return new Row<>(
          text,
          OpenQuestion.answers(judgement.prompt()),
          tokens(text),
          prepare(image),
          image.width(),
          image.height());
    } catch (EspalierException | IllegalArgumentException e) {
      return new Verdict.Failed("The image cannot be prepared: " + e.getMessage());
    }
  }

  @SuppressWarnings("unchecked") // made by row(...)
  private Row<P> cast(Object row) {
    return (Row<P>) row;
  }

  private List<Verdict> run(List<Row<P>> batch) {
    List<Verdict> verdicts = judge(batch);
    for (Row<P> row : batch) {
      Work work = work(row.text, row.width, row.height);
      rows.add(work.rows);
      tokens.add(work.tokens);
      flops.add(work.flops);
      images.increment();
    }
    return verdicts;
  }

  private Tokens tokens(String text) {
    synchronized (texts) {
      Tokens tokens = texts.get(text);
      if (tokens == null) {
        tokens = tokenize(text);
        texts.put(text, tokens);
        if (tokens.truncated() && !warned.getAndSet(true)) {
          LOG.log(
              System.Logger.Level.WARNING,
              "{0} reads only the first {1} tokens of \"{2}\"; such scores are marked"
                  + " (truncated = 1), and this is said once.",
              card().id(),
              tokens.length(),
              text.length() > 80 ? text.substring(0, 80) + "..." : text);
        }
      }
      return tokens;
    }
  }

  /**
   * A verdict, or a failure where the number is none.
   *
   * @param value the score
   * @param text of the prompt, for the flag
   * @param parts components of the score
   */
  static Verdict verdict(double value, Tokens text, Map<String, Double> parts) {
    if (!Double.isFinite(value)) {
      return new Verdict.Failed("The network's score (" + value + ") is no finite number.");
    }
    Map<String, Double> all = new LinkedHashMap<>(parts);
    Set<String> bad = new HashSet<>();
    all.forEach(
        (name, part) -> {
          if (!Double.isFinite(part)) {
            bad.add(name);
          }
        });
    bad.forEach(all::remove);
    all.put("truncated", text.truncated() ? 1.0 : 0.0);
    return new Verdict.Scored(value, all);
  }

  /**
   * A map that forgets what was not used for longest.
   *
   * @param size entries held
   */
  static <K, V> Map<K, V> recent(int size) {
    return new LinkedHashMap<>(16, 0.75f, true) {
      private static final long serialVersionUID = 1L;

      @Override
      protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
        return size() > size;
      }
    };
  }
}
