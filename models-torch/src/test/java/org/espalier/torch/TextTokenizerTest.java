package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

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
  void whatLooksLikeASpecialTokenIsText() {
    try (TextTokenizer tokenizer = TextTokenizer.open(file, 64)) {
      for (String marker : List.of("</s>", "<pad>", "<unk>")) {
        long[] ids = tokenizer.encode("a " + marker + " circle").ids();
        assertThat(ids).as(marker).endsWith(5, 1).startsWith(3);
        // Before, </s> was one token, number 1, wherever it stood.
        assertThat(Arrays.copyOf(ids, ids.length - 1)).as(marker).doesNotContain(0, 1);
        assertThat(ids.length).as(marker).isGreaterThan(3);
      }
      assertThat(tokenizer.markers())
          .containsExactlyInAnyOrderEntriesOf(Map.of("<pad>", 0L, "</s>", 1L));
      assertThat(tokenizer.part("a red")).containsExactly(3, 4);
    }
  }

  /** One tokenizer.json of each kind, in the form of those that models are published with. */
  static List<Arguments> kinds() {
    String marker =
        "{\"id\": %d, \"content\": \"%s\", \"special\": %s, \"single_word\": false,"
            + " \"lstrip\": false, \"rstrip\": false, \"normalized\": false}";
    return List.of(
        // CLIP: byte-level BPE whose vocabulary and pre-tokenizer know the markers themselves.
        Arguments.of(
            "<|endoftext|>",
            """
            {"version": "1.0", "added_tokens": [%s], "normalizer": {"type": "Lowercase"},
             "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern":
               {"Regex": "<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|[\\\\p{L}]+|[^\\\\s\\\\p{L}]+"}, "behavior": "Removed",
               "invert": true}, {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}]},
             "post_processor": {"type": "RobertaProcessing", "sep": ["<|endoftext|>", 9],
               "cls": ["<|endoftext|>", 9], "trim_offsets": false, "add_prefix_space": false},
             "model": {"type": "BPE", "unk_token": "<|endoftext|>", "end_of_word_suffix": "</w>",
               "vocab": {"a": 0, "b": 1, "<": 2, "|": 3, ">": 4, "a</w>": 5, "b</w>": 6,
                 "></w>": 7, "n": 8, "<|endoftext|>": 9, "d": 10, "o": 11, "f": 12, "t": 13, "e": 14,
                 "x": 15, "|</w>": 16, "t</w>": 17}, "merges": []}}
            """
                .formatted(marker.formatted(9, "<|endoftext|>", true)),
            9L),
        // Qwen: markers beyond the vocabulary, some of which the file does not call special.
        Arguments.of(
            "<think>",
            """
            {"version": "1.0", "added_tokens": [%s, %s], "normalizer": null,
             "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
              "use_regex": true},
             "post_processor": null,
             "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "<": 2, "t": 3, ">": 4, "h": 5, "i": 6,
                 "n": 7, "k": 8, "\u0120": 9}, "merges": []}}
            """
                .formatted(
                    marker.formatted(20, "<|im_end|>", true),
                    marker.formatted(21, "<think>", false)),
            21L),
        // BERT: word pieces.
        Arguments.of(
            "[SEP]",
            """
            {"version": "1.0", "added_tokens": [%s, %s], "normalizer": null,
             "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
             "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
               "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "[SEP]": 1, "a": 2, "b": 3}}}
            """
                .formatted(marker.formatted(0, "[UNK]", true), marker.formatted(1, "[SEP]", true)),
            1L));
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void markersAreTextInEveryKindOfTokenizer(String marker, String json, long number)
      throws IOException {
    Files.writeString(file, json);
    try (TextTokenizer tokenizer = TextTokenizer.open(file, 64)) {
      assertThat(tokenizer.markers()).containsEntry(marker, number);
      assertThat(tokenizer.part("a " + marker + " b")).doesNotContain(number).hasSizeGreaterThan(2);
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
