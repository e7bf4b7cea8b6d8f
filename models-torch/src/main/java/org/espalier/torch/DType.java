package org.espalier.torch;

import java.util.Arrays;
import java.util.Optional;

/** Element types of weight files, by their names in the safetensors format. */
public enum DType {
  /** IEEE double. */
  F64(8, 7),
  /** IEEE single. */
  F32(4, 6),
  /** IEEE half. */
  F16(2, 5),
  /** The upper half of an IEEE single. */
  BF16(2, 15),
  /** Signed, 64 bits. */
  I64(8, 4),
  /** Signed, 32 bits. */
  I32(4, 3),
  /** Signed, 16 bits. */
  I16(2, 2),
  /** Signed, 8 bits. */
  I8(1, 1),
  /** Unsigned, 8 bits. */
  U8(1, 0),
  /** One byte, 0 or 1. */
  BOOL(1, 11);

  private final int bytes;
  private final int torchCode;

  DType(int bytes, int torchCode) {
    this.bytes = bytes;
    this.torchCode = torchCode;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }

  /** The number of this type in TorchScript ({@code c10::ScalarType}). */
  public int torchCode() {
    return torchCode;
  }

  /** Whether this is a floating-point type. */
  public boolean isFloating() {
    return this == F64 || this == F32 || this == F16 || this == BF16;
  }

  /**
   * The type of a name.
   *
   * @param name as in a safetensors header
   */
  static Optional<DType> of(String name) {
    return Arrays.stream(values()).filter(t -> t.name().equals(name)).findFirst();
  }
}
