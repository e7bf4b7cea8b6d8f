package org.espalier.spi;

import org.espalier.api.Prompt;
import org.espalier.compute.Cost;

/**
 * A unit of work whose cost a model can quote. It names the prompt as text, never its encoding: a
 * quote runs no network. Where the prompt's length matters, a model asks its tokenizer.
 */
public sealed interface Work {

  /**
   * Prices of each kind of work. A model that quotes through {@link Work#by} does not compile when
   * a kind is added that it has no price for.
   */
  interface Prices {
    /**
     * @param work encoding one prompt
     */
    Cost encode(Encode work);

    /**
     * @param work starting one trajectory
     */
    Cost begin(Begin work);

    /**
     * @param work expanding one parent
     */
    Cost step(Step work);

    /**
     * @param work re-noising one state
     */
    Cost rewind(Rewind work);

    /**
     * @param work decoding one state
     */
    Cost decode(Decode work);
  }

  /**
   * This work's price.
   *
   * @param prices of each kind
   */
  Cost by(Prices prices);

  /**
   * Encoding one prompt.
   *
   * @param prompt the prompt; its length may matter
   */
  record Encode(Prompt prompt) implements Work {
    /**
     * Encoding a text.
     *
     * @param text of a prompt
     */
    public Encode(String text) {
      this(Prompt.of("text", text));
    }

    /** The prompt's text. */
    public String text() {
      return prompt.text();
    }

    @Override
    public Cost by(Prices prices) {
      return prices.encode(this);
    }
  }

  /** Starting one trajectory. */
  record Begin() implements Work {
    @Override
    public Cost by(Prices prices) {
      return prices.begin(this);
    }
  }

  /**
   * Expanding one parent.
   *
   * @param prompt of the search; its length may matter
   * @param step the parent's step
   * @param draws how many children
   * @param cached whether the parent's evaluation is held from an earlier expansion
   */
  record Step(Prompt prompt, int step, int draws, boolean cached) implements Work {
    @Override
    public Cost by(Prices prices) {
      return prices.step(this);
    }
  }

  /**
   * Re-noising one state.
   *
   * @param fromStep its step
   * @param toStep the earlier step
   */
  record Rewind(int fromStep, int toStep) implements Work {
    @Override
    public Cost by(Prices prices) {
      return prices.rewind(this);
    }
  }

  /**
   * Decoding one state.
   *
   * @param prompt of the search; its length may matter where a preview needs the network
   * @param step its step; below the horizon it is a preview
   */
  record Decode(Prompt prompt, int step) implements Work {
    @Override
    public Cost by(Prices prices) {
      return prices.decode(this);
    }
  }
}
