package org.espalier.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static java.util.stream.Collectors.toCollection;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.spi.ModelProvider;
import org.espalier.spi.StrategyProvider;
import org.espalier.spi.VerifierProvider;
import org.espalier.testkit.ModelContract;
import org.espalier.testkit.StrategyContract;
import org.espalier.testkit.VerifierContract;
import org.junit.jupiter.api.Test;

/** The dependency rule, on the built classes of all modules. */
class ArchitectureTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

  /**
   * The rooms by floor, from the ground up; {@code module: its package below org.espalier}. A class
   * sees its own room and the floors below, nothing beside or above it.
   */
  private static final List<Map<String, String>> FLOORS =
      List.of(
          Map.of("search-api", "api,compute,spi"),
          Map.of(
              "search-engine", "engine",
              "search-noise", "noise",
              "search-bestofn", "search.bestofn",
              "search-beam", "search.beam",
              "search-mcts", "search.mcts",
              "search-plugins", "plugins",
              "weights", "weights",
              "examples", "examples"),
          Map.of("search-testkit", "testkit", "models-torch", "torch", "study-records", "records"),
          Map.of(
              "models-var", "models.var",
              "models-diffusion", "models.diffusion",
              "verifiers", "verifiers",
              "shapes-world", "shapes",
              "bench", "bench",
              "study-report", "report",
              "study", "study"),
          Map.of("cli", "cli"));

  private static final JavaClasses ALL = importClasses();
  private static final JavaClasses CLASSES = ALL.that(lieIn("/target/classes/"));
  private static final JavaClasses TESTS = ALL.that(lieIn("/target/test-classes/"));

  /** Rooms of two of whose classes each knows the other, and why that is right. */
  private static final Map<String, String> ONE_KNOT =
      Map.of(
          "api.Sizing", "the view of the budget offers the sizes that are computed from it",
          "engine.StateStore", "a node is what the store holds, and opens itself there",
          "records.CellRecordJson", "an annotation names the form that a record is written in",
          "verifiers.OpenClipLayout", "one architecture in two layouts, each telling the other's",
          "torch.WeightSource", "the interface opens its own implementations",
          "torch.TorchEngine", "tensors count the bytes that the engine bounds");

  /** Who reads a clock outside the engine, and what for. Randomness has no exception but a seed. */
  private static final Map<String, String> CLOCKS =
      Map.of(
          "org.espalier.bench", "measures",
          "org.espalier.cli.BenchModelCommand", "measures",
          "org.espalier.cli.VerifiersCommand", "measures",
          "org.espalier.cli.ProgressWatcher", "shows a rate",
          "org.espalier.records.RecordLog", "forces the file once a second",
          "org.espalier.study.Studies", "names a run's directory",
          "org.espalier.study.StudyRunner", "a record's times, kept apart from its results");

  private static final Map<String, String> SEEDED =
      Map.of(
          "org.espalier.bench.CostCard", "pixels from a fixed seed, whose values cost nothing",
          "org.espalier.records.WholeFile", "names of files that are not yet whole",
          "org.espalier.testkit.ToyNoise", "the toys' numbers, keyed as all are");

  /** Providers that no contract test can make, and who checks them instead. */
  private static final Map<String, String> NO_CONTRACT =
      Map.of(
          "org.espalier.verifiers.UnifiedRewardProvider",
          "only trained weights write the number that is its score: JudgesTest");

  private static JavaClasses importClasses() {
    List<Path> paths = new ArrayList<>();
    for (String module : modules()) {
      for (String folder : List.of("classes", "test-classes")) {
        Path path = ROOT.resolve(module).resolve("target").resolve(folder);
        if (Files.isDirectory(path)) {
          paths.add(path);
        }
      }
    }
    return new ClassFileImporter().importPaths(paths);
  }

  private static DescribedPredicate<JavaClass> lieIn(String folder) {
    return DescribedPredicate.describe(
        "lie in " + folder,
        type ->
            type.getSource()
                .map(source -> source.getUri().toString().contains(folder))
                .orElse(false));
  }

  private static Set<String> modules() {
    try {
      Set<String> modules = new TreeSet<>();
      Matcher matcher =
          Pattern.compile("<module>(.*?)</module>")
              .matcher(Files.readString(ROOT.resolve("pom.xml")));
      while (matcher.find()) {
        if (Files.isDirectory(ROOT.resolve(matcher.group(1)).resolve("src/main/java"))) {
          modules.add(matcher.group(1));
        }
      }
      return modules;
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String name(JavaClass type) {
    return type.getBaseComponentType().getName();
  }

  private static JavaClass top(JavaClass type) {
    JavaClass base = type.getBaseComponentType();
    return base.getEnclosingClass().map(ArchitectureTest::top).orElse(base);
  }

  private static boolean isOwn(JavaClass type) {
    return name(type).startsWith("org.espalier.");
  }

  /** Floor and room of a class. */
  private record Place(int floor, String room) {}

  private static Place place(JavaClass type) {
    for (int floor = 0; floor < FLOORS.size(); floor++) {
      for (Map.Entry<String, String> room : FLOORS.get(floor).entrySet()) {
        for (String name : room.getValue().split(",", -1)) {
          if ((type.getBaseComponentType().getPackageName() + ".")
              .startsWith("org.espalier." + name + ".")) {
            return new Place(floor, room.getKey());
          }
        }
      }
    }
    throw new AssertionError("no floor has a room for " + type.getName());
  }

  /** A rule must not pass because it saw nothing. */
  @Test
  void everyModuleIsSeen() {
    Map<String, Integer> counts = new TreeMap<>();
    for (JavaClass type : CLASSES) {
      counts.merge(place(type).room(), 1, Integer::sum);
    }
    assertThat(counts.keySet()).isEqualTo(modules());
    assertThat(CLASSES.size()).isGreaterThan(500);
    assertThat(TESTS.size()).isGreaterThan(200);
  }

  @Test
  void theBomNamesEveryPublishedModule() throws IOException {
    String bom = Files.readString(ROOT.resolve("bom/pom.xml"));
    for (String module : modules()) {
      if (!module.equals("examples")) {
        assertThat(bom).contains("<artifactId>espalier-" + module + "</artifactId>");
      }
    }
  }

  @Test
  void noArrowRunsUpOrAcross() {
    Set<String> wrong = new TreeSet<>();
    for (JavaClass type : CLASSES) {
      Place from = place(type);
      for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
        JavaClass target = dependency.getTargetClass();
        if (isOwn(target)) {
          Place to = place(target);
          if (!to.room().equals(from.room()) && to.floor() >= from.floor()) {
            wrong.add(from + " -> " + to + ": " + dependency.getDescription());
          }
        }
      }
    }
    assertThat(wrong).isEmpty();
  }

  @Test
  void packagesAreFreeOfCycles() {
    // api, spi and compute form one vocabulary and may refer to one another.
    slices()
        .matching(
            "org.espalier.(engine|noise|weights|torch|verifiers|shapes|plugins|records|report|study|cli|bench|search.*|models.*|testkit|examples)..")
        .should()
        .beFreeOfCycles()
        .check(CLASSES);
  }

  /** Inside packages too: no two classes of a knot can be read, or tested, one after the other. */
  @Test
  void classesAreFreeOfCycles() {
    Map<String, Set<String>> arrows = new TreeMap<>();
    for (JavaClass type : CLASSES) {
      for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
        String from = top(type).getName();
        String to = top(dependency.getTargetClass()).getName();
        if (to.startsWith("org.espalier.") && !to.equals(from) && !isFamily(type, dependency)) {
          arrows.computeIfAbsent(from, any -> new TreeSet<>()).add(to);
        }
      }
    }
    Map<String, Set<String>> reached = new TreeMap<>();
    arrows.keySet().forEach(from -> reached.put(from, reach(from, arrows)));
    Set<Set<String>> knots =
        reached.keySet().stream()
            .filter(type -> reached.getOrDefault(type, Set.of()).contains(type))
            .map(
                type ->
                    reached.getOrDefault(type, Set.of()).stream()
                        .filter(other -> reached.getOrDefault(other, Set.of()).contains(type))
                        .collect(toCollection(TreeSet::new)))
            .collect(java.util.stream.Collectors.toSet());
    knots.removeIf(
        knot -> ONE_KNOT.keySet().stream().anyMatch(name -> knot.contains("org.espalier." + name)));
    assertThat(knots).isEmpty();
  }

  /** A sealed type names what it permits, and what it permits names it: one thing in two files. */
  private static boolean isFamily(JavaClass type, Dependency dependency) {
    JavaClass root = top(type);
    return dependency.getTargetClass().getBaseComponentType().isAssignableTo(root.getName())
        && isSealed(root);
  }

  private static boolean isSealed(JavaClass type) {
    try {
      return Class.forName(type.getName(), false, ArchitectureTest.class.getClassLoader())
          .isSealed();
    } catch (ClassNotFoundException e) {
      throw new AssertionError("the class path lacks a module of the project", e);
    }
  }

  private static Set<String> reach(String from, Map<String, Set<String>> arrows) {
    Set<String> seen = new TreeSet<>();
    List<String> open = new ArrayList<>(arrows.getOrDefault(from, Set.of()));
    while (!open.isEmpty()) {
      String next = open.remove(open.size() - 1);
      if (seen.add(next)) {
        open.addAll(arrows.getOrDefault(next, Set.of()));
      }
    }
    return seen;
  }

  @Test
  void theApiDependsOnNothing() {
    classes()
        .that()
        .resideInAnyPackage("org.espalier.api..", "org.espalier.spi..", "org.espalier.compute..")
        .should()
        .onlyDependOnClassesThat()
        .resideInAnyPackage(
            "java..",
            "javax.imageio..",
            "org.jspecify..",
            "org.apiguardian..",
            "org.espalier.api..",
            "org.espalier.spi..",
            "org.espalier.compute..")
        .check(CLASSES);
  }

  @Test
  void strategiesSeeTheApiOnly() {
    noClasses()
        .that()
        .resideInAPackage("org.espalier.search..")
        .should()
        .dependOnClassesThat(
            DescribedPredicate.describe(
                "are of the spi, but not StrategyProvider",
                type ->
                    type.getPackageName().startsWith("org.espalier.spi")
                        && !type.getSimpleName().equals("StrategyProvider")))
        .check(CLASSES);
    noClasses()
        .that()
        .resideInAPackage("org.espalier.search..")
        .and()
        .haveSimpleNameNotEndingWith("Provider")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.espalier.spi..")
        .check(CLASSES);
  }

  @Test
  void guiceLivesInTheCommandLineAlone() {
    noClasses()
        .that()
        .resideOutsideOfPackage("org.espalier.cli..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("com.google.inject..", "jakarta.inject..")
        .check(CLASSES);
  }

  @Test
  void studiesRecordsAndReportsKnowNoNetwork() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "org.espalier.plugins..",
            "org.espalier.records..",
            "org.espalier.report..",
            "org.espalier.study..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.espalier.torch..",
            "org.espalier.models..",
            "org.espalier.verifiers..",
            "org.espalier.shapes..",
            "ai.djl..")
        .check(CLASSES);
    noClasses()
        .that()
        .resideInAnyPackage(
            "org.espalier.plugins..", "org.espalier.records..", "org.espalier.report..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.espalier.engine..")
        .check(CLASSES);
  }

  @Test
  void noClockOutsideTheEngine() {
    assertThat(
            callers(
                Set.of(
                    "java.lang.System.nanoTime",
                    "java.lang.System.currentTimeMillis",
                    "java.time.Instant.now",
                    "java.time.LocalDate.now",
                    "java.time.LocalDateTime.now",
                    "java.time.ZonedDateTime.now",
                    "java.time.Clock.systemUTC",
                    "java.time.Clock.systemDefaultZone"),
                Set.of()))
        .filteredOn(caller -> !caller.startsWith("org.espalier.engine."))
        .filteredOn(
            caller ->
                CLOCKS.keySet().stream().noneMatch(name -> (caller + ".").startsWith(name + ".")))
        .isEmpty();
  }

  @Test
  void noRandomnessButKeyedDraws() {
    assertThat(
            callers(
                Set.of("java.lang.Math.random", "java.util.UUID.randomUUID"),
                Set.of(
                    "java.util.Random",
                    "java.util.SplittableRandom",
                    "java.security.SecureRandom",
                    "java.util.concurrent.ThreadLocalRandom")))
        .filteredOn(caller -> !SEEDED.containsKey(caller))
        .isEmpty();
  }

  @Test
  void onlyTheCommandLineWritesToTheConsole() {
    Set<String> wrong = new TreeSet<>();
    for (JavaClass type : CLASSES) {
      boolean writes =
          type.getFieldAccessesFromSelf().stream()
              .anyMatch(
                  access ->
                      access.getTargetOwner().isEquivalentTo(System.class)
                          && !access.getTarget().getName().equals("in"));
      if (writes && !name(top(type)).startsWith("org.espalier.cli.")) {
        wrong.add(name(top(type)));
      }
    }
    // Prints what a parity test measures; test support in the main scope.
    wrong.remove("org.espalier.torch.ParityCase");
    assertThat(wrong).isEmpty();
  }

  /** Top-level classes that call one of some methods, or any of some types. */
  private static Set<String> callers(Set<String> methods, Set<String> types) {
    Set<String> callers = new TreeSet<>();
    for (JavaClass type : CLASSES) {
      for (JavaAccess<?> access : type.getAccessesFromSelf()) {
        String owner = access.getTargetOwner().getName();
        if (types.contains(owner) || methods.contains(owner + "." + access.getTarget().getName())) {
          callers.add(name(top(type)));
        }
      }
    }
    return callers;
  }

  /** Whoever adds a plugin adds the contract that it keeps, and makes it there by its provider. */
  @Test
  void everyProviderHasAContractTest() {
    Map<String, Set<String>> made = new HashMap<>();
    for (JavaClass type : TESTS) {
      type.getConstructorCallsFromSelf()
          .forEach(
              call ->
                  made.computeIfAbsent(name(top(type)), any -> new TreeSet<>())
                      .add(call.getTargetOwner().getName()));
    }
    Map<Class<?>, Class<?>> contracts =
        Map.of(
            StrategyProvider.class, StrategyContract.class,
            ModelProvider.class, ModelContract.class,
            VerifierProvider.class, VerifierContract.class);
    Set<String> without = new TreeSet<>();
    contracts.forEach(
        (kind, contract) -> {
          Set<String> covered = new TreeSet<>();
          for (JavaClass test : TESTS) {
            if (test.isAssignableTo(contract)) {
              covered.addAll(made.getOrDefault(name(top(test)), Set.of()));
              top(test).getDirectDependenciesFromSelf().stream()
                  .map(dependency -> name(top(dependency.getTargetClass())))
                  .forEach(helper -> covered.addAll(made.getOrDefault(helper, Set.of())));
            }
          }
          for (JavaClass provider : CLASSES) {
            if (provider.isAssignableTo(kind)
                && !provider.getModifiers().contains(JavaModifier.ABSTRACT)
                && !covered.contains(provider.getName())) {
              without.add(provider.getName());
            }
          }
        });
    without.removeAll(NO_CONTRACT.keySet());
    assertThat(without).isEmpty();
  }
}
