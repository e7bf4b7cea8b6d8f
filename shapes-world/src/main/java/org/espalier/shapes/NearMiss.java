package org.espalier.shapes;

/**
 * A requirement with one thing changed, so that it is false of every scene made for the original.
 *
 * @param requirement the changed requirement
 * @param change what was changed
 */
public record NearMiss(SceneRequirement requirement, Change change) {
  /** What can be changed. */
  public enum Change {
    COLOR,
    SHAPE,
    COUNT,
    RELATION,
    /** An attribute of two objects changes places. */
    SWAP,
    TEXTURE,
    SIZE,
    /** A further object. */
    ADD
  }
}
