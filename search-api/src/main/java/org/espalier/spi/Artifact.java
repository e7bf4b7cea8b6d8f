package org.espalier.spi;

/**
 * A decoded image. It may still lie on a device; verifiers that know its class can read it there.
 */
public interface Artifact extends AutoCloseable {
  /** The image, copied to the host on first use. */
  RgbImage image();

  @Override
  void close();

  /**
   * An artifact that is already on the host.
   *
   * @param image the image
   */
  static Artifact of(RgbImage image) {
    return new Artifact() {
      @Override
      public RgbImage image() {
        return image;
      }

      @Override
      public void close() {}
    };
  }
}
