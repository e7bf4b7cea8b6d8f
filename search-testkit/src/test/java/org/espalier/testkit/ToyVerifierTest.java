package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class ToyVerifierTest {
  @Nested
  class Target extends VerifierContract {
    @Override
    protected Verifier create() {
      return new TargetVerifier();
    }

    @Override
    protected List<RgbImage> images() {
      return List.of(image(10), image(90), image(120), image(250));
    }

    @Test
    void givesTheTargetItselfTheOptimum() {
      byte[] rgb = new byte[3 * 13 * ToyModel.CHANNELS];
      for (int column = 0; column < 13; column++) {
        for (int channel = 0; channel < ToyModel.CHANNELS; channel++) {
          rgb[3 * (channel * 13 + column)] = (byte) ToyModel.target(prompt(), column, channel);
        }
      }
      Verdict verdict =
          create()
              .verify(List.of(judge(prompt(), new RgbImage(13, ToyModel.CHANNELS, rgb))))
              .get(0);
      assertThat(verdict).isEqualTo(Verdict.scored(TargetVerifier.OPTIMUM));
    }
  }

  @Nested
  class Table extends VerifierContract {
    @Override
    protected Verifier create() {
      return TableVerifier.byFirstPixel(Map.of(10, 1.0, 90, 2.0, 120, 0.5));
    }

    @Override
    protected List<RgbImage> images() {
      return List.of(image(10), image(90), image(120), image(250));
    }

    @Test
    void failsWhatIsNotInTheTable() {
      assertThat(create().verify(List.of(judge(prompt(), image(250)))).get(0))
          .isInstanceOf(Verdict.Failed.class);
    }
  }

  private static Judgement judge(Prompt prompt, RgbImage image) {
    return new Judgement("x", prompt, Artifact.of(image));
  }

  private static RgbImage image(int red) {
    return new RgbImage(1, 1, new byte[] {(byte) red, 0, 0});
  }
}
