package org.espalier.torch;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.espalier.api.EspalierException;

/** A file whose parts are mapped on demand, so that it may be larger than 2 GiB. */
final class MappedFile implements AutoCloseable {
  private final Path path;
  private final FileChannel channel;
  private final long size;

  MappedFile(Path path) {
    this.path = path;
    try {
      channel = FileChannel.open(path, StandardOpenOption.READ);
      size = channel.size();
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  long size() {
    return size;
  }

  ByteBuffer map(long offset, long count) {
    if (offset < 0
        || count < 0
        || count > Integer.MAX_VALUE
        || count > size
        || offset > size - count) {
      throw new IllegalArgumentException(
          "bytes %d + %d of %s (%d bytes)".formatted(offset, count, path, size));
    }
    try {
      return WeightSource.littleEndian(channel.map(FileChannel.MapMode.READ_ONLY, offset, count));
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  private EspalierException unreadable(IOException e) {
    return new EspalierException(
        EspalierException.Code.CONFIG,
        "The file " + path + " cannot be read: " + e.getMessage() + ".",
        "Maybe check the path and its permissions.",
        e);
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw unreadable(e);
    }
  }
}
