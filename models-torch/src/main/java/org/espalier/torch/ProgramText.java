package org.espalier.torch;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Turns readable program texts into what libtorch loads.
 *
 * <p>Libtorch reads a dialect of Python in which free functions are called by their qualified
 * names, {@code self} is typed and attributes are declared. Texts are written without that noise;
 * it is added here, line by line, so that the line numbers in error messages stay true.
 */
final class ProgramText {
  private static final Pattern FUNCTION = Pattern.compile("(?m)^def (\\w+)\\(");

  private static final Pattern MARK = Pattern.compile("(?m)^( +)#= (.+) := (.+)$");

  private final String className;
  private final String code;
  private final Map<String, Object> attributes;

  /**
   * Assembles a program.
   *
   * @param className of the one class, which must be last
   * @param texts libraries of free functions, then the class, which may have several texts
   * @param attributes what the class can read as {@code self.NAME}: Integer, Long, Double, Boolean,
   *     String, or a non-empty list of one of them
   * @param weightNames in the order of their numbers
   */
  ProgramText(
      String className,
      List<String> texts,
      Map<String, Object> attributes,
      Collection<String> weightNames) {
    this.className = className;
    this.attributes = new LinkedHashMap<>(attributes);
    this.attributes.put("names", List.copyOf(weightNames));
    String text = String.join("\n", texts);
    Set<String> functions = new TreeSet<>();
    Matcher matcher = FUNCTION.matcher(text);
    while (matcher.find()) {
      functions.add(matcher.group(1));
    }
    String classLine = "class " + className + "(Module):";
    if (!text.contains(classLine)) {
      throw new IllegalArgumentException("the program has no line '" + classLine + "'");
    }
    if (!functions.isEmpty()) {
      text =
          text.replaceAll(
              "(?<![\\w.])(?<!def )(" + String.join("|", functions) + ")\\(", "__torch__.$1(");
    }
    text = text.replace("(self,", "(self: __torch__." + className + ",");
    text = text.replace("(self)", "(self: __torch__." + className + ")");
    code = text.replace(classLine, classLine + "\n" + declarations());
  }

  /**
   * A text whose marks {@code #= NAME := VALUE} keep tensors.
   *
   * @param text with marks or without
   */
  static String traced(String text) {
    return MARK.matcher(text).replaceAll("$1torch._set_item(w, \"trace.\" + $2, $3)");
  }

  private String declarations() {
    StringBuilder lines =
        new StringBuilder(
            "  __parameters__ = []\n  __buffers__ = []\n  training : bool\n"
                + "  w : Dict[str, Tensor]\n");
    attributes.forEach(
        (name, value) ->
            lines.append("  ").append(name).append(" : ").append(type(value)).append('\n'));
    return lines.toString();
  }

  private static String type(Object value) {
    if (value instanceof List<?> list) {
      return "List[" + (list.isEmpty() ? "str" : type(list.get(0))) + "]";
    }
    if (value instanceof Integer || value instanceof Long) {
      return "int";
    }
    if (value instanceof Double) {
      return "float";
    }
    if (value instanceof Boolean) {
      return "bool";
    }
    if (value instanceof String) {
      return "str";
    }
    throw new IllegalArgumentException("an attribute of " + value.getClass());
  }

  /** The text as libtorch reads it. */
  String code() {
    return code;
  }

  /** The archive: stored zip entries, as libtorch maps them. */
  byte[] archive() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      store(zip, "data.pkl", state());
      store(zip, "code/__torch__.py", code.getBytes(StandardCharsets.UTF_8));
      store(zip, "constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'}); // an empty tuple
      // The version selects operator schemas: 3 would pick those of old releases.
      store(zip, "version", "10\n".getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private static void store(ZipOutputStream zip, String name, byte[] content) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(content);
    ZipEntry entry = new ZipEntry("program/" + name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(content.length);
    entry.setCrc(crc.getValue());
    entry.setTime(0);
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }

  /** The object's state as a protocol-2 pickle: its class, built with its attributes. */
  private byte[] state() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    out.write(new byte[] {(byte) 0x80, 2});
    out.writeBytes("c__torch__\n" + className + "\n)\u0081}(");
    pickle(out, "training");
    pickle(out, false);
    pickle(out, "w");
    // An empty dictionary; without its type operators in C++ would not take it.
    out.writeBytes("ctorch.jit._pickle\nrestore_type_tag\n(}");
    pickle(out, "Dict[str, Tensor]");
    out.writeBytes("tR");
    for (Map.Entry<String, Object> attribute : attributes.entrySet()) {
      pickle(out, attribute.getKey());
      pickle(out, attribute.getValue());
    }
    out.writeBytes("ub.");
    return bytes.toByteArray();
  }

  private static void pickle(DataOutputStream out, Object value) throws IOException {
    if (value instanceof List<?> list) {
      out.writeBytes("](");
      for (Object element : list) {
        pickle(out, element);
      }
      out.writeBytes("e");
    } else if (value instanceof String text) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      out.writeByte('X');
      out.writeInt(Integer.reverseBytes(utf8.length));
      out.write(utf8);
    } else if (value instanceof Double number) {
      out.writeByte('G');
      out.writeDouble(number);
    } else if (value instanceof Boolean flag) {
      out.writeByte(flag ? 0x88 : 0x89);
    } else {
      out.writeByte(0x8a); // LONG1: a byte count, then little-endian two's complement
      out.writeByte(8);
      out.writeLong(Long.reverseBytes(((Number) value).longValue()));
    }
  }

  /**
   * Reads a text from the class path.
   *
   * @param anchor a class beside which it lies
   * @param resource its name
   */
  static String resource(Class<?> anchor, String resource) {
    try (InputStream in = anchor.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalArgumentException("no resource " + resource + " beside " + anchor);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
