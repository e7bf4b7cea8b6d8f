package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.Device;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;

/**
 * Loads verifiers of CLIP's form: two towers whose embeddings are compared. Checkpoints in the
 * layouts of Hugging Face's {@code CLIPModel} and of open_clip.
 *
 * @param <C> configuration
 */
abstract class ClipFamilyProvider<C extends Record> implements VerifierProvider<C> {
  private static final String OPEN_CLIP_CONFIG = "open_clip_config.json";

  private final ClipScore score;
  private final Class<C> configType;

  ClipFamilyProvider(ClipScore score, Class<C> configType) {
    this.score = score;
    this.configType = configType;
  }

  /** The directory or file of the weights, as configured. */
  abstract String weights(C config);

  @Override
  public final String id() {
    return score.id();
  }

  @Override
  public final Class<C> configType() {
    return configType;
  }

  @Override
  public final void check(C config, LoadContext context) {
    try (OpenedCheckpoint<ClipArchitecture> opened = open(config, context)) {
      tokenizer(opened).close();
    }
  }

  @Override
  public final Verifier load(C config, LoadContext context) {
    try (OpenedCheckpoint<ClipArchitecture> opened = open(config, context)) {
      Device device = TorchEngine.device(context);
      TextTokenizer tokenizer = tokenizer(opened);
      try {
        return new ClipVerifier(
            score,
            ClipNetwork.load(opened.architecture(), opened.source(), device),
            opened.architecture(),
            new PixelVerifier.Parts(
                opened.transform(),
                tokenizer,
                device,
                opened.source().sha256(),
                score.provenance(opened.json())));
      } catch (RuntimeException e) {
        tokenizer.close();
        throw e;
      }
    }
  }

  private OpenedCheckpoint<ClipArchitecture> open(C config, LoadContext context) {
    return open(id(), weights(config), context);
  }

  /**
   * Opens a checkpoint of CLIP's form.
   *
   * @param id of the provider whose bundles may be named
   * @param weights directory, file or bundle
   * @param context where paths start
   */
  static OpenedCheckpoint<ClipArchitecture> open(String id, String weights, LoadContext context) {
    Path found = WeightsLocation.resolve(id, weights, context);
    Path directory = Files.isDirectory(found) ? found : directory(found);
    WeightSource source =
        OpenClipLayout.canonical(
            Files.isDirectory(found)
                ? WeightSource.open(
                    found,
                    "model.safetensors",
                    "model.safetensors.index.json",
                    "pytorch_model.bin",
                    "open_clip_model.safetensors",
                    "open_clip_pytorch_model.bin",
                    "HPS_v2.1_compressed.pt",
                    "HPS_v2_compressed.pt")
                : WeightSource.open(found));
    boolean openClip = OpenClipLayout.wasOpenClip(source);
    JsonNode json = json(directory, source, openClip);
    return OpenedCheckpoint.of(
        directory,
        json,
        source,
        tensors -> ClipArchitecture.of(json, tensors),
        architecture ->
            transform(
                directory,
                architecture.imageSize(),
                openClip
                    ? ImageTransform.CropRounding.HALF_EVEN
                    : ImageTransform.CropRounding.DOWN),
        ClipArchitecture::spec);
  }

  private static Path directory(Path file) {
    return Objects.requireNonNull(file.toAbsolutePath().getParent());
  }

  /** The configuration, which files of open_clip may lack: their keys say almost everything. */
  private static JsonNode json(Path directory, WeightSource source, boolean openClip) {
    Path config = directory.resolve("config.json");
    if (openClip && !Files.exists(config)) {
      return OpenClipLayout.config(ModelJson.optional(directory.resolve(OPEN_CLIP_CONFIG)));
    }
    try {
      return ModelJson.require(config, "configuration of CLIP");
    } catch (RuntimeException e) {
      source.close();
      throw e;
    }
  }

  static TextTokenizer tokenizer(OpenedCheckpoint<ClipArchitecture> opened) {
    return opened.tokenizer(opened.architecture().text().maxPositionEmbeddings());
  }

  /** How images are prepared: as {@code preprocessor_config.json} says, if it is there. */
  static ImageTransform transform(
      Path directory, int imageSize, ImageTransform.CropRounding rounding) {
    return ImageTransform.read(
            directory.resolve("preprocessor_config.json"), ImageTransform.clip(imageSize, rounding))
        .requireSquare(imageSize, directory);
  }
}
