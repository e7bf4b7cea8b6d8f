package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.MissingNode;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.espalier.torch.Device;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.api.Test;

/**
 * The weights of {@code mask2former-tiny-a} under the names and in the order of mmdetection 2,
 * saved by {@code torch.save} in the form in which mmdetection publishes.
 */
class Mask2FormerLayoutTest {
  private static WeightSource mmdet() {
    try {
      return WeightSource.open(
          Path.of(
              Objects.requireNonNull(
                      Mask2FormerLayoutTest.class.getResource("/parity/mask2former-mmdet-a.pth"))
                  .toURI()));
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void theNetworkIsTheSame() {
    ParityCase parity = TinyCheckpoints.parity("mask2former-tiny-a");
    try (SafetensorsFile golden = parity.golden();
        WeightSource file = mmdet()) {
      assertThat(Mask2FormerLayout.isMmdet(file)).isTrue();
      WeightSource weights = Mask2FormerLayout.canonical(file);
      Mask2FormerArchitecture architecture =
          Mask2FormerArchitecture.of(MissingNode.getInstance(), weights, true);
      try (Mask2FormerNetwork network =
          Mask2FormerNetwork.load(architecture, weights, Device.cpu())) {
        var all =
            network.trace(
                golden.floats("pixel_values"),
                golden.info("pixel_values").size(2),
                golden.info("pixel_values").size(3));
        try {
          float[] masks = all.get(all.size() - 1).toFloats();
          float[] classes = all.get(all.size() - 2 - architecture.layers()).toFloats();
          assertThat(ParityCase.largestError(masks, golden.floats("mask_logits"))).isLessThan(1e-4);
          assertThat(ParityCase.largestError(classes, golden.floats("class_logits")))
              .isLessThan(1e-4);
        } finally {
          all.forEach(TorchTensor::close);
        }
      }
    }
  }

  /**
   * As {@code torch.utils.flop_counter} counts in transformers' network with eager attention, and
   * the products of samples and weights, which it leaves out: for each of 2 layers, two operations
   * a place, level, point and channel.
   */
  @Test
  void operationsAreThoseThatPyTorchCounts() {
    ParityCase parity = TinyCheckpoints.parity("mask2former-tiny-a");
    try (SafetensorsFile golden = parity.golden();
        WeightSource weights = Mask2FormerLayout.canonical(parity.weights("weights"))) {
      Mask2FormerArchitecture architecture =
          Mask2FormerArchitecture.of(
              ModelJson.parse(TinyCheckpoints.metadata(golden, "config")), weights, false);
      long aPlace = 2 * 2 * 3 * 4 * 32;
      assertThat(architecture.flops(64, 96))
          .isEqualTo(19_428_352 + aPlace * (8 * 12 + 4 * 6 + 2 * 3));
      assertThat(architecture.flops(50, 71))
          .isEqualTo(13_736_704 + aPlace * (7 * 9 + 4 * 5 + 2 * 3));
    }
  }

  /** Version 3 has other names for attentions and feed-forward layers, for the same weights. */
  @Test
  void bothVersionsOfMmdetectionAreRead() {
    UnaryOperator<String> three =
        name ->
            name.replaceAll(
                    "(pixel_decoder\\.encoder\\.layers\\.\\d+)\\.attentions\\.0", "$1.self_attn")
                .replaceAll(
                    "(transformer_decoder\\.layers\\.\\d+)\\.attentions\\.0", "$1.cross_attn")
                .replaceAll(
                    "(transformer_decoder\\.layers\\.\\d+)\\.attentions\\.1", "$1.self_attn")
                .replace(".ffns.0.", ".ffn.");
    try (WeightSource file = mmdet()) {
      WeightSource renamed = file.renamed(three::apply);
      assertThat(renamed.names()).isNotEqualTo(file.names());
      assertThat(Mask2FormerLayout.canonical(renamed).names())
          .containsExactlyInAnyOrderElementsOf(Mask2FormerLayout.canonical(file).names());
    }
  }
}
