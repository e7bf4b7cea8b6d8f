package org.espalier.shapes;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import javax.imageio.ImageIO;
import org.espalier.spi.RgbImage;
import org.junit.jupiter.api.Test;

class SceneRendererTest {
  private static final int COLUMNS = 7;

  @Test
  void drawsWhatTheTrainingRendererDraws() throws IOException {
    JsonNode scenes =
        new JsonMapper().readTree(SceneRendererTest.class.getResourceAsStream("renders.json"));
    BufferedImage sheet = ImageIO.read(SceneRendererTest.class.getResource("renders.png"));
    assertThat(scenes).hasSize(28);
    Set<Shape> shapes = EnumSet.noneOf(Shape.class);
    Set<Texture> textures = EnumSet.noneOf(Texture.class);
    int largest = 0;
    int different = 0;
    for (int n = 0; n < scenes.size(); n++) {
      Scene scene = scene(scenes.get(n));
      scene.objects().forEach(o -> shapes.add(o.shape()));
      scene.objects().forEach(o -> textures.add(o.texture()));
      RgbImage image = SceneRenderer.render(scene);
      for (int y = 0; y < 64; y++) {
        for (int x = 0; x < 64; x++) {
          int expected = sheet.getRGB(n % COLUMNS * 64 + x, n / COLUMNS * 64 + y);
          for (int c = 0; c < 3; c++) {
            int error = Math.abs(image.at(x, y, c) - (expected >> (16 - 8 * c) & 0xff));
            largest = Math.max(largest, error);
            different += error > 0 ? 1 : 0;
          }
        }
      }
    }
    assertThat(shapes).hasSize(Shape.values().length);
    assertThat(textures).hasSize(Texture.values().length);
    // The training renderer computes in float32, this one in float64: rounding may differ.
    assertThat(largest).isLessThanOrEqualTo(1);
    assertThat(different).isLessThan(20);
  }

  private static Scene scene(JsonNode json) {
    List<SceneObject> objects = new ArrayList<>();
    for (JsonNode o : json.get("objects")) {
      objects.add(
          new SceneObject(
              term(Shape.values(), o.get("shape")),
              term(Color.values(), o.get("color")),
              term(Texture.values(), o.get("texture")),
              term(Size.values(), o.get("size")),
              o.get("radius").asDouble(),
              o.get("x").asDouble(),
              o.get("y").asDouble(),
              o.get("rotation").asDouble(),
              rgb(o.get("tone")),
              rgb(o.get("secondTone"))));
    }
    return new Scene(
        objects,
        rgb(json.get("background")),
        json.get("gradientX").asDouble(),
        json.get("gradientY").asDouble());
  }

  static <T extends Term> T term(T[] terms, JsonNode word) {
    for (T term : terms) {
      if (term.word().equals(word.asText())) {
        return term;
      }
    }
    throw new AssertionError(word);
  }

  private static Rgb rgb(JsonNode json) {
    return new Rgb(json.get(0).asDouble(), json.get(1).asDouble(), json.get(2).asDouble());
  }
}
