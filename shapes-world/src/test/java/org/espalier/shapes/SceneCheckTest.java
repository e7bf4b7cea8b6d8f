package org.espalier.shapes;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.espalier.shapes.ObjectRequirement.Position;
import org.espalier.shapes.SceneRequirement.Exclusion;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SceneCheckTest {
  private static final DetectedObject RED_STAR = star(Color.RED, 20, 20);

  private static DetectedObject star(Color color, double x, double y) {
    return new DetectedObject(Shape.STAR, color, Texture.SOLID, Size.SMALL, x, y, 1);
  }

  private static DetectedObject ring(double x, double y) {
    return new DetectedObject(Shape.RING, Color.BLUE, Texture.STRIPED, Size.LARGE, x, y, 1);
  }

  private static SceneRequirement all(ObjectRequirement... include) {
    return new SceneRequirement(List.of(include), List.of());
  }

  private static final ObjectRequirement STAR = ObjectRequirement.of(Shape.STAR);
  private static final ObjectRequirement RING = ObjectRequirement.of(Shape.RING);

  @Test
  void whatIsNotStatedIsFree() {
    assertThat(SceneCheck.of(all(STAR), List.of(RED_STAR)))
        .usingRecursiveComparison()
        .ignoringFields("constraints")
        .isEqualTo(new SceneCheck(true, true, 1, 0));
  }

  @Test
  void whatIsStatedMustHold() {
    List<DetectedObject> seen = List.of(RED_STAR);
    assertThat(SceneCheck.of(all(STAR.withColor(Color.RED)), seen).correct()).isTrue();
    assertThat(SceneCheck.of(all(STAR.withColor(Color.BLUE)), seen).correct()).isFalse();
    assertThat(SceneCheck.of(all(STAR.withTexture(Texture.SOLID)), seen).correct()).isTrue();
    assertThat(SceneCheck.of(all(STAR.withTexture(Texture.DOTTED)), seen).correct()).isFalse();
    assertThat(SceneCheck.of(all(STAR.withSize(Size.SMALL)), seen).correct()).isTrue();
    assertThat(SceneCheck.of(all(STAR.withSize(Size.LARGE)), seen).correct()).isFalse();
  }

  @Test
  void attributesOfTwoObjectsAreNotMixedUp() {
    DetectedObject blueStar = star(Color.BLUE, 40, 40);
    SceneRequirement redStriped = all(STAR.withColor(Color.RED).withTexture(Texture.STRIPED));
    DetectedObject stripedBlue =
        new DetectedObject(Shape.STAR, Color.BLUE, Texture.STRIPED, Size.SMALL, 50, 50, 1);
    assertThat(SceneCheck.of(redStriped, List.of(RED_STAR, blueStar, stripedBlue)).correct())
        .isFalse();
  }

  @Test
  void moreIsCorrectButNotStrictUnlessExcluded() {
    List<DetectedObject> two = List.of(RED_STAR, star(Color.BLUE, 40, 40));
    assertThat(SceneCheck.of(all(STAR), two))
        .usingRecursiveComparison()
        .ignoringFields("constraints")
        .isEqualTo(new SceneCheck(true, false, 1, 0));
    SceneRequirement exactlyOne =
        new SceneRequirement(List.of(STAR), List.of(new Exclusion(Shape.STAR, 2)));
    assertThat(SceneCheck.of(exactlyOne, two))
        .usingRecursiveComparison()
        .ignoringFields("constraints")
        .isEqualTo(new SceneCheck(false, false, 0, 0));
    SceneRequirement noRing =
        new SceneRequirement(List.of(STAR), List.of(new Exclusion(Shape.RING, 1)));
    assertThat(SceneCheck.of(noRing, two).correct()).isTrue();
    assertThat(SceneCheck.of(noRing, List.of(RED_STAR, ring(40, 40))))
        .usingRecursiveComparison()
        .ignoringFields("constraints")
        .isEqualTo(new SceneCheck(false, false, 0.5, 0));
  }

  @Test
  void somethingUnknownIsNotStrict() {
    DetectedObject unknown =
        new DetectedObject(null, Color.RED, Texture.SOLID, Size.SMALL, 50, 50, 1);
    assertThat(SceneCheck.of(all(STAR), List.of(RED_STAR, unknown)))
        .usingRecursiveComparison()
        .ignoringFields("constraints")
        .isEqualTo(new SceneCheck(true, false, 1, 0));
  }

  /** A star at (32, 32) and a ring: the star stands in the relation to the ring. */
  @ParameterizedTest
  @CsvSource({
    "LEFT_OF, 36, 32, true",
    "LEFT_OF, 35, 32, false", // exactly three pixels
    "LEFT_OF, 42, 41, true",
    "LEFT_OF, 42, 42, false", // as far across as along
    "LEFT_OF, 22, 32, false",
    "RIGHT_OF, 22, 32, true",
    "ABOVE, 32, 50, true",
    "ABOVE, 32, 20, false",
    "BELOW, 32, 20, true",
  })
  void relationsNeedDirectionAndDistance(Relation relation, double x, double y, boolean met) {
    SceneRequirement requirement =
        all(RING, STAR.withPositions(List.of(new Position(relation, 0))));
    SceneCheck check = SceneCheck.of(requirement, List.of(star(Color.RED, 32, 32), ring(x, y)));
    assertThat(check)
        .usingRecursiveComparison()
        .ignoringFields("constraints")
        .isEqualTo(new SceneCheck(met, met, met ? 1 : 2 / 3.0, 0));
    // Seen from the other side it is the opposite relation.
    SceneRequirement opposite =
        all(STAR, RING.withPositions(List.of(new Position(relation.opposite(), 0))));
    assertThat(SceneCheck.of(opposite, List.of(star(Color.RED, 32, 32), ring(x, y))))
        .isEqualTo(check);
  }

  @Test
  void fractionCountsEntriesAndRelations() {
    SceneRequirement requirement =
        all(
            RING,
            STAR.withColor(Color.GREEN).withPositions(List.of(new Position(Relation.ABOVE, 0))));
    assertThat(
            SceneCheck.of(requirement, List.of(ring(32, 50), star(Color.RED, 32, 20))).fraction())
        .isEqualTo(1 / 3.0);
    assertThat(SceneCheck.of(requirement, List.of()).fraction()).isZero();
  }
}
