package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.spi.WorkCounters;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What every verifier must keep: order, independence of the batch, exact quotes, finite scores or a
 * failure with its reason.
 */
public abstract class VerifierContract {
  private Verifier verifier = new TargetVerifier();

  /** A verifier, loaded; the contract closes it. */
  protected abstract Verifier create();

  /** A prompt it can judge by. */
  protected Prompt prompt() {
    return Prompt.of("contract", "a red circle");
  }

  /** At least three different images that it can judge. */
  protected List<RgbImage> images() {
    List<RgbImage> images = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      byte[] rgb = new byte[3 * 64 * 64];
      for (int at = 0; at < rgb.length; at++) {
        rgb[at] = (byte) (at * (i + 1) * 37 / 64 + 40 * i);
      }
      images.add(new RgbImage(64, 64, rgb));
    }
    return images;
  }

  /** By how much a score may differ between batches; 0 on a deterministic CPU. */
  protected double tolerance() {
    return 0;
  }

  @BeforeEach
  final void load() {
    verifier = create();
  }

  @AfterEach
  final void unload() {
    verifier.close();
  }

  private Judgement judgement(String id, RgbImage image) {
    return new Judgement(id, prompt(), Artifact.of(image));
  }

  private List<Verdict> together(List<RgbImage> images) {
    List<Judgement> batch = new ArrayList<>();
    for (int i = 0; i < images.size(); i++) {
      batch.add(judgement("candidate-" + i, images.get(i)));
    }
    return verifier.verify(batch);
  }

  private void assertSame(Verdict actual, Verdict expected, String what) {
    assertThat(actual.getClass()).as(what).isEqualTo(expected.getClass());
    if (actual instanceof Verdict.Scored a && expected instanceof Verdict.Scored e) {
      assertThat(a.value()).as(what).isCloseTo(e.value(), Offset.offset(tolerance()));
    }
  }

  @Test
  void saysWhatItIs() {
    assertThat(verifier.card().id()).matches("[a-z][a-z0-9]*(-[a-z0-9]+)*");
    assertThat(verifier.card().metric()).isNotBlank();
    assertThat(verifier.card().range()).isNotBlank();
  }

  @Test
  void answersEachInOrderAsAlone() {
    List<RgbImage> images = images();
    List<Verdict> verdicts = together(images);
    assertThat(verdicts).hasSameSizeAs(images);
    for (int i = 0; i < images.size(); i++) {
      Verdict alone = verifier.verify(List.of(judgement("alone", images.get(i)))).get(0);
      assertSame(verdicts.get(i), alone, "image " + i + " in a batch and alone");
    }
  }

  @Test
  void followsAPermutation() {
    List<RgbImage> images = images();
    List<RgbImage> reversed = new ArrayList<>(images);
    java.util.Collections.reverse(reversed);
    List<Verdict> forward = together(images);
    List<Verdict> backward = together(reversed);
    for (int i = 0; i < images.size(); i++) {
      assertSame(backward.get(images.size() - 1 - i), forward.get(i), "image " + i + " permuted");
    }
  }

  @Test
  void repeatsItself() {
    List<Verdict> first = together(images());
    List<Verdict> second = together(images());
    for (int i = 0; i < first.size(); i++) {
      assertSame(second.get(i), first.get(i), "image " + i + " twice");
    }
  }

  @Test
  void quotesExactlyWhatItCounts() {
    for (int n : new int[] {1, 3}) {
      List<RgbImage> images = images().subList(0, n);
      WorkCounters before = verifier.counters();
      together(images);
      WorkCounters work = verifier.counters().since(before);
      Cost quote = verifier.quote(prompt(), images.get(0).width(), images.get(0).height(), n);
      assertThat(quote.verifierCalls()).as("calls quoted for " + n).isEqualTo(n);
      assertThat(work.images()).as("images counted").isEqualTo(n);
      assertThat(work.flops()).as("FLOPs counted and quoted").isEqualTo(quote.verifierFlops());
    }
  }

  @Test
  void judgesSomethingAndNotAllAlike() {
    List<Double> scores = new ArrayList<>();
    for (Verdict verdict : together(images())) {
      if (verdict instanceof Verdict.Scored scored) {
        scores.add(scored.value());
      } else if (verdict instanceof Verdict.Failed failed) {
        assertThat(failed.reason()).isNotBlank();
      }
    }
    assertThat(scores).isNotEmpty();
    assertThat(scores.stream().distinct().count()).as("different scores").isGreaterThan(1);
  }

  @Test
  void anImageThatCannotBeReadFailsAlone() {
    List<RgbImage> images = images();
    List<Judgement> batch = new ArrayList<>();
    batch.add(judgement("first", images.get(0)));
    batch.add(new Judgement("broken", prompt(), new Unreadable()));
    batch.add(judgement("last", images.get(1)));
    List<Verdict> verdicts = verifier.verify(batch);
    assertThat(verdicts).hasSize(3);
    assertThat(verdicts.get(1))
        .as("verdict on an image that cannot be read")
        .isInstanceOfSatisfying(
            Verdict.Failed.class, failed -> assertThat(failed.reason()).isNotBlank());
    for (int row : new int[] {0, 2}) {
      Judgement alone = batch.get(row);
      assertSame(
          verdicts.get(row),
          verifier.verify(List.of(alone)).get(0),
          "an image beside one that cannot be read, and alone");
    }
  }

  private static final class Unreadable implements Artifact {
    @Override
    public RgbImage image() {
      throw new IllegalStateException("the image cannot be read");
    }

    @Override
    public void close() {}
  }

  @Test
  void paintsNoImage() {
    List<RgbImage> images = images();
    List<RgbImage> before = images.stream().map(RgbImage::copy).toList();
    together(images);
    for (int i = 0; i < images.size(); i++) {
      assertThat(images.get(i).rgb())
          .as("image " + i + " after it was judged")
          .isEqualTo(before.get(i).rgb());
    }
  }

  @Test
  void judgesById() {
    List<RgbImage> images = images();
    List<Judgement> batch = new ArrayList<>();
    for (int i = 0; i < images.size(); i++) {
      batch.add(judgement("candidate-" + i, images.get(i)));
    }
    Map<String, Verdict> verdicts = verifier.verifyById(batch);
    List<Verdict> inOrder = together(images);
    assertThat(verdicts).hasSameSizeAs(batch);
    for (int i = 0; i < images.size(); i++) {
      Verdict verdict = verdicts.get("candidate-" + i);
      assertThat(verdict).as("verdict on candidate " + i).isNotNull();
      assertSame(verdict, inOrder.get(i), "candidate " + i + " by its id and in order");
    }
  }

  @Test
  void supportsThePromptThatItJudges() {
    assertThat(verifier.unsupported(prompt())).as("why it cannot judge the prompt").isEmpty();
    assertThat(verifier.card().concurrency()).isPositive();
  }
}
