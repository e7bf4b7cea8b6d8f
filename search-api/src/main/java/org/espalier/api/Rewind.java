package org.espalier.api;

/**
 * A request to re-noise a trajectory to an earlier step.
 *
 * @param from the trajectory; it is not consumed
 * @param toStep the step to return to, in [0, from.step())
 * @param draw the noise added; anything but {@link Draw.Follow}
 */
public record Rewind(Trajectory from, int toStep, Draw draw) {}
