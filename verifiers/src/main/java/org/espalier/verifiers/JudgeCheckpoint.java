package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.torch.Device;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;

/**
 * A vision-language model's checkpoint whose files, keys and shapes fit together; no tensor has
 * been read.
 *
 * @param <P> an image as the model reads it
 * @param directory where it lies
 * @param json its {@code config.json}
 * @param source its weights, closed with this
 * @param form of its chats
 * @param decoder its decoder
 * @param imageToken the token that stands for a place of the image
 * @param mostImageTokens of an image of ordinary shape
 * @param loader loads the model on a device
 */
record JudgeCheckpoint<P>(
    Path directory,
    JsonNode json,
    WeightSource source,
    Form form,
    Decoder decoder,
    int imageToken,
    int mostImageTokens,
    Function<Device, VisionLanguageModel<P>> loader)
    implements AutoCloseable {

  /** The models that can be asked, each with the form of its chat, up to the answer. */
  enum Form {
    /** LLaVA-OneVision in the layouts of the hub and of transformers. */
    LLAVA_ONEVISION(
        "llava_onevision",
        "<image>",
        "<|im_start|>user\n<image>\n{question}<|im_end|>\n<|im_start|>assistant\n",
        "llava-hf's checkpoints: Apache-2.0",
        "llava-hf/llava-onevision-qwen2-7b-ov-hf",
        Set.of("llava-onevision", "qwen2", "siglip")),
    /** The same in the layout of its authors, whose chats begin with a system message. */
    LLAVA_NEXT(
        "llava",
        "<image>",
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image>\n"
            + "{question}<|im_end|>\n<|im_start|>assistant\n",
        "lmms-lab's checkpoints: Apache-2.0",
        "lmms-lab/llava-onevision-qwen2-7b-ov",
        Set.of("llava-onevision", "qwen2", "siglip")),
    /** Qwen2.5-VL. */
    QWEN2_5_VL(
        "qwen2_5_vl",
        "<|image_pad|>",
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
            + "<|vision_start|><|image_pad|><|vision_end|>{question}<|im_end|>\n"
            + "<|im_start|>assistant\n",
        "Qwen2.5-VL-7B: Apache-2.0, 3B: research only",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        Set.of("qwen-vl", "qwen2.5-vl")),
    /** Qwen3-VL. */
    QWEN3_VL(
        "qwen3_vl",
        "<|image_pad|>",
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{question}<|im_end|>\n"
            + "<|im_start|>assistant\n",
        "Qwen3-VL: Apache-2.0",
        "Qwen/Qwen3-VL-8B-Instruct",
        Set.of("qwen-vl", "qwen3-vl"));

    private final String modelType;
    private final String image;
    private final String chat;
    private final String licence;
    private final String example;
    private final Set<String> families;

    Form(
        String modelType,
        String image,
        String chat,
        String licence,
        String example,
        Set<String> families) {
      this.modelType = modelType;
      this.image = image;
      this.chat = chat;
      this.licence = licence;
      this.example = example;
      this.families = families;
    }

    /** A snapshot that is published. */
    String example() {
      return example;
    }
  }

  /**
   * What a judge asks.
   *
   * @param question with {@code {prompt}}
   * @param lead with which the answer begins, before it is read off; may be empty
   * @param answer made with the model's tokenizer
   * @param metric where it is not the answer's, else empty
   * @param data on which the published checkpoints were trained besides their families' own
   */
  record Asked(
      String question,
      String lead,
      Function<TextTokenizer, JudgeAnswer> answer,
      String metric,
      Set<String> data) {}

  /**
   * Opens a checkpoint and checks it.
   *
   * @param id of the provider, for bundles
   * @param weights as configured
   * @param forms that the provider takes
   * @param mostPixels of an image where the model has a limit, or null for its own
   */
  static JudgeCheckpoint<?> open(
      String id, String weights, Set<Form> forms, @Nullable Long mostPixels, LoadContext context) {
    Path directory = WeightsLocation.resolve(id, weights, context);
    JsonNode json =
        ModelJson.require(
            directory.resolve("config.json"), "configuration of a vision-language model");
    Form form = form(json, forms);
    WeightSource source = WeightSource.open(directory);
    try {
      return switch (form) {
        case LLAVA_ONEVISION, LLAVA_NEXT -> llava(directory, json, source, form);
        case QWEN2_5_VL, QWEN3_VL -> qwen(directory, json, source, form, mostPixels);
      };
    } catch (RuntimeException e) {
      source.close();
      throw e;
    }
  }

  private static Form form(JsonNode json, Set<Form> forms) {
    String type = json.path("model_type").asText("missing");
    for (Form form : forms) {
      if (type.equals(form.modelType) || (form == Form.LLAVA_NEXT && type.equals("llava_qwen"))) {
        return form;
      }
    }
    List<String> examples = forms.stream().sorted().map(Form::example).toList();
    throw EspalierException.config(
        "The model_type (" + type + ") of config.json is not one that this verifier reads.",
        "Maybe use a snapshot of " + String.join(" or ", examples) + ".");
  }

  private static JudgeCheckpoint<LlavaModel.Tiles> llava(
      Path directory, JsonNode stated, WeightSource file, Form form) {
    JsonNode json = form == Form.LLAVA_NEXT ? LlavaNextLayout.config(stated) : stated;
    WeightSource source =
        file.renamed(
            form == Form.LLAVA_NEXT ? LlavaNextLayout::canonical : LlavaArchitecture::canonical);
    LlavaArchitecture architecture = LlavaArchitecture.of(json, source);
    ImageTransform transform = ImageTransform.siglip(directory, architecture.imageSize());
    architecture.spec(source).check(source);
    return new JudgeCheckpoint<>(
        directory,
        json,
        source,
        form,
        architecture.decoder(),
        architecture.imageToken(),
        architecture.mostImageTokens(),
        device ->
            new LlavaModel(
                LlavaNetwork.load(architecture, source, device), architecture, transform));
  }

  private static JudgeCheckpoint<QwenPictures.Patches> qwen(
      Path directory, JsonNode json, WeightSource file, Form form, @Nullable Long mostPixels) {
    WeightSource source = file.renamed(QwenVlArchitecture::canonical);
    QwenVlArchitecture architecture = QwenVlArchitecture.of(json, source);
    Path preprocessor = directory.resolve("preprocessor_config.json");
    QwenPictures pictures =
        QwenPictures.of(
            ModelJson.optional(preprocessor), preprocessor, architecture.vision(), mostPixels);
    architecture.spec(source).check(source);
    return new JudgeCheckpoint<>(
        directory,
        json,
        source,
        form,
        architecture.decoder(),
        architecture.imageToken(),
        pictures.mostTokens(),
        device ->
            new QwenVlModel(
                QwenVlNetwork.load(architecture, source, device), architecture, pictures));
  }

  /** Checks that the question can be asked; loads nothing. */
  void check(Asked asked) {
    try (TextTokenizer tokenizer = tokenizer()) {
      question(asked, tokenizer, asked.answer.apply(tokenizer));
    }
  }

  /**
   * Loads the judge.
   *
   * @param id of its provider
   * @param asked what it asks
   */
  Verifier load(String id, Asked asked, LoadContext context) {
    Device device = TorchEngine.device(context);
    TextTokenizer tokenizer = tokenizer();
    try {
      JudgeAnswer answer = asked.answer.apply(tokenizer);
      JudgeQuestion question = question(asked, tokenizer, answer);
      return new JudgeVerifier<>(
          loader.apply(device),
          question,
          answer,
          tokenizer,
          device,
          new JudgeVerifier.Origin(
              id,
              asked.metric,
              source.sha256(),
              Provenance.of(json, form.licence, form.families, asked.data),
              Map.of("question", asked.question, "answer-begins", asked.lead)));
    } catch (RuntimeException e) {
      tokenizer.close();
      throw e;
    }
  }

  private TextTokenizer tokenizer() {
    return TextTokenizer.open(directory.resolve("tokenizer.json"), decoder.positions());
  }

  private JudgeQuestion question(Asked asked, TextTokenizer tokenizer, JudgeAnswer answer) {
    Map<String, Long> markers = new HashMap<>(tokenizer.markers());
    if (form == Form.LLAVA_NEXT) {
      // Its authors' code puts the image in by itself: any number that is no word will do.
      markers.put(form.image, (long) imageToken);
    }
    int limit = decoder.positions() - mostImageTokens + 1 - answer.steps().length;
    return new JudgeQuestion(
        form.chat + asked.lead, asked.question, tokenizer, markers, form.image, imageToken, limit);
  }

  @Override
  public void close() {
    source.close();
  }
}
