package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelState;
import org.espalier.spi.RgbImage;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The bundled models against tensors computed where they were trained. */
@NullUnmarked
class NanoFluxTest {
  @TempDir Path directory;

  private static Path golden(String name) {
    try {
      return Path.of(NanoFluxTest.class.getResource("/golden").toURI()).resolve(name);
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"nano", "nano-large"})
  void textTrajectoryAndImageAreThoseOfTheTraining(String weights) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    try (SafetensorsFile golden = new SafetensorsFile(golden("flux-" + weights + ".safetensors"))) {
      JsonNode shift = mapper.readTree(golden.metadata().get("shift"));
      JsonNode cfg = mapper.readTree(golden.metadata().get("true_cfg"));
      int steps = Integer.parseInt(golden.metadata().get("steps"));
      FlowSamplerConfig sampler = new FlowSamplerConfig("ode", steps, shift.asDouble(), null, null);
      String prompt = golden.metadata().get("prompt");
      try (GenerativeModel model =
              TinyFlux.load(TinyFlux.config(weights, sampler, cfg.asDouble()), directory);
          Conditioning conditioning = model.encode(List.of(Prompt.of("p", prompt))).get(0)) {
        List<TorchTensor> text = ((FlowConditioning) conditioning).tensors();
        assertThat(ParityCase.largestError(text.get(0).toFloats(), golden.floats("txt")))
            .isLessThan(1e-4);
        assertThat(ParityCase.largestError(text.get(1).toFloats(), golden.floats("vec")))
            .isLessThan(1e-4);
        FlowState state = new FlowState(0, golden.floats("noise"));
        double velocity = Double.NaN;
        for (int step = 0; step < steps; step++) {
          ModelState next =
              model
                  .expand(List.of(new Branch(state, conditioning, List.of(new Noise.Mode()))))
                  .get(0)
                  .get(0);
          if (step == 0) {
            velocity = ParityCase.largestError(state.velocity(), golden.floats("velocity_first"));
          }
          state = (FlowState) next;
        }
        double latent = ParityCase.largestError(state.latent(), golden.floats("latent_tokens"));
        RgbImage image = model.decode(List.of(new DecodeRow(state, conditioning))).get(0).image();
        long[] expected = golden.longs("image_u8");
        int largest = 0;
        for (int i = 0; i < expected.length; i++) {
          largest = Math.max(largest, (int) Math.abs((image.rgb()[i] & 0xff) - expected[i]));
        }
        System.out.printf(
            "flux/%s: largest errors: velocity_first %.2e, latent_tokens %.2e, image %d of 255%n",
            weights, velocity, latent, largest);
        assertThat(velocity).isLessThan(1e-3);
        assertThat(latent).isLessThan(1e-3);
        assertThat(largest).isLessThanOrEqualTo(1);
      }
    }
  }

  @Test
  void theAutoencoderGivesImagesBack() throws IOException {
    Path bundle = WeightsLocation.resolve("flux", "nano", TinyFlux.context(directory));
    FluxFiles files = FluxFiles.locate(bundle, FluxConfig.of("nano"), directory);
    JsonNode ae = files.autoencoderConfig().get("ae");
    try (WeightSource weights = WeightSource.open(files.autoencoder());
        KlAutoencoder autoencoder =
            new KlAutoencoder(
                KlArchitecture.of(weights, ae, KlArchitecture.Scale.FLUX),
                true,
                weights,
                Device.cpu())) {
      for (String name : List.of("scene-1.png", "scene-4.png")) {
        RgbImage image = read(golden(name));
        float[] latent = autoencoder.encode(image);
        RgbImage again = autoencoder.decode(List.of(latent), 8, 8).get(0);
        double squares = 0;
        for (int i = 0; i < image.rgb().length; i++) {
          double difference = (image.rgb()[i] & 0xff) - (again.rgb()[i] & 0xff);
          squares += difference * difference;
        }
        double decibels = 10 * Math.log10(255 * 255 * image.rgb().length / squares);
        System.out.printf("%s: PSNR %.1f dB after encoding and decoding%n", name, decibels);
        assertThat(decibels).isGreaterThan(27);
      }
    }
  }

  private static RgbImage read(Path file) throws IOException {
    BufferedImage image = ImageIO.read(file.toFile());
    byte[] rgb = new byte[image.getWidth() * image.getHeight() * 3];
    for (int i = 0; i < rgb.length / 3; i++) {
      int pixel = image.getRGB(i % image.getWidth(), i / image.getWidth());
      rgb[3 * i] = (byte) (pixel >> 16);
      rgb[3 * i + 1] = (byte) (pixel >> 8);
      rgb[3 * i + 2] = (byte) pixel;
    }
    return new RgbImage(image.getWidth(), image.getHeight(), rgb);
  }
}
