package org.espalier.spi;

/** A unit of work whose cost a model can quote. */
public sealed interface Work {

  /**
   * Encoding one prompt.
   *
   * @param text the prompt; its length may matter
   */
  record Encode(String text) implements Work {}

  /** Starting one trajectory. */
  record Begin() implements Work {}

  /**
   * Expanding one parent.
   *
   * @param conditioning the encoded prompt; its length may matter
   * @param step the parent's step
   * @param draws how many children
   * @param cached whether the parent's evaluation is held from an earlier expansion
   */
  record Step(Conditioning conditioning, int step, int draws, boolean cached) implements Work {}

  /**
   * Re-noising one state.
   *
   * @param fromStep its step
   * @param toStep the earlier step
   */
  record Rewind(int fromStep, int toStep) implements Work {}

  /**
   * Decoding one state.
   *
   * @param step its step; below the horizon it is a preview
   */
  record Decode(Conditioning conditioning, int step) implements Work {}
}
