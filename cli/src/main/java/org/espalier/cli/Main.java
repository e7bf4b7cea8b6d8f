package org.espalier.cli;

import com.google.inject.AbstractModule;
import com.google.inject.Guice;
import com.google.inject.Injector;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.espalier.api.EspalierException;
import org.espalier.study.Environment;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;

/** The command {@code espalier}. */
@Command(
    name = "espalier",
    description = "Inference-time search in image generation under one exact ledger of compute.",
    synopsisSubcommandLabel = "COMMAND",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:done",
      "1:a defect of Espalier or of a native library",
      "2:usage error, or a fault of the configuration, the environment or a plugin",
      "3:some cells failed, or two runs differ"
    })
public final class Main {
  /** What the first argument may name. */
  public static final List<Class<?>> COMMANDS =
      List.of(
          RunCommand.class,
          ResumeCommand.class,
          MergeCommand.class,
          ReportCommand.class,
          ValidateCommand.class,
          PlanCommand.class,
          ReproduceCommand.class,
          CompareCommand.class,
          ExportCommand.class,
          SchemaCommand.class,
          GenerateCommand.class,
          ScoreCommand.class,
          PluginsCommand.class,
          VerifiersCommand.class,
          WeightsCommand.class,
          BenchCommand.class);

  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"espalier " + Environment.version()};
    }
  }

  private Main() {}

  /**
   * Runs a command and exits with its code.
   *
   * @param args see {@code espalier --help}
   */
  public static void main(String[] args) {
    // Messages stand in records and are compared: their digits are those of no country.
    Locale.setDefault(Locale.Category.FORMAT, Locale.ROOT);
    PrintWriter out = writer(FileDescriptor.out);
    PrintWriter err = writer(FileDescriptor.err);
    boolean interactive = Boolean.getBoolean("espalier.terminal") && System.getenv("CI") == null;
    Terminal terminal = new Terminal(out, err, interactive);
    int code =
        unreadable(terminal, args)
            ? ExitCode.USER_ERROR.code()
            : run(terminal, Main.class.getClassLoader(), args);
    out.flush();
    err.flush();
    System.exit(code);
  }

  /** Java has put U+FFFD where the locale's encoding has no letter: a prompt would be damaged. */
  private static boolean unreadable(Terminal terminal, String... args) {
    String encoding = System.getProperty("sun.jnu.encoding", "UTF-8");
    for (String arg : args) {
      if (arg.indexOf('\uFFFD') >= 0 && !encoding.equalsIgnoreCase("UTF-8")) {
        terminal
            .err()
            .println(
                "[CONFIG] The argument (%s) has characters that the locale's encoding (%s) lacks."
                    .formatted(arg, encoding));
        terminal.err().println("Maybe set LC_ALL=C.UTF-8.");
        return true;
      }
    }
    return false;
  }

  private static PrintWriter writer(FileDescriptor descriptor) {
    return new PrintWriter(
        new OutputStreamWriter(new FileOutputStream(descriptor), StandardCharsets.UTF_8), true);
  }

  /**
   * Runs a command.
   *
   * @param terminal where it writes
   * @param plugins where plugins are found
   * @param args see {@code espalier --help}
   * @return 0 done, 1 defect, 2 user error, 3 some cells failed
   */
  public static int run(Terminal terminal, ClassLoader plugins, String... args) {
    Injector injector =
        Guice.createInjector(
            new StudyModule(plugins),
            new AbstractModule() {
              @Override
              protected void configure() {
                bind(Terminal.class).toInstance(terminal);
              }
            });
    CommandLine line = new CommandLine(new Main(), new GuiceFactory(injector));
    try {
      // Before picocli does, which would wrap and print whatever a plugin throws.
      named(args).forEach(injector::getInstance);
      commands(args).forEach(line::addSubcommand);
    } catch (RuntimeException e) {
      return explain(e, terminal);
    }
    line.setColorScheme(CommandLine.Help.defaultColorScheme(CommandLine.Help.Ansi.OFF));
    line.setOut(terminal.out());
    line.setErr(terminal.err());
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setExecutionExceptionHandler((e, command, parsed) -> explain(e, terminal));
    line.setParameterExceptionHandler(
        (e, arguments) -> {
          Throwable cause = e.getCause();
          EspalierException own = find(cause);
          if (own != null) {
            return explain(own, terminal);
          }
          terminal.err().println("[CONFIG] " + sentence(e.getMessage()));
          terminal
              .err()
              .println(
                  "Maybe see `"
                      + e.getCommandLine().getCommandSpec().qualifiedName()
                      + " --help`.");
          return ExitCode.USER_ERROR.code();
        });
    try {
      return line.execute(args);
    } catch (RuntimeException e) {
      return explain(e, terminal);
    }
  }

  /** The command that the arguments name, and the command of this one. */
  private static List<Class<?>> named(String... args) {
    List<Class<?>> named = new ArrayList<>();
    List<Class<?>> known = COMMANDS;
    for (String arg : args) {
      Class<?> next =
          known.stream().filter(type -> name(type).equals(arg)).findFirst().orElse(null);
      if (next == null) {
        break;
      }
      named.add(next);
      known = List.of(next.getAnnotation(Command.class).subcommands());
    }
    return named;
  }

  /** The command that is named, or else all: the options of each take Java time to read. */
  private static List<Class<?>> commands(String... args) {
    List<Class<?>> named = named(args);
    return named.isEmpty() ? COMMANDS : named.subList(0, 1);
  }

  private static String name(Class<?> type) {
    return type.getAnnotation(Command.class).name();
  }

  private static String sentence(@Nullable String text) {
    String message = String.valueOf(text);
    return message.endsWith(".") ? message : message + ".";
  }

  private static @Nullable EspalierException find(@Nullable Throwable e) {
    for (Throwable at = e; at != null; at = at.getCause()) {
      if (at instanceof EspalierException own) {
        return own;
      }
    }
    return null;
  }

  static int explain(Throwable e, Terminal terminal) {
    // Guice and picocli wrap what a plugin or a check throws.
    EspalierException own = find(e);
    if (own != null) {
      terminal.err().println(own.getMessage());
      if (System.getenv("ESPALIER_TRACE") != null) {
        own.printStackTrace(terminal.err());
      }
      return ExitCode.of(own.code()).code();
    }
    terminal.err().println("This is a defect of Espalier or of a plugin; please report it:");
    e.printStackTrace(terminal.err());
    return ExitCode.DEFECT.code();
  }

  /** Lets Guice make the commands. */
  private record GuiceFactory(Injector injector) implements CommandLine.IFactory {
    @Override
    public <K> K create(Class<K> type) throws Exception {
      if (type.getName().startsWith("org.espalier.cli.")
          && type.getSimpleName().endsWith("Command")) {
        return injector.getInstance(type);
      }
      return CommandLine.defaultFactory().create(type);
    }
  }
}
