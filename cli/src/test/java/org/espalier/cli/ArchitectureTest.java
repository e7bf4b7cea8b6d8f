package org.espalier.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** The dependency rule, on the built classes of all modules on this module's class path. */
class ArchitectureTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("org.espalier");

  /** A rule must not pass because it saw nothing. */
  @Test
  void everyModuleIsSeen() {
    Map<String, Integer> counts = new TreeMap<>();
    for (JavaClass javaClass : CLASSES) {
      counts.merge(javaClass.getPackageName(), 1, Integer::sum);
    }
    for (String name :
        new String[] {
          "api",
          "compute",
          "spi",
          "engine",
          "search.bestofn",
          "search.beam",
          "search.mcts",
          "torch",
          "models.var",
          "models.diffusion",
          "verifiers",
          "shapes",
          "testkit",
          "plugins",
          "records",
          "report",
          "study",
          "bench",
          "cli"
        }) {
      assertThat(counts.getOrDefault("org.espalier." + name, 0)).as(name).isGreaterThan(3);
    }
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
            "org.jspecify..",
            "org.apiguardian..",
            "org.espalier.api..",
            "org.espalier.spi..",
            "org.espalier.compute..")
        .check(CLASSES);
  }

  @Test
  void strategiesSeeTheApiOnly() {
    classes()
        .that()
        .resideInAPackage("org.espalier.search..")
        .and()
        .haveSimpleNameNotEndingWith("Provider")
        .should()
        .onlyDependOnClassesThat(
            DescribedPredicate.describe(
                "are the api, compute, their own or Java's",
                c ->
                    c.getPackageName().startsWith("java.")
                        || c.getPackageName().startsWith("org.jspecify")
                        || c.getPackageName().startsWith("org.espalier.api")
                        || c.getPackageName().startsWith("org.espalier.compute")
                        || c.getPackageName().startsWith("org.espalier.search")
                        || c.isPrimitive()
                        || c.isArray()))
        .check(CLASSES);
    noClasses()
        .that()
        .resideInAPackage("org.espalier.search..")
        .and()
        .haveSimpleNameEndingWith("Provider")
        .should()
        .dependOnClassesThat(
            DescribedPredicate.describe(
                "are of the spi, but not StrategyProvider",
                c ->
                    c.getPackageName().startsWith("org.espalier.spi")
                        && !c.getSimpleName().equals("StrategyProvider")))
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
  void recordsAndReportKnowNeitherEngineNorNetworks() {
    noClasses()
        .that()
        .resideInAnyPackage("org.espalier.records..", "org.espalier.report..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.espalier.engine..",
            "org.espalier.study..",
            "org.espalier.torch..",
            "org.espalier.models..",
            "org.espalier.verifiers..",
            "ai.djl..")
        .check(CLASSES);
  }

  @Test
  void modelsAndVerifiersDoNotSeeTheEngineOrStrategies() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "org.espalier.torch..",
            "org.espalier.models..",
            "org.espalier.verifiers..",
            "org.espalier.shapes..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.espalier.engine..", "org.espalier.search..")
        .check(CLASSES);
  }

  @Test
  void theEngineSeesNoPlugin() {
    classes()
        .that()
        .resideInAPackage("org.espalier.engine..")
        .should()
        .onlyDependOnClassesThat()
        .resideInAnyPackage(
            "java..",
            "org.jspecify..",
            "org.espalier.api..",
            "org.espalier.spi..",
            "org.espalier.compute..",
            "org.espalier.engine..")
        .check(CLASSES);
  }

  @Test
  void groupsOfPackagesAreFreeOfCycles() {
    // api, spi and compute form one vocabulary and may refer to one another.
    slices()
        .matching(
            "org.espalier.(engine|noise|torch|verifiers|shapes|plugins|records|report|study|cli|bench|search|models|testkit)..")
        .should()
        .beFreeOfCycles()
        .check(CLASSES);
  }

  @Test
  void noHiddenRandomnessOrConsoleOutput() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "org.espalier.api..",
            "org.espalier.engine..",
            "org.espalier.search..",
            "org.espalier.models..",
            "org.espalier.torch..",
            "org.espalier.verifiers..")
        .and()
        // Prints the errors that a parity test measures; test support in the main scope.
        .doNotHaveSimpleName("ParityCase")
        .should()
        .dependOnClassesThat()
        .haveFullyQualifiedName("java.util.Random")
        .orShould()
        .callMethod(Math.class, "random")
        .orShould()
        .accessField(System.class, "out")
        .check(CLASSES);
  }
}
