package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextTokenizerTest {
  /** SentencePiece's Unigram model as in T5's tokenizer.json, with a small vocabulary. */
  private static final String UNIGRAM =
      """
      {"version": "1.0", "truncation": {"direction": "Right", "max_length": 3,
         "strategy": "LongestFirst", "stride": 0}, "padding": null,
       "added_tokens": [
         {"id": 0, "content": "<pad>", "special": true, "single_word": false, "lstrip": false,
          "rstrip": false, "normalized": false},
         {"id": 1, "content": "</s>", "special": true, "single_word": false, "lstrip": false,
          "rstrip": false, "normalized": false}],
       "normalizer": null,
       "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
       "post_processor": {"type": "TemplateProcessing",
         "single": [{"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "</s>", "type_id": 0}}],
         "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
         "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
       "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
       "model": {"type": "Unigram", "unk_id": 2, "byte_fallback": false, "vocab": [["<pad>", 0.0],
         ["</s>", 0.0], ["<unk>", 0.0], ["▁a", -2.0], ["▁red", -3.0], ["▁circle", -4.0],
         ["▁circ", -3.0], ["le", -3.5], ["s", -2.5], ["▁", -2.1]]}}
      """;

  @TempDir Path directory;
  private Path file;

  @BeforeEach
  void write() throws IOException {
    file = Files.writeString(directory.resolve("tokenizer.json"), UNIGRAM);
  }

  @Test
  void tokenizesByTheMostProbablePieces() {
    try (TextTokenizer tokenizer = TextTokenizer.open(file, 16)) {
      Tokens tokens = tokenizer.encode("a red circles");
      assertThat(tokens.ids()).containsExactly(3, 4, 5, 8, 1);
      assertThat(tokens.length()).isEqualTo(5);
      assertThat(tokens.truncated()).isFalse();
      assertThat(tokenizer.encode("").ids()).containsExactly(1);
    }
  }

  @Test
  void reportsTruncationAndKeepsTheEnd() {
    try (TextTokenizer tokenizer = TextTokenizer.open(file, 3)) {
      Tokens tokens = tokenizer.encode("a red circles");
      assertThat(tokens.ids()).containsExactly(3, 4, 1);
      assertThat(tokens.truncated()).isTrue();
      assertThat(tokenizer.encode("a red").truncated()).isFalse();
    }
  }

  @Test
  void padsOnDemand() {
    Tokens tokens = new Tokens(new long[] {5, 1}, 2, false).padded(4, 0);
    assertThat(tokens.ids()).containsExactly(5, 1, 0, 0);
    assertThat(tokens.mask()).containsExactly(1, 1, 0, 0);
    assertThat(tokens).isEqualTo(new Tokens(new long[] {5, 1, 0, 0}, 2, false));
    assertThatThrownBy(() -> tokens.padded(1, 0)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void refusesBadFiles() throws IOException {
    assertThatThrownBy(() -> TextTokenizer.open(directory.resolve("none.json"), 4))
        .hasMessageContaining("[CONFIG]")
        .hasMessageContaining("none.json");
    assertThatThrownBy(() -> TextTokenizer.open(file, 0)).hasMessageContaining("(0)");
    Files.writeString(file, "{\"model\": 3}");
    assertThatThrownBy(() -> TextTokenizer.open(file, 4))
        .hasMessageContaining("[CONFIG]")
        .hasMessageContaining(file.toString());
  }
}
