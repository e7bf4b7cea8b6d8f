package org.espalier.shapes;

import org.jspecify.annotations.Nullable;

/**
 * An object seen in a picture.
 *
 * @param shape its shape, or null for something that is none of them
 * @param color its colour
 * @param texture its texture
 * @param size its size
 * @param x column of its centre in pixels
 * @param y row of its centre in pixels, downwards
 * @param confidence from 0 to 1
 */
public record DetectedObject(
    @Nullable Shape shape,
    Color color,
    Texture texture,
    Size size,
    double x,
    double y,
    double confidence) {}
