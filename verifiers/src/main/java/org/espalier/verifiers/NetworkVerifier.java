package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.Iterator;
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
import org.jspecify.annotations.Nullable;

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

  /** What becomes of an image before the network: a row of work, or a failure. */
  private sealed interface Prepared<P> {
    /** To be judged. */
    record Ready<P>(Row<P> row) implements Prepared<P> {}

    /** Not to be judged. */
    record Unfit<P>(Verdict.Failed verdict) implements Prepared<P> {}
  }

  /** An image that has been read, with its text; or a failure. */
  private record Subject(
      Judgement judgement, @Nullable Tokens text, @Nullable RgbImage image, String failure) {}

  @Override
  public final List<Verdict> verify(List<Judgement> batch) {
    List<Subject> subjects = batch.stream().map(this::subject).toList();
    Map<String, Tokens> prompts = new LinkedHashMap<>();
    for (Subject subject : subjects) {
      if (subject.text != null && subject.image != null) {
        prompts.put(subject.judgement.prompt().text(), subject.text);
      }
    }
    if (!prompts.isEmpty()) {
      prepareTexts(prompts);
    }
    return device.isGpu()
        ? onGpu(subjects)
        : RowExecutor.map(device, subjects, subject -> judged(List.of(prepared(subject))).get(0));
  }

  private List<Verdict> onGpu(List<Subject> subjects) {
    List<Verdict> verdicts = new ArrayList<>();
    for (int from = 0; from < subjects.size(); from += GPU_BATCH) {
      int to = Math.min(subjects.size(), from + GPU_BATCH);
      verdicts.addAll(
          judged(RowExecutor.map(Device.cpu(), subjects.subList(from, to), this::prepared)));
    }
    return verdicts;
  }

  /** Reads an image and its prompt; whose fault a failure is, is said. */
  private Subject subject(Judgement judgement) {
    RgbImage image;
    try {
      image = judgement.artifact().image();
      VerifierImages.requireSize(image.width(), image.height(), judgement.candidateId());
    } catch (RuntimeException e) { // an artifact is a model's, and may fail in any way
      return new Subject(judgement, null, null, "The image cannot be read: " + inOneLine(e));
    }
    try {
      return new Subject(judgement, tokens(judgement.prompt().text()), image, "");
    } catch (EspalierException e) {
      return new Subject(judgement, null, null, "The prompt cannot be read: " + inOneLine(e));
    }
  }

  private Prepared<P> prepared(Subject subject) {
    RgbImage image = subject.image;
    Tokens text = subject.text;
    if (image == null || text == null) {
      return new Prepared.Unfit<>(new Verdict.Failed(subject.failure));
    }
    try {
      return new Prepared.Ready<>(
          new Row<>(
              subject.judgement.prompt().text(),
              OpenQuestion.answers(subject.judgement.prompt()),
              text,
              prepare(image),
              image.width(),
              image.height()));
    } catch (EspalierException | IllegalArgumentException e) {
      return new Prepared.Unfit<>(
          new Verdict.Failed("The image cannot be prepared: " + inOneLine(e)));
    }
  }

  static String inOneLine(RuntimeException e) {
    return String.valueOf(e.getMessage()).replace('\n', ' ');
  }

  /** Verdicts in the order of what has been prepared; what can be judged, in one native call. */
  private List<Verdict> judged(List<Prepared<P>> batch) {
    List<Row<P>> rows = new ArrayList<>();
    for (Prepared<P> prepared : batch) {
      if (prepared instanceof Prepared.Ready<P> ready) {
        rows.add(ready.row);
      }
    }
    Iterator<Verdict> scored = rows.isEmpty() ? Collections.emptyIterator() : run(rows).iterator();
    List<Verdict> verdicts = new ArrayList<>();
    for (Prepared<P> prepared : batch) {
      verdicts.add(prepared instanceof Prepared.Unfit<P> unfit ? unfit.verdict : scored.next());
    }
    return verdicts;
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
