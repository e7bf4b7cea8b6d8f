package org.espalier.study;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.zip.CRC32C;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * The append-only file of cell records: one JSON object a line, each ending in a CRC-32C of the
 * bytes before it. A line is written by one call, so that a killed process leaves at most one torn
 * line at the end. It is forced to the disk at most once a second, and when closed: a killed
 * process loses nothing, a power failure at most a second of cells, which are then run again.
 */
public final class RecordLog implements AutoCloseable {
  private static final String CHECKSUM = ",\"crc32c\":\"";
  private static final int LONGEST_LINE = 64 << 20;
  private static final long FORCE_NANOS = 1_000_000_000L;

  static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
          .enable(StreamWriteFeature.USE_FAST_DOUBLE_WRITER)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .build();

  private final Path file;
  private final FileChannel channel;
  private long forced = System.nanoTime();

  private RecordLog(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /**
   * Opens a log for appending.
   *
   * @param file the log; made if it is not there
   */
  public static RecordLog append(Path file) {
    try {
      FileChannel channel =
          FileChannel.open(
              file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.READ);
      channel.position(channel.size());
      return new RecordLog(file, channel);
    } catch (IOException e) {
      throw RunDirectory.resource(file, e);
    }
  }

  /**
   * Appends a record.
   *
   * @param record what to write
   */
  public synchronized void write(CellRecord record) {
    long before = -1;
    try {
      ByteBuffer bytes = ByteBuffer.wrap(line(record).getBytes(StandardCharsets.UTF_8));
      before = channel.position();
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      long now = System.nanoTime();
      if (now - forced >= FORCE_NANOS) {
        channel.force(false);
        forced = now;
      }
    } catch (IOException e) {
      cutBack(before, e);
      throw RunDirectory.resource(file, e);
    }
  }

  /** A full disk may leave half a line: take it back, so that the file stays readable. */
  private void cutBack(long length, IOException e) {
    if (length >= 0) {
      try {
        channel.truncate(length);
        channel.position(length);
      } catch (IOException suppressed) {
        e.addSuppressed(suppressed);
      }
    }
  }

  @Override
  public synchronized void close() {
    try (FileChannel closing = channel) {
      closing.force(false);
    } catch (IOException e) {
      throw RunDirectory.resource(file, e);
    }
  }

  /**
   * A record's line, newline included.
   *
   * @param record what to write
   */
  static String line(CellRecord record) {
    try {
      String json = JSON.writeValueAsString(record);
      String body = json.substring(0, json.length() - 1);
      return body + CHECKSUM + checksum(body.getBytes(StandardCharsets.UTF_8)) + "\"}\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("records are JSON", e);
    }
  }

  /**
   * A record as JSON without what differs between runs.
   *
   * @param record any record
   */
  public static String withoutTimes(CellRecord record) {
    Map<String, Object> map =
        new LinkedHashMap<>(
            JSON.convertValue(
                record,
                new com.fasterxml.jackson.core.type.TypeReference<Map<String, Object>>() {}));
    map.remove("time");
    try {
      return JSON.writeValueAsString(map);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("records are JSON", e);
    }
  }

  /**
   * A record as JSON.
   *
   * @param record any record
   */
  public static JsonNode tree(CellRecord record) {
    return JSON.valueToTree(record);
  }

  private static String checksum(byte[] bytes) {
    CRC32C crc = new CRC32C();
    crc.update(bytes);
    return HexFormat.of().toHexDigits((int) crc.getValue());
  }

  /**
   * What a log holds.
   *
   * @param records the last good record of each cell, in order of first appearance
   * @param goodBytes length of the file up to the end of its last good line
   * @param tornBytes bytes after that: half a record of a killed process
   * @param damagedLines numbers of the lines before that whose checksum is wrong
   */
  public record Content(
      Map<String, CellRecord> records,
      long goodBytes,
      long tornBytes,
      List<Integer> damagedLines) {}

  /**
   * Reads a log. Damaged lines are left out and reported.
   *
   * @param file the log; an absent file is empty
   */
  public static Content read(Path file) {
    Map<String, CellRecord> records = new LinkedHashMap<>();
    List<Integer> damaged = new ArrayList<>();
    long[] good = {0};
    List<Integer> pending = new ArrayList<>();
    long size;
    try {
      if (!Files.exists(file)) {
        return new Content(records, 0, 0, damaged);
      }
      size = Files.size(file);
      int[] number = {0};
      lines(
          file,
          (bytes, end) -> {
            number[0]++;
            CellRecord record = parse(file, number[0], bytes);
            if (record == null) {
              pending.add(number[0]);
            } else {
              damaged.addAll(pending);
              pending.clear();
              records.put(record.cell(), record);
              good[0] = end;
            }
          });
    } catch (IOException e) {
      throw RunDirectory.resource(file, e);
    }
    return new Content(records, good[0], size - good[0], damaged);
  }

  /**
   * Cuts a torn tail off, so that the next record starts on a line of its own.
   *
   * @param file the log
   * @param content what {@link #read} found
   */
  public static void repair(Path file, Content content) {
    if (content.tornBytes() > 0) {
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
        channel.truncate(content.goodBytes());
        channel.force(true);
      } catch (IOException e) {
        throw RunDirectory.resource(file, e);
      }
    }
  }

  private static void lines(Path file, BiConsumer<byte[], Long> each) throws IOException {
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
      ByteArrayOutputStream line = new ByteArrayOutputStream(4096);
      long position = 0;
      byte[] chunk = new byte[1 << 16];
      int count;
      while ((count = in.read(chunk)) > 0) {
        int start = 0;
        for (int i = 0; i < count; i++) {
          if (chunk[i] == '\n') {
            line.write(chunk, start, i - start);
            each.accept(line.toByteArray(), position + i + 1);
            line.reset();
            start = i + 1;
          }
        }
        if (line.size() + count - start > LONGEST_LINE) {
          throw new IOException("a line is longer than " + LONGEST_LINE + " bytes");
        }
        line.write(chunk, start, count - start);
        position += count;
      }
    }
  }

  private static @Nullable CellRecord parse(Path file, int number, byte[] bytes) {
    String line = new String(bytes, StandardCharsets.UTF_8);
    int cut = line.lastIndexOf(CHECKSUM);
    if (cut < 0
        || line.length() != cut + CHECKSUM.length() + 10
        || !line.endsWith("\"}")
        || !line.regionMatches(
            cut + CHECKSUM.length(),
            checksum(line.substring(0, cut).getBytes(StandardCharsets.UTF_8)),
            0,
            8)) {
      return null;
    }
    try {
      CellRecord record = JSON.readValue(line.substring(0, cut) + "}", CellRecord.class);
      if (record.schema() > LoadedStudy.SCHEMA) {
        throw EspalierException.config(
            "%s:%d:1: The record has schema %d; this version reads up to %d."
                .formatted(file, number, record.schema(), LoadedStudy.SCHEMA),
            "Maybe use a newer version of Espalier.");
      }
      return record;
    } catch (JsonProcessingException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "%s:%d:1: The record cannot be read though its checksum is right: %s."
              .formatted(file, number, e.getOriginalMessage()),
          "Maybe it was written by another program.",
          e);
    }
  }
}
