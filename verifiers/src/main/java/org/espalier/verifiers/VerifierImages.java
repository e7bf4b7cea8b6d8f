package org.espalier.verifiers;

import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.ComponentColorModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;

/** Reads image files for verifiers, with errors that say what is wrong before any network runs. */
public final class VerifierImages {
  /** The longest side, in pixels, that a verifier accepts. */
  public static final int LARGEST_SIDE = 8192;

  /** What readers say of a file that ends too early, before they fill the rest with grey. */
  private static final Pattern TRUNCATION =
      Pattern.compile("truncated file|premature end", Pattern.CASE_INSENSITIVE);

  private VerifierImages() {}

  /**
   * Reads a PNG, JPEG, GIF, BMP or WBMP file as RGB, as Pillow's {@code convert("RGB")} does: an
   * alpha channel is dropped, grey is repeated, a colour profile is not applied, and CMYK is turned
   * into RGB by Pillow's formula. An orientation in EXIF data is not applied either.
   *
   * @param file the file
   * @throws EspalierException CONFIG where it is missing, empty, no image, damaged or truncated, or
   *     larger than {@link #LARGEST_SIDE}
   */
  public static RgbImage read(Path file) {
    if (!Files.isRegularFile(file)) {
      throw EspalierException.config(
          "The image " + file + (Files.exists(file) ? " is not a file." : " does not exist."),
          "Maybe the path is misspelt.");
    }
    try {
      if (Files.size(file) == 0) {
        throw EspalierException.config(
            "The image " + file + " is empty (0 bytes).", "Maybe whatever wrote it was stopped.");
      }
      try (ImageInputStream in =
          new MemoryCacheImageInputStream(
              new ByteArrayInputStream(withoutProfile(Files.readAllBytes(file))))) {
        Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
        if (!readers.hasNext()) {
          throw EspalierException.config(
              "The file " + file + " is no image of a known format.",
              "Maybe convert it to PNG or JPEG.");
        }
        ImageReader reader = readers.next();
        try {
          reader.setInput(in, true, true);
          // The header alone: a bomb of a file must not be unpacked first.
          requireSize(reader.getWidth(0), reader.getHeight(0), file.toString());
          return convert(decode(reader));
        } finally {
          reader.dispose();
        }
      }
    } catch (IOException | IndexOutOfBoundsException | IllegalArgumentException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The image " + file + " cannot be decoded: " + e.getMessage() + ".",
          "Maybe it is damaged or truncated; write it again.",
          e);
    }
  }

  /**
   * A JPEG without its colour profile, which the reader would apply; anything else as it is. The
   * profile lies in segments (marker 0xFFE2) before the image data.
   */
  private static byte[] withoutProfile(byte[] file) {
    if (file.length < 4 || file[0] != (byte) 0xff || file[1] != (byte) 0xd8) {
      return file;
    }
    ByteArrayOutputStream kept = new ByteArrayOutputStream(file.length);
    kept.write(file, 0, 2);
    int at = 2;
    while (at + 4 <= file.length && file[at] == (byte) 0xff && file[at + 1] != (byte) 0xda) {
      int length = 2 + ((file[at + 2] & 0xff) << 8 | file[at + 3] & 0xff);
      if (at + length > file.length) {
        break;
      }
      boolean profile =
          file[at + 1] == (byte) 0xe2
              && length > 16
              && new String(file, at + 4, 12, StandardCharsets.ISO_8859_1).equals("ICC_PROFILE\0");
      if (!profile) {
        kept.write(file, at, length);
      }
      at += length;
    }
    kept.write(file, at, file.length - at);
    return kept.toByteArray();
  }

  /** Decodes; fails where the reader would make up the rest of a file. */
  private static BufferedImage decode(ImageReader reader) throws IOException {
    List<String> truncations = new ArrayList<>();
    reader.addIIOReadWarningListener(
        (source, warning) -> {
          if (TRUNCATION.matcher(warning).find()) {
            truncations.add(warning);
          }
        });
    BufferedImage image = reader.read(0);
    if (!truncations.isEmpty()) {
      throw new IOException(truncations.get(0));
    }
    return image;
  }

  /**
   * Refuses what is too large.
   *
   * @param width in pixels
   * @param height in pixels
   * @param what the image, for the message
   */
  static void requireSize(int width, int height, String what) {
    if (width > LARGEST_SIDE || height > LARGEST_SIDE) {
      throw EspalierException.config(
          "The image %s (%d x %d) is larger than %d pixels a side."
              .formatted(what, width, height, LARGEST_SIDE),
          "Maybe scale it down first; verifiers look at a few hundred pixels only.");
    }
  }

  private static RgbImage convert(BufferedImage image) {
    int width = image.getWidth();
    int height = image.getHeight();
    byte[] rgb = new byte[Math.multiplyExact(3 * width, height)];
    int[] row = new int[width];
    for (int y = 0; y < height; y++) {
      readRow(image, y, row);
      for (int x = 0; x < width; x++) {
        int at = 3 * (y * width + x);
        rgb[at] = (byte) (row[x] >> 16);
        rgb[at + 1] = (byte) (row[x] >> 8);
        rgb[at + 2] = (byte) row[x];
      }
    }
    return new RgbImage(width, height, rgb);
  }

  /** The colours of a row as 0xRRGGBB. */
  private static void readRow(BufferedImage image, int y, int[] row) {
    ColorModel model = image.getColorModel();
    Raster raster = image.getRaster();
    int width = row.length;
    int bits = model.getComponentSize(0);
    int shift = Math.max(0, bits - 8);
    int type = model.getColorSpace().getType();
    if (model instanceof ComponentColorModel && type == ColorSpace.TYPE_CMYK) {
      int[] cmyk = raster.getPixels(0, y, width, 1, (int[]) null);
      for (int x = 0; x < width; x++) {
        row[x] = ofCmyk(cmyk[4 * x], cmyk[4 * x + 1], cmyk[4 * x + 2], cmyk[4 * x + 3]);
      }
    } else if (model.getNumColorComponents() == 1) {
      // Java takes grey for linear light and would brighten it; Pillow repeats the value.
      int scale = 255 / ((1 << (bits - shift)) - 1);
      raster.getSamples(0, y, width, 1, 0, row);
      for (int x = 0; x < width; x++) {
        int value = (row[x] >> shift) * scale;
        row[x] = value << 16 | value << 8 | value;
      }
    } else if (model instanceof ComponentColorModel && !model.getColorSpace().isCS_sRGB()) {
      int bands = raster.getNumBands();
      int[] pixels = raster.getPixels(0, y, width, 1, (int[]) null);
      for (int x = 0; x < width; x++) {
        int at = bands * x;
        row[x] = pixels[at] >> shift << 16 | pixels[at + 1] >> shift << 8 | pixels[at + 2] >> shift;
      }
    } else {
      image.getRGB(0, y, width, 1, row, 0, width);
    }
  }

  private static int ofCmyk(int c, int m, int y, int k) {
    int light = 255 - k;
    return (light - product(c, light)) << 16
        | (light - product(m, light)) << 8
        | (light - product(y, light));
  }

  /** The product of two 8-bit fractions, rounded as Pillow rounds it. */
  private static int product(int a, int b) {
    int wide = a * b + 128;
    return ((wide >> 8) + wide) >> 8;
  }
}
