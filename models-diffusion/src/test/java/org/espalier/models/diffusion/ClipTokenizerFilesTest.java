package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.espalier.api.EspalierException;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@NullUnmarked
class ClipTokenizerFilesTest {
  @TempDir Path directory;

  private Path files(String vocab) {
    TinyFlux.write(directory.resolve("vocab.json"), vocab);
    TinyFlux.write(
        directory.resolve("merges.txt"), "#version: 0.2\nc a\nt s</w>\nca ts</w>\nca t</w>\n");
    return directory.resolve("vocab.json");
  }

  private static final String VOCABULARY =
      "{\"c\": 0, \"a\": 1, \"t\": 2, \"s\": 3, \"a</w>\": 4, \"t</w>\": 5, \"s</w>\": 6,"
          + " \"ca\": 7, \"ts</w>\": 8, \"cats</w>\": 9, \"cat</w>\": 10, \",</w>\": 11,"
          + " \"'s</w>\": 14, \"'\": 15, \"2</w>\": 16,"
          + " \"<|startoftext|>\": 12, \"<|endoftext|>\": 13}";

  @Test
  void readsTheOldFormAsThePublishedTokenizerDoes() {
    try (TextTokenizer tokenizer = ClipTokenizerFiles.open(files(VOCABULARY), 8)) {
      // Lower-cased, words split from punctuation, merges applied in order, ends marked.
      assertThat(tokenizer.encode("A  Cat, cats").ids()).containsExactly(12, 4, 10, 11, 9, 13);
      assertThat(tokenizer.encode("").ids()).containsExactly(12, 13);
      // Digits stand alone.
      assertThat(tokenizer.encode("22").ids()).containsExactly(12, 16, 16, 13);
    }
  }

  @Test
  void cutsLongTextsAndKeepsTheirEnd() {
    try (TextTokenizer tokenizer = ClipTokenizerFiles.open(files(VOCABULARY), 4)) {
      Tokens tokens = tokenizer.encode("a cat a cat");
      assertThat(tokens.ids()).containsExactly(12, 4, 10, 13);
      assertThat(tokens.truncated()).isTrue();
    }
  }

  @Test
  void refusesAnotherVocabulary() {
    Path vocab = files("{\"a\": 0}");
    assertThatThrownBy(() -> ClipTokenizerFiles.open(vocab, 8))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The vocabulary "
                + vocab
                + " lacks the token <|startoftext|>.\n"
                + "Maybe it is not CLIP's.");
  }
}
