package org.espalier.records;

import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32C;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * The append-only file of cell records: one JSON object per line, each ending in a CRC-32C of the
 * bytes before it. A line is written by one call, so that a killed process leaves at most one torn
 * line at the end. It is forced to the disk at most once a second, and when closed: a killed
 * process loses nothing, a power failure at most a second of cells, which are then run again.
 */
public final class RecordLog implements AutoCloseable {
  /** Part of every cell key: raised when the meaning of a record changes. */
  public static final int SCHEMA = 1;

  private static final String CHECKSUM = ",\"crc32c\":\"";

  /** Length of the checksum's eight digits, the quote and the brace. */
  private static final int CHECKSUM_END = 10;

  private static final int DAMAGED_LINES_SHOWN = 10;
  private static final int LONGEST_LINE = 64 << 20;
  private static final long FORCE_NANOS = 1_000_000_000L;

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
              file,
              Set.of(
                  StandardOpenOption.CREATE,
                  StandardOpenOption.WRITE,
                  StandardOpenOption.READ,
                  LinkOption.NOFOLLOW_LINKS));
      channel.position(channel.size());
      return new RecordLog(file, channel);
    } catch (IOException e) {
      throw WholeFile.problem(file, e);
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
      throw WholeFile.problem(file, e);
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
      throw WholeFile.problem(file, e);
    }
  }

  /**
   * A record's line, newline included.
   *
   * @param record what to write
   */
  public static String line(CellRecord record) {
    try {
      String json = RunFiles.JSON.writeValueAsString(record);
      String body = json.substring(0, json.length() - 1);
      byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
      return body + CHECKSUM + checksum(bytes, bytes.length) + "\"}\n";
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
            RunFiles.JSON.convertValue(record, new TypeReference<Map<String, Object>>() {}));
    map.remove("time");
    try {
      return RunFiles.JSON.writeValueAsString(map);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("records are JSON", e);
    }
  }

  /**
   * A record as RunFiles.JSON.
   *
   * @param record any record
   */
  public static JsonNode tree(CellRecord record) {
    return RunFiles.JSON.valueToTree(record);
  }

  private static String checksum(byte[] bytes, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, 0, length);
    return HexFormat.of().toHexDigits((int) crc.getValue());
  }

  /**
   * The little of a record that tells whether its cell must be run.
   *
   * @param schema version of the record's form
   * @param cell key of the cell
   * @param status {@code done} or {@code failed}
   * @param answer the answer's image
   * @param tree file of the tree log, relative to the run directory
   */
  public record Ending(
      int schema, String cell, String status, @Nullable Answer answer, @Nullable String tree)
      implements RecordEntry {
    /** Whether the cell has an answer. */
    public boolean isDone() {
      return CellRecordJson.DONE.equals(status);
    }

    /**
     * Where an answer is kept.
     *
     * @param file relative to the run directory
     * @param sha256 of the file, in lower-case hexadecimal digits
     */
    public record Answer(String file, String sha256) {}

    /** Members that are read of a line; what stands after the last of them is not looked at. */
    private static final int MEMBERS = 5;

    static Ending parse(byte[] json, int length) throws IOException {
      int schema = 0;
      String cell = "";
      String status = "";
      Answer answer = null;
      String tree = null;
      try (JsonParser parser = RunFiles.JSON.createParser(json, 0, length)) {
        parser.nextToken();
        for (int seen = 0; seen < MEMBERS && parser.nextToken() == JsonToken.FIELD_NAME; seen++) {
          String name = parser.currentName();
          parser.nextToken();
          switch (name) {
            case "schema" -> schema = parser.getIntValue();
            case "cell" -> cell = parser.getText();
            case "status" -> status = parser.getText();
            case "images" -> answer = answer(parser);
            case "tree" -> tree = parser.getValueAsString();
            default -> {
              parser.skipChildren();
              seen--;
            }
          }
        }
        if (cell.isEmpty() || status.isEmpty()) {
          throw new JsonParseException(parser, "it does not say which cell ended how");
        }
      }
      return new Ending(schema, cell, status, answer, tree);
    }

    private static @Nullable Answer answer(JsonParser images) throws IOException {
      String file = null;
      String sha256 = null;
      while (images.currentToken() != JsonToken.VALUE_NULL
          && images.nextToken() == JsonToken.FIELD_NAME) {
        String name = images.currentName();
        images.nextToken();
        switch (name) {
          case "answer" -> file = images.getValueAsString();
          case "answerSha256" -> sha256 = images.getValueAsString();
          default -> images.skipChildren();
        }
      }
      return file == null || sha256 == null ? null : new Answer(file, sha256);
    }
  }

  /**
   * What a log holds.
   *
   * @param <E> what is read of every line
   * @param records the last good record of each cell, in order of first appearance
   * @param wholeBytes length of the file up to the end of its last line
   * @param tornBytes bytes after that, without a newline: half a record of a killed process
   * @param damagedLines numbers of the lines whose checksum is wrong; they stay in the file
   */
  public record Content<E extends RecordEntry>(
      Map<String, E> records, long wholeBytes, long tornBytes, List<Integer> damagedLines) {

    /** What is wrong with the file, a sentence each. */
    public List<String> notes() {
      List<String> notes = new ArrayList<>();
      if (tornBytes > 0) {
        notes.add(
            "The last record was torn (%d bytes): it is left out, and its cell run again on resume."
                .formatted(tornBytes));
      }
      int shown = Math.min(damagedLines.size(), DAMAGED_LINES_SHOWN);
      for (int line : damagedLines.subList(0, shown)) {
        notes.add(
            "records.jsonl:%d:1: The checksum is wrong; the line stays in the file and is left out."
                .formatted(line));
      }
      if (shown < damagedLines.size()) {
        notes.add(
            "records.jsonl: %d lines more have a wrong checksum."
                .formatted(damagedLines.size() - shown));
      }
      return notes;
    }
  }

  /**
   * Reads a log. Damaged lines are left out and reported.
   *
   * @param file the log; an absent file is empty
   * @throws EspalierException CONFIG if it has lines, but not one of them is a record: to go on
   *     would run every cell again, and a report made of it would be empty
   */
  public static Content<CellRecord> read(Path file) {
    ObjectReader reader = RunFiles.JSON.readerFor(CellRecord.class);
    return read(file, (json, length) -> reader.readValue(json, 0, length));
  }

  /**
   * Reads of a log what tells which cells are done. Every checksum is tried, but most of a record
   * is skipped.
   *
   * @param file the log; an absent file is empty
   */
  public static Content<Ending> readEndings(Path file) {
    return read(file, Ending::parse);
  }

  private interface Form<E extends RecordEntry> {
    E read(byte[] json, int length) throws IOException;
  }

  private static <E extends RecordEntry> Content<E> read(Path file, Form<E> form) {
    Map<String, E> records = new LinkedHashMap<>();
    List<Integer> damaged = new ArrayList<>();
    if (!Files.exists(file)) {
      return new Content<>(records, 0, 0, damaged);
    }
    long whole = 0;
    long size = size(file);
    try (Lines lines = new Lines(file, size)) {
      for (List<Line> batch = lines.next(); !batch.isEmpty(); batch = lines.next()) {
        List<@Nullable E> parsed =
            batch.parallelStream().<@Nullable E>map(line -> parse(file, line, form)).toList();
        for (int i = 0; i < parsed.size(); i++) {
          E record = parsed.get(i);
          if (record == null) {
            damaged.add(batch.get(i).number());
          } else {
            records.put(record.cell(), record);
          }
          whole = batch.get(i).end();
        }
      }
    } catch (IOException e) {
      throw WholeFile.problem(file, e);
    }
    if (records.isEmpty() && !damaged.isEmpty()) {
      throw EspalierException.config(
          "%s: None of the %d lines is a record: every checksum is wrong."
              .formatted(file, damaged.size()),
          "Maybe an editor has changed the encoding: restore the file, or move it aside to run every"
              + " cell again.");
    }
    return new Content<>(records, whole, size - whole, damaged);
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw WholeFile.problem(file, e);
    }
  }

  /**
   * Cuts a torn tail off, so that the next record starts on a line of its own. Whole lines stay,
   * damaged ones too.
   *
   * @param file the log
   * @param content what {@link #read} found
   */
  public static void repair(Path file, Content<?> content) {
    if (content.tornBytes() > 0) {
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
        channel.truncate(content.wholeBytes());
        channel.force(true);
      } catch (IOException e) {
        throw WholeFile.problem(file, e);
      }
    }
  }

  /**
   * @param number counted from 1
   * @param bytes without the newline
   * @param end position in the file after the newline
   */
  private record Line(int number, byte[] bytes, long end) {}

  /** The whole lines of a file, some at a time. */
  private static final class Lines implements Closeable {
    private static final int LARGEST_CHUNK = 1 << 20;

    private final Path file;
    private final InputStream in;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream(4096);
    private final byte[] chunk;
    private long position;
    private int number;

    Lines(Path file, long size) throws IOException {
      this.file = file;
      chunk = new byte[(int) Math.min(LARGEST_CHUNK, Math.max(1, size))];
      in = Files.newInputStream(file);
    }

    /** The next lines, at least one; none at the end of the file. */
    List<Line> next() throws IOException {
      List<Line> lines = new ArrayList<>();
      int count;
      while (lines.isEmpty() && (count = in.readNBytes(chunk, 0, chunk.length)) > 0) {
        int start = 0;
        for (int i = 0; i < count; i++) {
          if (chunk[i] == '\n') {
            line.write(chunk, start, i - start);
            lines.add(new Line(++number, line.toByteArray(), position + i + 1));
            line.reset();
            start = i + 1;
          }
        }
        if (line.size() + count - start > LONGEST_LINE) {
          throw EspalierException.config(
              "%s:%d:1: The line is longer than %d bytes."
                  .formatted(file, number + 1, LONGEST_LINE),
              "Maybe it is not a record file: restore it.");
        }
        line.write(chunk, start, count - start);
        position += count;
      }
      return lines;
    }

    @Override
    public void close() throws IOException {
      in.close();
    }
  }

  private static <E extends RecordEntry> @Nullable E parse(Path file, Line at, Form<E> form) {
    byte[] line = at.bytes();
    // An editor or a version control system may have made LF a CR LF.
    int length = line.length > 0 && line[line.length - 1] == '\r' ? line.length - 1 : line.length;
    int body = length - CHECKSUM.length() - CHECKSUM_END;
    if (body < 0) {
      return null;
    }
    byte[] tail = (CHECKSUM + checksum(line, body) + "\"}").getBytes(StandardCharsets.US_ASCII);
    if (!Arrays.equals(line, body, length, tail, 0, tail.length)) {
      return null;
    }
    try {
      line[body] = '}';
      E record = form.read(line, body + 1);
      if (record.schema() > SCHEMA) {
        throw EspalierException.config(
            "%s:%d:1: The record has schema %d; this version reads up to %d."
                .formatted(file, at.number(), record.schema(), SCHEMA),
            "Maybe use a newer version of Espalier.");
      }
      return record;
    } catch (JsonProcessingException e) {
      throw unreadable(file, at.number(), e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw unreadable(file, at.number(), String.valueOf(e.getMessage()), e);
    }
  }

  private static EspalierException unreadable(
      Path file, int number, String reason, IOException cause) {
    return new EspalierException(
        EspalierException.Code.CONFIG,
        "%s:%d:1: The record cannot be read though its checksum is right: %s."
            .formatted(file, number, reason),
        "Maybe it was written by another program.",
        cause);
  }
}
