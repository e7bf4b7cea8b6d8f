package org.espalier.shapes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.espalier.api.DrawKey;
import org.espalier.shapes.NearMiss.Change;
import org.espalier.spi.RgbImage;
import org.espalier.torch.Device;
import org.espalier.torch.WeightSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/**
 * The shipped evaluator: against the reference implementation, and on scenes whose truth is known.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class NanoEvaluatorTest {
  private static final int SCENES = 60;
  private static final DrawKey KEY = DrawKey.root(41);

  private final ShapesDetector detector =
      ShapesDetector.load(new ShapesWeights().directory("shapes-exact/nano"), Device.cpu());

  @AfterAll
  void close() {
    detector.close();
  }

  private static Path golden(String name) throws URISyntaxException {
    URL url = NanoEvaluatorTest.class.getResource("/golden/" + name);
    return Path.of(Objects.requireNonNull(url, name).toURI());
  }

  @Test
  void cellsEqualTheReferenceImplementations() throws URISyntaxException {
    try (WeightSource golden = WeightSource.open(golden("verifiers.safetensors"))) {
      float[] expected = golden.floats("detector");
      long[] pixels = golden.longs("image_u8");
      int size = 3 * 64 * 64;
      int count = 24 * 256;
      float largest = 0;
      for (int n = 0; n < 2; n++) {
        byte[] rgb = new byte[size];
        for (int i = 0; i < size; i++) {
          rgb[i] = (byte) pixels[n * size + i];
        }
        float[] cells = detector.cells(new RgbImage(64, 64, rgb));
        assertThat(cells).hasSize(count);
        for (int i = 0; i < count; i++) {
          largest = Math.max(largest, Math.abs(cells[i] - expected[n * count + i]));
        }
      }
      System.out.println("largest error of the detector's cells: " + largest);
      assertThat(largest).isLessThan(2e-4f);
    }
  }

  @Test
  void seesWhatTheTrainingRendererDrew() throws IOException, URISyntaxException {
    for (JsonNode scene : new JsonMapper().readTree(golden("scenes.json").toFile())) {
      List<DetectedObject> seen =
          new ArrayList<>(
              detector.detect(List.of(read(golden(scene.get("file").asText())))).get(0));
      List<DetectedObject> drawn = new ArrayList<>();
      for (JsonNode o : scene.get("objects")) {
        drawn.add(
            new DetectedObject(
                SceneRendererTest.term(Shape.values(), o.get("class")),
                SceneRendererTest.term(Color.values(), o.get("color")),
                SceneRendererTest.term(Texture.values(), o.get("texture")),
                SceneRendererTest.term(Size.values(), o.get("size")),
                o.get("center").get(0).asDouble(),
                o.get("center").get(1).asDouble(),
                1));
      }
      assertThat(seen).as(scene.get("prompt").asText()).hasSameSizeAs(drawn);
      Comparator<DetectedObject> fromTheTop = Comparator.comparingDouble(DetectedObject::y);
      seen.sort(fromTheTop);
      drawn.sort(fromTheTop);
      for (int i = 0; i < drawn.size(); i++) {
        assertThat(seen.get(i))
            .usingRecursiveComparison()
            .ignoringFields("x", "y", "confidence")
            .isEqualTo(drawn.get(i));
        assertThat(seen.get(i).x()).isCloseTo(drawn.get(i).x(), within(1.0));
        assertThat(seen.get(i).y()).isCloseTo(drawn.get(i).y(), within(1.0));
      }
    }
  }

  private static RgbImage read(Path file) throws IOException {
    BufferedImage image = ImageIO.read(file.toFile());
    byte[] rgb = new byte[3 * 64 * 64];
    for (int i = 0; i < 64 * 64; i++) {
      int pixel = image.getRGB(i % 64, i / 64);
      rgb[3 * i] = (byte) (pixel >> 16);
      rgb[3 * i + 1] = (byte) (pixel >> 8);
      rgb[3 * i + 2] = (byte) pixel;
    }
    return new RgbImage(64, 64, rgb);
  }

  @Test
  void isExactOnRenderedScenes() {
    Map<Category, Integer> correct = new EnumMap<>(Category.class);
    int strict = 0;
    int misses = 0;
    int accepted = 0;
    for (Category category : Category.values()) {
      List<SceneRequirement> requirements = new ArrayList<>();
      List<RgbImage> images = new ArrayList<>();
      for (int n = 0; n < SCENES; n++) {
        DrawKey key = KEY.child(category.word()).child(n);
        requirements.add(ShapesWorld.requirement(category, key.child("requirement")));
        images.add(
            SceneRenderer.render(ShapesWorld.scene(requirements.get(n), key.child("scene"))));
      }
      List<List<DetectedObject>> seen = detector.detect(images);
      for (int n = 0; n < SCENES; n++) {
        SceneRequirement requirement = requirements.get(n);
        SceneCheck check = SceneCheck.of(requirement, seen.get(n));
        correct.merge(category, check.correct() ? 1 : 0, Integer::sum);
        strict += check.strict() ? 1 : 0;
        for (Change change : Change.values()) {
          var miss = ShapesWorld.nearMiss(requirement, change, KEY.child(n).child("miss"));
          if (miss.isPresent()) {
            misses++;
            accepted += SceneCheck.of(miss.get().requirement(), seen.get(n)).correct() ? 1 : 0;
          }
        }
      }
    }
    int scenes = SCENES * Category.values().length;
    int right = correct.values().stream().mapToInt(Integer::intValue).sum();
    System.out.printf(
        "evaluator on %d rendered scenes: %d correct %s, %d strict; %d of %d near misses accepted%n",
        scenes, right, correct, strict, accepted, misses);
    assertThat(right).isGreaterThanOrEqualTo((int) Math.ceil(0.995 * scenes));
    assertThat(misses).isGreaterThan(1000);
    assertThat(accepted).isLessThanOrEqualTo(misses / 200);
  }

  @Test
  void costsWhatAHandCountSays() {
    // Stem, block0, down0, block1, down1, three blocks of two convolutions, head.
    assertThat(detector.flops())
        .isEqualTo(
            7_077_888L
                + 150_994_944
                + 67_108_864
                + 150_994_944
                + 50_331_648
                + 3 * 84_934_656
                + 10_616_832);
  }

  @Test
  void allNanoWeightsTravelAndAreSmall() throws IOException {
    ShapesWeights weights = new ShapesWeights();
    assertThat(weights.names())
        .containsExactly(
            "clip/nano",
            "ensemble/nano",
            "flux/nano",
            "flux/nano-large",
            "flux/world2",
            "image-reward/nano",
            "image-reward/world2",
            "infinity/nano",
            "infinity/world2",
            "shapes-exact/nano",
            "shapes-exact/world2");
    Path root = weights.directory("shapes-exact/nano").resolveSibling("");
    long total = 0;
    try (Stream<Path> files = Files.walk(root)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        assertThat(Files.size(file)).as(file.toString()).isLessThan(15L << 20);
        total += Files.size(file);
      }
    }
    assertThat(total).isLessThan(80L << 20);
  }
}
