package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelState;
import org.espalier.spi.Root;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.TorchTensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JanusModelTest {
  private static final Prompt PROMPT = Prompt.of("1", "two blue squares");

  /** begin, user, colon, three words, assistant, colon, image. */
  private static final int PROMPT_TOKENS = 9;

  @TempDir Path directory;

  private GenerativeModel load(JanusConfig config) {
    return new JanusProvider().load(config, TinyModel.context(directory));
  }

  /** The image of one trajectory that follows a noise, or the preview at a step. */
  private static byte[] sample(GenerativeModel model, Noise noise, int steps) {
    List<ModelState> states = new ArrayList<>();
    try (Conditioning prompt = model.encode(List.of(PROMPT)).get(0)) {
      states.addAll(model.begin(List.of(new Root(prompt, noise))));
      while (states.size() <= steps) {
        ModelState last = states.get(states.size() - 1);
        states.addAll(model.expand(List.of(new Branch(last, prompt, List.of(noise)))).get(0));
      }
      ModelState last = states.get(states.size() - 1);
      return model.decode(List.of(new DecodeRow(last, prompt))).get(0).image().rgb();
    } finally {
      states.forEach(ModelState::close);
    }
  }

  private static Noise noise(int i) {
    return new Noise.Keyed(DrawKey.root(3).child(i));
  }

  @Test
  void theMostProbableImageIsTheSameWhateverAStepIs() {
    Path weights = TinyJanus.write(directory);
    byte[] expected = null;
    for (int stepTokens : List.of(1, 3, 9)) {
      try (GenerativeModel model = load(TinyJanus.config(weights, stepTokens))) {
        assertThat(model.card().horizon()).isEqualTo(9 / stepTokens);
        byte[] image = sample(model, new Noise.Mode(), 9 / stepTokens);
        assertThat(image).isEqualTo(expected == null ? image : expected);
        expected = image;
        Cost whole = Cost.ZERO;
        for (int step = 0; step < model.card().horizon(); step++) {
          whole = whole.plus(model.quote(new Work.Step(PROMPT, step, 1, false)));
        }
        assertThat(whole.nfe()).as("one evaluation a token").isEqualTo(9);
        assertThat(whole.rows()).as("the prompt gives the first token").isEqualTo(2 * 8);
      }
    }
  }

  @Test
  void siblingsShareTheLastTokenOfTheirParent() {
    try (GenerativeModel model = load(TinyJanus.config(TinyJanus.write(directory), 3))) {
      Cost one = model.quote(new Work.Step(PROMPT, 1, 1, false));
      Cost four = model.quote(new Work.Step(PROMPT, 1, 4, false));
      assertThat(one.rows()).isEqualTo(2 * 3);
      assertThat(four.rows()).isEqualTo(2 * (1 + 4 * 2));
      assertThat(model.quote(new Work.Step(PROMPT, 1, 4, true)).rows()).isEqualTo(2 * 4 * 2);
      assertThat(four.nfe()).isEqualTo(12);
    }
  }

  @Test
  void previewsShowWhatIsDrawn() {
    try (GenerativeModel model = load(TinyJanus.config(TinyJanus.write(directory), 3))) {
      byte[] first = sample(model, noise(1), 1);
      byte[] second = sample(model, noise(1), 2);
      byte[] whole = sample(model, noise(1), 3);
      assertThat(first).hasSize(6 * 6 * 3).isNotEqualTo(second);
      assertThat(second).isNotEqualTo(whole);
      assertThat(sample(model, noise(2), 3)).isNotEqualTo(whole);
    }
  }

  /** A count of its own, by hand, of every matrix product, attention and convolution. */
  @Test
  void flopsEqualAHandCount() {
    try (GenerativeModel model = load(TinyJanus.config(TinyJanus.write(directory), 3))) {
      // per token and layer: q and o 24 wide, k and v 12, feed-forward 48; 4 heads of 6 see `keys`
      long products = 2 * (2 * 32 * 24 + 2 * 32 * 12 + 3 * 32 * 48);
      long head = 2 * (32 * 40 + 40 * 24);
      long p = PROMPT_TOKENS;
      long prompt = 2 * (2 * (p * products + 4 * 4 * p * p * 6) + head);
      Cost encode = model.quote(new Work.Encode(PROMPT.text()));
      assertThat(encode.flops()).isEqualTo(prompt);
      assertThat(encode.rows()).isEqualTo(2);
      assertThat(encode.tokens()).isEqualTo(2 * p);
      long aligner = 2 * (4 * 32 + 32 * 32);
      for (int step = 0; step < 3; step++) {
        long[] token = new long[3];
        for (int j = 0; j < 3; j++) {
          long keys = p + 3L * step + j; // with itself; j = 0 is the last token of the step before
          token[j] = aligner + 2 * (2 * (products + 4 * 4 * keys * 6) + head);
        }
        long once = step == 0 ? 0 : token[0];
        assertThat(model.quote(new Work.Step(PROMPT, step, 2, false)).flops())
            .isEqualTo(once + 2 * (token[1] + token[2]));
      }
      long coarse = 9;
      long fine = 36;
      long block = 2 * 2 * 32 * 9 * 32;
      long attention = 4 * 2 * coarse * 32 * 32 + 4 * coarse * coarse * 32;
      assertThat(model.quote(new Work.Decode(PROMPT, 1)).flops())
          .isEqualTo(
              2 * coarse * 4 * 32
                  + 2 * coarse * 32 * 9 * 32
                  + 2 * coarse * block
                  + attention
                  + coarse * block
                  + attention
                  + 2 * fine * 32 * 9 * 32
                  + fine * block
                  + 2 * fine * 32 * 9 * 3);
      WorkCounters before = model.counters();
      sample(model, noise(1), 3);
      Cost quoted = encode.plus(model.quote(new Work.Decode(PROMPT, 3)));
      for (int step = 0; step < 3; step++) {
        quoted = quoted.plus(model.quote(new Work.Step(PROMPT, step, 1, false)));
      }
      assertThat(model.counters().since(before).flops()).isEqualTo(quoted.flops());
    }
  }

  @Test
  void withoutGuidanceThereIsOneRow() {
    Path weights = TinyJanus.write(directory);
    try (GenerativeModel model =
        load(new JanusConfig(weights.toString(), null, 1., null, null, null))) {
      assertThat(model.card().horizon()).as("a row of the raster a step").isEqualTo(3);
      assertThat(model.quote(new Work.Step(PROMPT, 1, 1, false)).rows()).isEqualTo(3);
      assertThat(sample(model, noise(1), 3)).hasSize(6 * 6 * 3);
    }
  }

  @Test
  void everyLayoutIsTheSameModel() {
    byte[] expected = null;
    List<UnaryOperator<String>> layouts =
        List.of(
            UnaryOperator.identity(),
            JanusParityTest::deepSeekName,
            name -> name.startsWith("model.") ? name.substring(6) : name);
    for (int i = 0; i < layouts.size(); i++) {
      Path weights = TinyJanus.write(directory.resolve("layout" + i), layouts.get(i));
      try (GenerativeModel model = load(TinyJanus.config(weights, 3))) {
        byte[] image = sample(model, noise(1), 3);
        assertThat(image).isEqualTo(expected == null ? image : expected);
        expected = image;
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1b, 1.50", "7b, 6.65"})
  void publishedSizesHaveTheirParameters(String name, double billions) {
    long decoder = JanusArchitecture.published(name).weights().parameters();
    assertThat(decoder / 1e9).isCloseTo(billions, within(0.06 * billions));
    new JanusProvider().check(JanusConfig.of("random:" + name), TinyModel.context(directory));
    assertThat(VqArchitecture.publishedJanus().stride()).isEqualTo(16);
  }

  private void refused(JanusConfig config, String... parts) {
    long live = TorchTensor.liveBytes();
    assertThatThrownBy(() -> load(config).close())
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[CONFIG] ")
        .hasMessageContaining("\nMaybe ")
        .hasMessageContainingAll(parts);
    assertThat(TorchTensor.liveBytes()).isEqualTo(live);
  }

  @Test
  void refusesWhatDoesNotFit() throws IOException {
    refused(JanusConfig.of("random:3b"), "3b");
    TinyJanus.write(directory);
    JanusConfig here = JanusConfig.of(directory.toString());
    refused(TinyJanus.config(directory, 2), "(2)", "[1, 3, 9]");
    String tokenizer = Files.readString(directory.resolve("tokenizer.json"));
    Files.writeString(
        directory.resolve("tokenizer.json"), tokenizer.replace("begin_of_image", "image of a"));
    refused(here, "no special token <begin_of_image>");
    Files.writeString(directory.resolve("tokenizer.json"), tokenizer);
    Files.writeString(
        directory.resolve("config.json"), "{\"text_config\": {\"num_hidden_layers\": 3}}");
    refused(here, "2 layers", "says 3");
    Files.writeString(directory.resolve("config.json"), "{}");
    refused(here, "text_config", "language_config");
    Files.delete(directory.resolve("config.json"));
    refused(here, "config.json");
    assertThatThrownBy(() -> new JanusConfig("w", 0, null, null, null, null))
        .hasMessageContaining("(0)");
    assertThatThrownBy(() -> new JanusConfig("w", null, -1., null, null, null))
        .hasMessageContaining("(-1.0)");
  }

  @Test
  void keysThatAreMissingOrUnknownAreNamed() throws IOException {
    TinyJanus.write(directory);
    JanusConfig here = JanusConfig.of(directory.toString());
    for (String key :
        List.of(
            "model.language_model.layers.1.mlp.up_proj.weight",
            "model.vqmodel.decoder.mid.attn_1.q.bias")) {
      Map<String, List<Long>> shapes = new LinkedHashMap<>();
      TinyJanus.shapes().forEach((n, shape) -> shapes.put(n.equals(key) ? n + "x" : n, shape));
      TinyModel.weights(directory.resolve("model.safetensors"), shapes, name -> name);
      String inside = key.replace("model.vqmodel.", "");
      refused(here, inside, inside + "x");
    }
  }

  @Test
  void promptsAreConversations() {
    TinyJanus.write(directory);
    try (PromptIds.Conversation text = PromptIds.Conversation.open(directory, 55)) {
      // begin, user, colon, words, assistant, colon, image
      assertThat(text.ids("a red star")).containsExactly(0, 3, 6, 7, 8, 12, 4, 6, 2);
      // what looks like a special token is text
      assertThat(text.ids("a <begin_of_image>")).startsWith(0, 3, 6, 7).endsWith(4, 6, 2);
      assertThat(text.ids("a <begin_of_image>")).containsOnlyOnce(2);
      assertThatThrownBy(() -> text.ids("a ".repeat(60)))
          .hasMessageStartingWith("[CONFIG] The prompt (120 characters)")
          .hasMessageContaining("more than the 55 tokens");
    }
  }
}
