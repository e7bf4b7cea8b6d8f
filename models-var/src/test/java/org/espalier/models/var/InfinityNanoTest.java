package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import javax.imageio.ImageIO;
import org.espalier.spi.RgbImage;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.T5Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The shipped nano weights against what the training code computed with them. */
class InfinityNanoTest {
  private static final double TOLERANCE = 1e-4;
  private static Path weights;

  @BeforeAll
  static void find() {
    weights = WeightsLocation.resolve("infinity", "nano", TinyModel.context(Path.of(".")));
  }

  private static SafetensorsFile golden() throws Exception {
    return new SafetensorsFile(
        Path.of(InfinityNanoTest.class.getResource("/golden/infinity-nano.safetensors").toURI()));
  }

  @Test
  void readsPromptsAsInTraining() throws Exception {
    try (SafetensorsFile golden = golden();
        TextTokenizer tokenizer =
            TextTokenizer.open(weights.resolve("text_encoder/tokenizer.json"), 24);
        T5Encoder encoder = T5Encoder.load(weights.resolve("text_encoder"), Device.cpu())) {
      JsonNode prompts = new ObjectMapper().readTree(golden.metadata().get("prompts"));
      assertThat(prompts).hasSize(2);
      for (int i = 0; i < prompts.size(); i++) {
        assertThat(tokenizer.encode(prompts.get(i).asText()).ids())
            .isEqualTo(golden.longs("input_ids." + i));
        try (TorchTensor features = encoder.encode(tokenizer.encode(prompts.get(i).asText()))) {
          double error =
              ParityCase.largestError(features.toFloats(), golden.floats("text_features." + i));
          System.out.printf("nano text features %d: largest error %.2e%n", i, error);
          assertThat(error).isLessThan(1e-4);
        }
      }
    }
  }

  @Test
  void reconstructsAScene() throws Exception {
    BufferedImage scene = ImageIO.read(InfinityNanoTest.class.getResource("/golden/scene-2.png"));
    byte[] rgb = new byte[64 * 64 * 3];
    for (int i = 0; i < 64 * 64; i++) {
      int pixel = scene.getRGB(i % 64, i / 64);
      rgb[3 * i] = (byte) (pixel >> 16);
      rgb[3 * i + 1] = (byte) (pixel >> 8);
      rgb[3 * i + 2] = (byte) pixel;
    }
    try (WeightSource vae = WeightSource.open(weights.resolve("vae.safetensors"));
        BsqTokenizer tokenizer = new BsqTokenizer(vae, Device.cpu(), true, true)) {
      byte[] again =
          tokenizer
              .reconstruct(new RgbImage(64, 64, rgb), ScaleSchedule.published("0.06M", 1))
              .rgb();
      double squares = 0;
      for (int i = 0; i < rgb.length; i++) {
        double difference = (rgb[i] & 0xff) - (again[i] & 0xff);
        squares += difference * difference;
      }
      double decibels = 10 * Math.log10(255 * 255 * rgb.length / squares);
      System.out.printf("nano reconstruction: %.1f dB%n", decibels);
      assertThat(decibels).isGreaterThan(25);
    }
  }

  @Test
  void paintsAsInTraining() throws Exception {
    try (SafetensorsFile golden = golden();
        WeightSource transformer = WeightSource.open(weights.resolve("transformer.safetensors"));
        WeightSource vae = WeightSource.open(weights.resolve("vae.safetensors"));
        BsqTokenizer tokenizer = new BsqTokenizer(vae, Device.cpu(), false);
        InfinityNetwork network =
            new InfinityNetwork(
                transformer,
                ScaleSchedule.published("0.06M", 1),
                tokenizer.bits(),
                false,
                Device.cpu());
        TorchTensor text =
            TorchTensor.of(
                Device.cpu(),
                golden.floats("text_features.0"),
                1,
                golden.info("text_features.0").size(0),
                golden.info("text_features.0").size(1));
        InfinityNetwork.Shared shared = network.condition(text, true)) {
      Guidance guidance =
          new Guidance(
              Collections.nCopies(7, Double.valueOf(golden.metadata().get("cfg"))),
              Collections.nCopies(7, Double.valueOf(golden.metadata().get("tau"))),
              true,
              List.of());
      TorchTensor code = network.emptyCode();
      List<InfinityNetwork.Evaluation> past = new ArrayList<>();
      double largest = 0;
      for (int scale = 0; scale < 7; scale++) {
        InfinityNetwork.Evaluation evaluation =
            network.step(shared, new InfinityNetwork.Row(code, past), scale, guidance);
        past.add(evaluation);
        float[] expected = golden.floats("logits." + scale);
        largest = Math.max(largest, ParityCase.largestError(evaluation.logits(), expected));
        byte[] bits = new byte[expected.length / 2];
        for (int i = 0; i < bits.length; i++) {
          bits[i] = (byte) (expected[2 * i + 1] > expected[2 * i] ? 1 : 0);
        }
        TorchTensor next = network.accept(code, bits, scale);
        code.close();
        code = next;
      }
      double codeError = ParityCase.largestError(code.toFloats(), golden.floats("z"));
      byte[] pixels = tokenizer.decode(code).rgb();
      long[] expected = golden.longs("image_u8");
      code.close();
      past.forEach(InfinityNetwork.Evaluation::close);
      System.out.printf("nano: largest errors: logits %.2e, code %.2e%n", largest, codeError);
      // guidance multiplies the rounding errors of its two rows by cfg and by cfg - 1
      double cfg = Double.parseDouble(golden.metadata().get("cfg"));
      assertThat(largest).isLessThan(TOLERANCE * (2 * cfg - 1));
      assertThat(codeError).isLessThan(1e-5);
      for (int i = 0; i < pixels.length; i++) {
        // the training code rounds, the reference and this project cut off
        assertThat(expected[i] - (pixels[i] & 0xff)).isBetween(0L, 1L);
      }
    }
  }
}
