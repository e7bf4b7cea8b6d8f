package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.WorkCounters;
import org.espalier.verifiers.EnsembleConfig.Aggregation;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class EnsembleVerifierTest {
  private Path base;
  private final List<String> closed = new ArrayList<>();

  @BeforeEach
  void calibrate(@TempDir Path base) {
    this.base = base;
    // Of "red" the scores 0, 1, ..., 99; of "green" their squares.
    new Calibration(
            Map.of(
                "red",
                new Calibration.Distribution(
                    "sha-red", IntStream.range(0, 100).mapToObj(i -> (double) i).toList()),
                "green",
                new Calibration.Distribution(
                    "sha-green", IntStream.range(0, 100).mapToObj(i -> (double) i * i).toList())))
        .write(base.resolve("calibration.json"));
  }

  /** Scores an image by one channel of its first pixel. */
  private final class ChannelVerifier implements Verifier {
    private final String name;
    private final int channel;
    private final double scale;
    private long images;

    ChannelVerifier(String name, int channel) {
      this(name, channel, 1);
    }

    ChannelVerifier(String name, int channel, double scale) {
      this.name = name;
      this.channel = channel;
      this.scale = scale;
    }

    @Override
    public VerifierCard card() {
      return new VerifierCard(
          name,
          "sha-" + name,
          "",
          "none",
          "first pixel",
          channel == 0 ? OptionalInt.of(77) : OptionalInt.of(35),
          "[0, 255]",
          name,
          Map.of());
    }

    @Override
    public Cost quote(Prompt prompt, int width, int height, int count) {
      return Cost.verify(count, count * (channel + 1L) * 10);
    }

    @Override
    public List<Verdict> verify(List<Judgement> batch) {
      List<Verdict> verdicts = new ArrayList<>();
      for (Judgement judgement : batch) {
        try {
          double value = scale * judgement.artifact().image().at(0, 0, channel);
          verdicts.add(channel == 1 ? Verdict.scored(value * value) : Verdict.scored(value));
          images++;
        } catch (IllegalStateException e) {
          verdicts.add(new Verdict.Failed("cannot read"));
        }
      }
      return verdicts;
    }

    @Override
    public WorkCounters counters() {
      return new WorkCounters(images, images, images * (channel + 1L) * 10, images);
    }

    @Override
    public void close() {
      closed.add(name);
      if (name.equals("green")) {
        throw new IllegalStateException("green does not close");
      }
    }
  }

  private Verifier load(Aggregation aggregation, Map<String, Object> first, Object... more) {
    List<Map<String, Object>> members = new ArrayList<>(List.of(first));
    for (Object member : more) {
      members.add(castMember(member));
    }
    return new EnsembleProvider()
        .load(
            new EnsembleConfig(
                members.stream().map(VerifierChecks::member).toList(),
                aggregation,
                "calibration.json"),
            new LoadContext(
                "cpu",
                base,
                spec -> {
                  assertThat(spec).containsOnlyKeys("id");
                  return new ChannelVerifier(
                      String.valueOf(spec.get("id")), spec.containsValue("red") ? 0 : 1);
                }));
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> castMember(Object member) {
    return (Map<String, Object>) member;
  }

  private static Judgement pixel(int red, int green) {
    byte[] rgb = {(byte) red, (byte) green, 0};
    return new Judgement(
        "c", Prompt.of("p", "x"), Artifact.of(new org.espalier.spi.RgbImage(1, 1, rgb)));
  }

  private static double value(Verifier verifier, int red, int green) {
    return VerifierChecks.scored(verifier.verify(List.of(pixel(red, green))).get(0)).value();
  }

  @Test
  void joinsPercentiles() {
    Verifier verifier = load(Aggregation.RANK, Map.of("id", "red"), Map.of("id", "green"));

    Verdict.Scored scored = VerifierChecks.scored(verifier.verify(List.of(pixel(50, 20))).get(0));

    // 50 has 50 of 100 scores below and one equal: .505; so .205 for the square of 20.
    assertThat(scored.value()).isCloseTo((0.505 + 0.205) / 2, within(1e-12));
    assertThat(scored.parts())
        .containsEntry("red", 50.0)
        .containsEntry("green", 400.0)
        .hasEntrySatisfying("red.rank", r -> assertThat(r).isCloseTo(0.505, within(1e-12)))
        .containsEntry("truncated", 0.0);
    assertThat(value(verifier, 0, 0)).isCloseTo(0.005, within(1e-12));
    assertThat(value(verifier, 99, 99)).isCloseTo(0.995, within(1e-12));
  }

  @Test
  void stillSeesImprovementsBeyondTheCalibration() {
    Verifier verifier = load(Aggregation.RANK, Map.of("id", "red"));

    assertThat(value(verifier, 100, 0)).isGreaterThan(value(verifier, 99, 0));
    assertThat(value(verifier, 200, 0)).isGreaterThan(value(verifier, 199, 0)).isLessThan(1);
  }

  @Test
  void weighsMembers() {
    Verifier verifier =
        load(Aggregation.RANK, Map.of("id", "red", "weight", 3), Map.of("id", "green"));

    assertThat(value(verifier, 50, 20)).isCloseTo((3 * 0.505 + 0.205) / 4, within(1e-12));
  }

  @Test
  void joinsZScores() {
    Verifier verifier = load(Aggregation.Z_SCORE, Map.of("id", "red"));

    // The scores 0 to 99 have the mean 49.5 and the variance (100^2 - 1) / 12.
    assertThat(value(verifier, 60, 0))
        .isCloseTo((60 - 49.5) / Math.sqrt(9999 / 12.0), within(1e-12));
  }

  /** Sums and deviations that leave double's range: before, the whole batch failed. */
  @Test
  void whatIsTooLargeToBeAveragedFailsAlone() {
    Calibration.Distribution narrow =
        new Calibration.Distribution(
            "sha-red", IntStream.range(0, 20).mapToObj(i -> i * 1e-3).toList());
    Verifier far =
        new EnsembleVerifier(
            Aggregation.Z_SCORE,
            List.of(
                new EnsembleVerifier.Member(
                    "red", 1, new ChannelVerifier("red", 0, 1e306), narrow)));
    List<Verdict> verdicts = far.verify(List.of(pixel(0, 0), pixel(100, 0)));
    assertThat(verdicts.get(0)).isInstanceOf(Verdict.Scored.class);
    assertThat(verdicts.get(1))
        .isEqualTo(
            new Verdict.Failed(
                "red: its score (1.0E308) lies too far from the calibration's to be averaged."));

    Verifier heavy =
        new EnsembleVerifier(
            Aggregation.Z_SCORE,
            List.of(
                new EnsembleVerifier.Member("red", 1e307, new ChannelVerifier("red", 0), narrow)));
    assertThat(heavy.verify(List.of(pixel(200, 0))).get(0))
        .isEqualTo(new Verdict.Failed("The members' scores are too large to be averaged."));
  }

  @ParameterizedTest
  @EnumSource(Aggregation.class)
  void theScoreOfAnImageDoesNotDependOnThePool(Aggregation aggregation) {
    Verifier verifier = load(aggregation, Map.of("id", "red"), Map.of("id", "green"));
    List<Judgement> pool = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      pool.add(pixel(7 * i, 255 - 11 * i));
    }

    List<Verdict> alone = new ArrayList<>();
    for (Judgement judgement : pool) {
      alone.addAll(verifier.verify(List.of(judgement)));
    }

    assertThat(verifier.verify(pool)).isEqualTo(alone);
    assertThat(alone).doesNotHaveDuplicates();
  }

  @Test
  void costsWhatItsMembersCost() {
    Verifier verifier = load(Aggregation.RANK, Map.of("id", "red"), Map.of("id", "green"));

    assertThat(verifier.quote(Prompt.of("p", "x"), 1, 1, 3)).isEqualTo(Cost.verify(3, 90));
    verifier.verify(List.of(pixel(1, 2), pixel(3, 4), pixel(5, 6)));
    assertThat(verifier.counters()).isEqualTo(new WorkCounters(6, 6, 90, 3));
  }

  @Test
  void aFailedMemberFailsTheImageAlone() {
    Verifier verifier = load(Aggregation.RANK, Map.of("id", "red"), Map.of("id", "green"));

    List<Verdict> verdicts =
        verifier.verify(
            List.of(
                pixel(1, 2),
                new Judgement("b", Prompt.of("p", "x"), Pictures.broken()),
                pixel(3, 4)));

    assertThat(verdicts.get(1)).isEqualTo(new Verdict.Failed("red: cannot read"));
    assertThat(VerifierChecks.scored(verdicts.get(0)).value())
        .isLessThan(VerifierChecks.scored(verdicts.get(2)).value());
  }

  @Test
  void theCardIsThatOfAllMembers() {
    VerifierCard card = load(Aggregation.RANK, Map.of("id", "red"), Map.of("id", "green")).card();
    VerifierCard other = load(Aggregation.RANK, Map.of("id", "red")).card();

    assertThat(card.metric()).isEqualTo("ensemble(red; green)");
    assertThat(card.textLimit()).hasValue(35);
    assertThat(card.weightsSha256()).matches("[0-9a-f]{64}").isNotEqualTo(other.weightsSha256());
  }

  @Test
  void closesAllInReverseOrder() {
    Verifier verifier = load(Aggregation.RANK, Map.of("id", "red"), Map.of("id", "green"));

    assertThatThrownBy(verifier::close).hasMessage("green does not close");
    assertThat(closed).containsExactly("green", "red");
  }

  @Test
  void refusesACalibrationOfOtherWeightsAndClosesWhatItLoaded() {
    new Calibration(
            Map.of(
                "red",
                new Calibration.Distribution(
                    "other", IntStream.range(0, 100).mapToObj(i -> (double) i).toList())))
        .write(base.resolve("calibration.json"));

    assertThatThrownBy(() -> load(Aggregation.RANK, Map.of("id", "red")))
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("was measured with other weights (other instead of sha-red)");
    assertThat(closed).containsExactly("red");

    assertThatThrownBy(() -> load(Aggregation.RANK, Map.of("id", "red", "name", "crimson")))
        .hasMessageContaining("has no scores of the member crimson, but of [red]");
  }

  @Test
  void refusesWhatMakesNoSense() {
    assertThatThrownBy(() -> new EnsembleConfig(List.of(), null, "nano"))
        .hasMessageContaining("The ensemble has no members.");
    assertThatThrownBy(() -> VerifierChecks.member(Map.of("weights", "nano")))
        .hasMessageContaining("has no id");
    assertThatThrownBy(
            () ->
                new EnsembleConfig(
                    List.of(VerifierChecks.member(Map.of("id", "clip"))), null, null))
        .hasMessageContaining("no calibration");
    assertThat(
            new EnsembleConfig(List.of(VerifierChecks.member(Map.of("id", "clip"))), null, "nano")
                .aggregation())
        .isEqualTo(Aggregation.RANK);
    assertThatThrownBy(() -> load(Aggregation.RANK, Map.of("id", "red", "weight", 0)))
        .hasMessageContaining("The weight (0.0) of the ensemble's member red");
    assertThatThrownBy(() -> load(Aggregation.RANK, Map.of("id", "red"), Map.of("id", "red")))
        .hasMessageContaining("Two members of the ensemble are named red.");
    assertThat(closed).isEmpty();
  }

  @Test
  void measuresACalibrationFromImages() throws IOException {
    Map<String, Verifier> members = new LinkedHashMap<>();
    members.put("red", new ChannelVerifier("red", 0));
    List<Judgement> images = new ArrayList<>();
    for (int i = 0; i < 1024; i++) {
      images.add(pixel(i % 256, 0));
    }
    images.add(new Judgement("b", Prompt.of("p", "x"), Pictures.broken()));

    Calibration calibration = Calibration.measure(members, images);
    Path file = base.resolve("measured.json");
    calibration.write(file);

    assertThat(Calibration.read(file)).isEqualTo(calibration);
    List<Double> scores = calibration.of("red", "sha-red").scores();
    assertThat(scores).hasSize(512).isSorted();
    assertThat(scores.get(0)).isZero();
    assertThat(scores.get(511)).isEqualTo(255);
    assertThat(calibration.of("red", "sha-red").percentile(127.5)).isCloseTo(0.5, within(1e-9));

    Files.writeString(file, "{\"schema\": \"something\"}");
    assertThatThrownBy(() -> Calibration.read(file)).hasMessageContaining("is no calibration");
    assertThatThrownBy(() -> Calibration.measure(members, images.subList(0, 5)))
        .hasMessageContaining("only 5 scores");
  }
}
