package org.espalier.shapes;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.spi.LoadContext;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.testkit.VerifierContract;

class ShapesExactContractTest extends VerifierContract {
  private static final DrawKey KEY = DrawKey.root(3);
  private static final SceneRequirement REQUIREMENT =
      ShapesWorld.requirement(Category.POSITION, KEY);

  @Override
  protected Verifier create() {
    LoadContext context =
        new LoadContext(
            "cpu",
            Path.of("."),
            spec -> {
              throw new AssertionError("asked for " + spec);
            });
    return new ShapesExactProvider().load(new ShapesExactConfig(null, null), context);
  }

  @Override
  protected Prompt prompt() {
    return ShapesWorld.prompt("contract", Category.POSITION, REQUIREMENT);
  }

  /** Scenes of the prompt and of others. */
  @Override
  protected List<RgbImage> images() {
    List<RgbImage> images = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      SceneRequirement requirement =
          i % 2 == 0 ? REQUIREMENT : ShapesWorld.requirement(Category.COMPLEX, KEY.child(i));
      images.add(SceneRenderer.render(ShapesWorld.scene(requirement, KEY.child(i))));
    }
    return images;
  }
}
