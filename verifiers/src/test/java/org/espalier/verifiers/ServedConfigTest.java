package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ServedConfigTest {
  private static ServedConfig of(
      @Nullable String endpoint,
      @Nullable String model,
      @Nullable String question,
      @Nullable Integer topLogprobs,
      @Nullable String keyVariable,
      @Nullable Map<String, Object> body,
      @Nullable Duration timeout) {
    return new ServedConfig(
        endpoint,
        model,
        null,
        question,
        null,
        topLogprobs,
        keyVariable,
        body,
        timeout,
        null,
        null,
        null,
        null,
        null,
        null,
        null);
  }

  private static void requireRefusal(Runnable body, String message) {
    assertThatThrownBy(body::run).isInstanceOf(EspalierException.class).hasMessage(message);
  }

  @Test
  void theRestHasDefaults() {
    ServedConfig config = of("http://localhost:8000/v1/", "m", null, null, null, null, null);
    assertThat(config.endpoint()).isEqualTo("http://localhost:8000/v1");
    assertThat(config.topLogprobs()).isEqualTo(20);
    assertThat(config.golden()).isTrue();
    assertThat(config.concurrency()).isEqualTo(8);
    assertThat(config.attempts()).isEqualTo(6);
    assertThat(of("https://api.example.com/v1/chat/completions", "m", null, null, null, null, null))
        .extracting(ServedConfig::endpoint)
        .isEqualTo("https://api.example.com/v1");
  }

  @ParameterizedTest
  @ValueSource(strings = {"localhost:8000", "ftp://x/v1", "http:///v1", "/v1", "http://a b"})
  void anEndpointMustBeAnAddress(String endpoint) {
    assertThatThrownBy(() -> of(endpoint, "m", null, null, null, null, null))
        .hasMessageStartingWith("[CONFIG] The endpoint (" + endpoint + ") is no ")
        .hasMessageEndingWith("Maybe write http://localhost:8000/v1.");
  }

  /** What is secret is not repeated, in messages either. */
  @ParameterizedTest
  @ValueSource(strings = {"https://user:secret@x/v1", "https://x/v1?api-key=secret"})
  void anEndpointMustNotHoldASecret(String endpoint) {
    requireRefusal(
        () -> of(endpoint, "m", null, null, null, null, null),
        "[CONFIG] The endpoint holds a password or parameters, which would be written into"
            + " records.\nMaybe put the key into an environment variable and name it by"
            + " keyVariable.");
  }

  @Test
  void theKeyItselfIsNotTakenForItsVariable() {
    requireRefusal(
        () -> of("http://x/v1", "m", null, null, "sk-secret", null, null),
        "[CONFIG] The keyVariable is no name of an environment variable.\nMaybe set keyVariable:"
            + " OPENAI_API_KEY, and put the key into that variable.");
  }

  @Test
  void everyMistakeIsNamed() {
    requireRefusal(
        () -> of(null, "m", null, null, null, null, null),
        "[CONFIG] The served judge has no endpoint.\nMaybe set endpoint: http://localhost:8000/v1.");
    requireRefusal(
        () -> of("http://x/v1", " ", null, null, null, null, null),
        "[CONFIG] The served judge has no model.\nMaybe set model: the name that the server lists"
            + " under /models.");
    requireRefusal(
        () -> of("http://x/v1", "m", "Is it good?", null, null, null, null),
        "[CONFIG] The question (Is it good?) does not ask for the prompt.\nMaybe write {prompt}"
            + " where the prompt is to stand.");
    requireRefusal(
        () -> of("http://x/v1", "m", null, 1, null, null, null),
        "[CONFIG] The number of top logprobs (1) is not between 2 and 100.\nMaybe set"
            + " topLogprobs: 20.");
    requireRefusal(
        () -> of("http://x/v1", "m", null, null, null, Map.of("messages", 1), null),
        "[CONFIG] The body sets the field (messages), which the judge sets itself.\nMaybe leave it"
            + " out.");
    requireRefusal(
        () -> of("http://x/v1", "m", null, null, null, null, Duration.ZERO),
        "[CONFIG] The timeout (PT0S) must be positive and at most a day.\nMaybe set timeout:"
            + " PT1M.");
    requireRefusal(
        () -> new ServedConfig.Scale(5, 5),
        "[CONFIG] The worst rating (5) is not below the best (5).\nMaybe set scale: {worst: 1,"
            + " best: 10}.");
    requireRefusal(
        () -> new ServedConfig.Price(-1, 0),
        "[CONFIG] The price (-1.0, 0.0) must be finite and not negative.\nMaybe write price:"
            + " {input: 0.4, output: 1.6}, in dollars a million tokens.");
  }
}
