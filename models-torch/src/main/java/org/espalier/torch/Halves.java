package org.espalier.torch;

/** IEEE half precision; the platform converts it from Java 20 on only. */
final class Halves {
  private Halves() {}

  /**
   * Widens a half-precision number exactly.
   *
   * @param bits its 16 bits
   */
  static float toFloat(short bits) {
    int sign = (bits & 0x8000) << 16;
    int exponent = bits >> 10 & 0x1f;
    int fraction = bits & 0x3ff;
    if (exponent == 0x1f) {
      return Float.intBitsToFloat(sign | 0x7f800000 | fraction << 13);
    }
    if (exponent == 0) { // zero or subnormal: fraction * 2^-24, exact in single precision
      float magnitude = fraction * 0x1p-24f;
      return sign == 0 ? magnitude : -magnitude;
    }
    return Float.intBitsToFloat(sign | (exponent + 112) << 23 | fraction << 13);
  }
}
