package org.espalier.study;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** What a run was made with: for provenance, never read back. */
public final class Environment {
  private Environment() {}

  /** Espalier's version. */
  public static String version() {
    return Holder.VERSION;
  }

  private static final class Holder {
    static final String VERSION = read();

    private static String read() {
      try (InputStream in =
          Environment.class.getResourceAsStream("/org/espalier/study/version.properties")) {
        Properties properties = new Properties();
        if (in != null) {
          properties.load(in);
        }
        return properties.getProperty("version", "unknown");
      } catch (IOException e) {
        return "unknown";
      }
    }
  }

  /**
   * Java, operating system, processors, libraries on the class path, and git where there is one.
   */
  public static Map<String, Object> describe() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("espalier", version());
    map.put("java", System.getProperty("java.vm.name") + " " + Runtime.version());
    map.put(
        "os",
        System.getProperty("os.name")
            + " "
            + System.getProperty("os.version")
            + " "
            + System.getProperty("os.arch"));
    map.put("processors", Runtime.getRuntime().availableProcessors());
    map.put("maxHeapBytes", Runtime.getRuntime().maxMemory());
    map.put("libraries", libraries());
    Path home = home();
    String commit = home == null ? null : git(home, "rev-parse", "HEAD");
    if (home != null && commit != null) {
      String status = git(home, "status", "--porcelain");
      map.put("git", commit + (status == null || status.isEmpty() ? "" : " with local changes"));
    }
    return map;
  }

  private static @Nullable Path home() {
    String home = System.getProperty("espalier.home");
    return home != null && Files.exists(Path.of(home, ".git")) ? Path.of(home) : null;
  }

  private static Map<String, String> libraries() {
    Map<String, String> result = new TreeMap<>();
    for (String entry :
        System.getProperty("java.class.path", "").split(java.io.File.pathSeparator, -1)) {
      Path path = Path.of(entry);
      Path file = path.getFileName();
      if (file == null) {
        continue;
      }
      String name = file.toString();
      if (name.equals("*")) {
        Path parent = path.getParent();
        String[] names = parent == null ? null : parent.toFile().list();
        for (String jar : names == null ? new String[0] : names) {
          put(result, jar);
        }
      } else {
        put(result, name);
      }
    }
    return result;
  }

  private static void put(Map<String, String> result, String jar) {
    java.util.regex.Matcher matcher =
        java.util.regex.Pattern.compile("(.+?)-(\\d.*)\\.jar").matcher(jar);
    if (matcher.matches()) {
      result.put(matcher.group(1), matcher.group(2));
    }
  }

  private static @Nullable String git(Path home, String... arguments) {
    try {
      // Without its optional locks: the user may be committing at this moment.
      List<String> command =
          new ArrayList<>(List.of("git", "--no-optional-locks", "-C", home.toString()));
      command.addAll(List.of(arguments));
      Process process =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      String output =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      return process.waitFor(5, TimeUnit.SECONDS) && process.exitValue() == 0 ? output : null;
    } catch (IOException e) {
      return null;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return null;
    }
  }
}
