package org.espalier.verifiers;

import java.util.List;
import java.util.function.UnaryOperator;
import org.espalier.api.EspalierException;
import org.espalier.spi.Closing;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.jspecify.annotations.Nullable;

/**
 * A vision-language model behind any server that speaks the chat protocol of <a
 * href="https://platform.openai.com/docs/api-reference/chat">OpenAI</a> with images, such as <a
 * href="https://docs.vllm.ai">vLLM</a> and <a href="https://docs.sglang.ai">SGLang</a>: asked for
 * the probability of yes, as in <a href="https://arxiv.org/abs/2404.01291">VQAScore</a>, or for a
 * rating. Loading asks it what two pictures show, unless {@code golden: false}.
 */
public final class ServedProvider implements VerifierProvider<ServedConfig> {
  private final UnaryOperator<@Nullable String> environment;
  private final ChatClient.Pause pause;

  /** For the service loader: keys come from the environment, pauses take their time. */
  public ServedProvider() {
    this(System::getenv, duration -> Thread.sleep(duration.toMillis()));
  }

  /**
   * @param environment gives the value of a variable, or null
   * @param pause waits between attempts
   */
  ServedProvider(UnaryOperator<@Nullable String> environment, ChatClient.Pause pause) {
    this.environment = environment;
    this.pause = pause;
  }

  @Override
  public String id() {
    return "served";
  }

  @Override
  public Class<ServedConfig> configType() {
    return ServedConfig.class;
  }

  @Override
  public void check(ServedConfig config, LoadContext context) {
    key(config);
  }

  @Override
  public Verifier load(ServedConfig config, LoadContext context) {
    ServedJudge judge = new ServedJudge(config, new ChatClient(config, key(config), pause));
    if (config.golden()) {
      try {
        judge.requireSight();
      } catch (RuntimeException e) {
        Closing.after(List.of(judge), e);
        throw e;
      }
    }
    return judge;
  }

  private @Nullable String key(ServedConfig config) {
    String variable = config.keyVariable();
    if (variable == null) {
      return null;
    }
    String key = environment.apply(variable);
    if (key == null || key.isBlank()) {
      throw EspalierException.config(
          "The environment variable (" + variable + ") of the served judge's key is not set.",
          "Maybe export it, or leave keyVariable out where the server wants no key.");
    }
    if (!key.strip().matches("[\\x21-\\x7e]+")) {
      throw EspalierException.config(
          "The key in the environment variable ("
              + variable
              + ") has blanks or other characters that no header can carry.",
          "Maybe it was copied with more than itself.");
    }
    return key.strip();
  }
}
