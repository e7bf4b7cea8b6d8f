package org.espalier.shapes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.shapes.NearMiss.Change;
import org.espalier.shapes.ObjectRequirement.Position;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ShapesWorldTest {
  private static final DrawKey KEY = DrawKey.root(5);

  private static List<DetectedObject> seen(Scene scene) {
    return scene.objects().stream().map(SceneObject::asDetected).toList();
  }

  @ParameterizedTest
  @EnumSource(Category.class)
  void scenesMeetTheirRequirementAndNoNearMiss(Category category) {
    Map<Change, Integer> changes = new EnumMap<>(Change.class);
    Set<String> captions = new HashSet<>();
    for (int n = 0; n < 60; n++) {
      DrawKey key = KEY.child(category.word()).child(n);
      SceneRequirement requirement = ShapesWorld.requirement(category, key.child("requirement"));
      captions.add(requirement.caption());
      Scene scene = ShapesWorld.scene(requirement, key.child("scene"));
      assertThat(SceneCheck.of(requirement, seen(scene)))
          .as(requirement.caption())
          .isEqualTo(new SceneCheck(true, true, 1, 1));
      for (Change change : Change.values()) {
        var miss = ShapesWorld.nearMiss(requirement, change, key.child("miss"));
        assertThat(miss.isPresent()).isEqualTo(ShapesWorld.changes(requirement).contains(change));
        if (miss.isPresent()) {
          changes.merge(change, 1, Integer::sum);
          SceneCheck check = SceneCheck.of(miss.get().requirement(), seen(scene));
          assertThat(check.correct())
              .as("%s is not %s", requirement.caption(), miss.get().requirement().caption())
              .isFalse();
          assertThat(check.fraction()).isLessThan(1);
        }
      }
    }
    assertThat(captions).hasSizeGreaterThan(category == Category.SINGLE_OBJECT ? 15 : 25);
    assertThat(changes.keySet())
        .containsExactlyInAnyOrder(
            switch (category) {
              case SINGLE_OBJECT ->
                  new Change[] {
                    Change.SHAPE, Change.COUNT, Change.TEXTURE, Change.SIZE, Change.ADD
                  };
              case TWO_OBJECT -> new Change[] {Change.SHAPE};
              case COUNTING -> new Change[] {Change.SHAPE, Change.COLOR, Change.COUNT};
              case COLORS -> new Change[] {Change.SHAPE, Change.COLOR, Change.COUNT, Change.ADD};
              case POSITION ->
                  new Change[] {Change.SHAPE, Change.COLOR, Change.RELATION, Change.SWAP};
              case COLOR_ATTR -> new Change[] {Change.SHAPE, Change.COLOR, Change.SWAP};
              case BINDING ->
                  new Change[] {Change.SHAPE, Change.COLOR, Change.TEXTURE, Change.SWAP};
              case COMPLEX ->
                  new Change[] {Change.SHAPE, Change.COLOR, Change.RELATION, Change.SWAP};
            });
  }

  @ParameterizedTest
  @EnumSource(Category.class)
  void requirementsSurviveTheirMetadata(Category category) {
    for (int n = 0; n < 20; n++) {
      SceneRequirement requirement = ShapesWorld.requirement(category, KEY.child(n));
      Prompt prompt = ShapesWorld.prompt("p" + n, category, requirement);
      assertThat(SceneRequirement.of(prompt)).isEqualTo(requirement);
      assertThat(prompt.text()).isEqualTo(requirement.caption());
      assertThat(prompt.tag()).isEqualTo(category.word());
    }
  }

  @Test
  void sameKeySameSceneOtherKeyOtherScene() {
    SceneRequirement requirement = ShapesWorld.requirement(Category.COMPLEX, KEY);
    assertThat(ShapesWorld.requirement(Category.COMPLEX, KEY)).isEqualTo(requirement);
    Scene scene = ShapesWorld.scene(requirement, KEY);
    assertThat(ShapesWorld.scene(requirement, KEY)).isEqualTo(scene);
    assertThat(ShapesWorld.scene(requirement, KEY.child("other"))).isNotEqualTo(scene);
  }

  @Test
  void objectsLieInsideAndApart() {
    SceneRequirement five =
        new SceneRequirement(List.of(ObjectRequirement.of(Shape.STAR).withCount(5)), List.of());
    for (int n = 0; n < 20; n++) {
      List<SceneObject> objects = ShapesWorld.scene(five, KEY.child(n)).objects();
      assertThat(objects).hasSize(5);
      for (SceneObject a : objects) {
        assertThat(List.of(a.x(), a.y(), 64 - a.x(), 64 - a.y()))
            .allMatch(distance -> distance >= a.radius());
        for (SceneObject b : objects) {
          if (a != b) {
            assertThat(Math.hypot(a.x() - b.x(), a.y() - b.y()))
                .isGreaterThan(a.radius() + b.radius());
          }
        }
      }
    }
  }

  @Test
  void relationsThatContradictEachOtherAreRefused() {
    List<ObjectRequirement> objects = new ArrayList<>();
    objects.add(ObjectRequirement.of(Shape.RING));
    objects.add(
        ObjectRequirement.of(Shape.STAR)
            .withPositions(
                List.of(new Position(Relation.ABOVE, 0), new Position(Relation.BELOW, 0))));
    assertThatThrownBy(() -> ShapesWorld.scene(new SceneRequirement(objects, List.of()), KEY))
        .hasMessage(
            "[CONFIG] No layout was found for \"a star above a ring and below a ring\".\n"
                + "Maybe its relations contradict each other, or its objects are too large.");
  }

  @Test
  void moreThanFiveObjectsAreRefused() {
    SceneRequirement six =
        new SceneRequirement(
            List.of(
                ObjectRequirement.of(Shape.STAR).withCount(5), ObjectRequirement.of(Shape.RING)),
            List.of());
    assertThatThrownBy(() -> ShapesWorld.scene(six, KEY))
        .hasMessage("[CONFIG] The requirement asks for 6 objects.\nMaybe ask for at most 5.");
  }

  @Test
  void contactSheetHoldsEveryPicture() {
    Scene scene = ShapesWorld.scene(ShapesWorld.requirement(Category.COLORS, KEY), KEY);
    var image = SceneRenderer.render(scene);
    var sheet =
        ContactSheet.of(
            List.of(image, image, image), List.of("first", "second", "a rather long caption"), 2);
    assertThat(sheet.getWidth()).isEqualTo(2 * (2 * 64 + 12) + 12);
    int corner = image.at(0, 0, 0) << 16 | image.at(0, 0, 1) << 8 | image.at(0, 0, 2);
    int cellHeight = (sheet.getHeight() - 12) / 2;
    assertThat(sheet.getRGB(12, 12) & 0xffffff).isEqualTo(corner);
    assertThat(sheet.getRGB(12 + 140, 12) & 0xffffff).isEqualTo(corner);
    assertThat(sheet.getRGB(12, 12 + cellHeight) & 0xffffff).isEqualTo(corner);
    assertThat(sheet.getRGB(12 + 140, 12 + cellHeight) & 0xffffff).isEqualTo(0xffffff);
  }
}
