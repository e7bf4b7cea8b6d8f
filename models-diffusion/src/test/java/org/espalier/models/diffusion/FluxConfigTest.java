package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.espalier.api.EspalierException;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;

@NullUnmarked
class FluxConfigTest {
  private static FluxConfig config(String variant, Double guidance, Double trueCfg, Integer width) {
    return new FluxConfig(
        "x", variant, null, guidance, trueCfg, null, width, null, null, null, null, null, null,
        null);
  }

  @Test
  void leavesWhatIsNotSaidToTheWeights() {
    FluxConfig config = FluxConfig.of("nano-large");
    assertThat(config.weights()).isEqualTo("nano-large");
    assertThat(config.sampler().kind()).isNull();
    assertThat(config.sampler().steps()).isNull();
  }

  @Test
  void refusesNoSteps() {
    assertThatThrownBy(() -> new FlowSamplerConfig("ode", 0, null, null, null))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The number of sampling steps (0) must be positive.\n"
                + "Maybe set sampler.steps >= 1; 30 is usual, 4 for schnell.");
  }

  @Test
  void refusesAnUnknownSampler() {
    assertThatThrownBy(() -> new FlowSamplerConfig("euler-a", 30, null, null, null))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The sampler (euler-a) is not known.\n"
                + "Maybe set sampler.kind to one of ode, sde, vp-sde, dpm++.");
  }

  @Test
  void refusesGuidanceOnSchnell() {
    assertThatThrownBy(() -> config("schnell", 3.5, null, null))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The weights of variant schnell have no guidance embedding, but guidance is"
                + " set (3.5).\nMaybe remove guidance, or use the dev weights.");
  }

  @Test
  void refusesAnUnknownVariant() {
    assertThatThrownBy(() -> config("pro", null, null, null))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The variant (pro) is not known.\n"
                + "Maybe set variant to one of dev, schnell, nano.");
  }

  @Test
  void refusesASizeThatPatchesDoNotCover() {
    assertThatThrownBy(() -> config(null, null, null, 1023))
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[CONFIG] The width (1023) is odd");
    assertThatThrownBy(() -> config(null, null, null, 0))
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[CONFIG] The width (0) must lie in [1, 8192] pixels.");
  }

  @Test
  void refusesScalesOutOfRange() {
    assertThatThrownBy(() -> config(null, Double.NaN, null, null))
        .hasMessageStartingWith("[CONFIG] The guidance (NaN) must lie in [0, 100].");
    assertThatThrownBy(() -> config(null, null, 0.5, null))
        .hasMessageStartingWith(
            "[CONFIG] The scale of classifier-free guidance (0.5) must lie in [1, 100].");
    assertThatThrownBy(() -> new FlowSamplerConfig("ode", 4, -1., null, null))
        .hasMessageStartingWith("[CONFIG] The shift of the time schedule (-1.0)");
    assertThatThrownBy(() -> new FlowSamplerConfig("sde", 4, null, null, -1.))
        .hasMessageStartingWith("[CONFIG] The noise scale of the sampler (-1.0)");
  }

  @Test
  void refusesContradictions() {
    assertThatThrownBy(() -> new FlowSamplerConfig("ode", 4, null, null, 3.))
        .hasMessageStartingWith("[CONFIG] The sampler ode adds no noise");
    assertThatThrownBy(() -> new FlowSamplerConfig("ode", 4, 3., true, null))
        .hasMessageStartingWith("[CONFIG] The sampler has both a fixed shift (3.0)");
  }
}
