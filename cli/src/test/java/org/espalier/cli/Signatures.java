package org.espalier.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What others compile against: a line for every public or protected type and member. */
final class Signatures {
  private static final Set<String> OF_EVERY_RECORD = Set.of("equals", "hashCode", "toString");

  private Signatures() {}

  /**
   * The lines of a module.
   *
   * @param classes directory or jar of its classes
   * @param loader finds them
   */
  static SortedSet<String> of(Path classes, ClassLoader loader) {
    SortedSet<String> lines = new TreeSet<>();
    if (Files.isDirectory(classes)) {
      collect(classes, loader, lines);
      return lines;
    }
    try (FileSystem jar =
        FileSystems.newFileSystem(URI.create("jar:" + classes.toUri()), java.util.Map.of())) {
      collect(jar.getPath("/"), loader, lines);
      return lines;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void collect(Path root, ClassLoader loader, Set<String> lines) {
    try (Stream<Path> files = Files.walk(root)) {
      for (Path file : files.sorted().toList()) {
        String name = root.relativize(file).toString().replace('\\', '/');
        if (name.endsWith(".class") && !name.endsWith("-info.class")) {
          String type = name.substring(0, name.length() - 6).replace('/', '.');
          describe(Class.forName(type, false, loader), lines);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void describe(Class<?> type, Set<String> lines) {
    for (Class<?> at = type; at != null; at = at.getDeclaringClass()) {
      if (!visible(at.getModifiers()) || at.isAnonymousClass() || at.isLocalClass()) {
        return;
      }
    }
    String kind =
        type.isAnnotation()
            ? "@interface"
            : type.isInterface()
                ? "interface"
                : type.isRecord() ? "record" : type.isEnum() ? "enum" : "class";
    lines.add(kind + " " + type.getName());
    for (Field field : type.getDeclaredFields()) {
      if (seen(field)) {
        lines.add(
            type.getName()
                + "#"
                + field.getName()
                + ": "
                + name(field.getGenericType())
                + of(field));
      }
    }
    for (Constructor<?> constructor : type.getDeclaredConstructors()) {
      if (seen(constructor)) {
        lines.add("new " + type.getName() + names(constructor.getGenericParameterTypes()));
      }
    }
    for (Method method : type.getDeclaredMethods()) {
      boolean ofEvery =
          type.isRecord() && OF_EVERY_RECORD.contains(method.getName())
              || type.isEnum() && Set.of("values", "valueOf").contains(method.getName());
      if (seen(method) && !method.isBridge() && !ofEvery) {
        lines.add(
            type.getName()
                + "#"
                + method.getName()
                + names(method.getGenericParameterTypes())
                + ": "
                + name(method.getGenericReturnType())
                + of(method));
      }
    }
  }

  private static boolean visible(int modifiers) {
    return Modifier.isPublic(modifiers) || Modifier.isProtected(modifiers);
  }

  private static boolean seen(Member member) {
    return visible(member.getModifiers()) && !member.isSynthetic();
  }

  private static String of(Member member) {
    return Modifier.isStatic(member.getModifiers()) ? " static" : "";
  }

  private static String names(Type[] types) {
    return Arrays.stream(types).map(Signatures::name).collect(Collectors.joining(", ", "(", ")"));
  }

  private static String name(Type type) {
    return type.getTypeName();
  }
}
