package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.espalier.api.EspalierException;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;

/**
 * What a vision-language model is asked, in the form of its chat. The markers of the chat are
 * tokens; what the prompt contains is text, even where it looks like one of them.
 */
final class JudgeQuestion {
  /** Where the prompt stands in a question. */
  static final String PROMPT = "{prompt}";

  /** Where the question stands in a chat. */
  static final String QUESTION = "{question}";

  private final List<Piece> pieces = new ArrayList<>();
  private final String question;
  private final TextTokenizer tokenizer;
  private final int limit;

  /** A marker, or a text between two of them. */
  private record Piece(String text, long marker) {}

  /**
   * A question.
   *
   * @param chat one user's message with an image, up to the answer, with {@link #QUESTION}
   * @param question with {@link #PROMPT}
   * @param tokenizer of the model
   * @param marks numbers of the tokens that the chat may contain
   * @param image the image's marker, of which there must be one
   * @param imageToken its number, as the model's configuration says
   * @param limit the most tokens, the image counted as one
   */
  JudgeQuestion(
      String chat,
      String question,
      TextTokenizer tokenizer,
      Map<String, Long> marks,
      String image,
      int imageToken,
      int limit) {
    this.question = question;
    this.tokenizer = tokenizer;
    this.limit = limit;
    Long number = marks.get(image);
    if (number == null || number != imageToken) {
      throw EspalierException.config(
          "The tokenizer does not turn "
              + image
              + " into the model's image token ("
              + imageToken
              + ").",
          "Maybe tokenizer.json is another model's.");
    }
    Matcher markers =
        Pattern.compile(
                marks.keySet().stream()
                    .sorted(Comparator.comparing(String::length).reversed())
                    .map(Pattern::quote)
                    .collect(Collectors.joining("|")))
            .matcher(chat);
    int at = 0;
    while (markers.find()) {
      add(chat.substring(at, markers.start()));
      pieces.add(new Piece("", Objects.requireNonNull(marks.get(markers.group()))));
      at = markers.end();
    }
    add(chat.substring(at));
    if (read("a cat").truncated()) {
      throw EspalierException.config(
          "The question does not fit into the " + limit + " tokens that the model has for it.",
          "Maybe use a shorter question.");
    }
  }

  private void add(String text) {
    if (!text.isEmpty()) {
      pieces.add(new Piece(text, -1));
    }
  }

  /** The most tokens, the image counted as one. */
  int limit() {
    return limit;
  }

  private long[] encode(String prompt) {
    LongStream.Builder ids = LongStream.builder();
    for (Piece piece : pieces) {
      if (piece.marker >= 0) {
        ids.add(piece.marker);
      } else {
        String asked = question.replace(PROMPT, prompt);
        Arrays.stream(tokenizer.part(piece.text.replace(QUESTION, asked))).forEach(ids::add);
      }
    }
    return ids.build().toArray();
  }

  /**
   * The tokens of the question, with one for the image. Of a prompt that is too long the beginning
   * is asked for, as much of it as fits; the question round it stays whole.
   */
  Tokens read(String prompt) {
    long[] whole = encode(prompt);
    if (whole.length <= limit) {
      return new Tokens(whole, whole.length, false);
    }
    int fits = 0;
    int tooMany = prompt.codePointCount(0, prompt.length());
    long[] longest = encode("");
    while (tooMany - fits > 1) {
      int middle = (fits + tooMany) / 2;
      long[] ids = encode(prompt.substring(0, prompt.offsetByCodePoints(0, middle)));
      if (ids.length <= limit) {
        fits = middle;
        longest = ids;
      } else {
        tooMany = middle;
      }
    }
    return new Tokens(longest, longest.length, true);
  }

  /**
   * The tokens with as many for the image as it takes.
   *
   * @param tokens with one
   * @param imageToken the image's
   * @param places of the image
   */
  static long[] expand(Tokens tokens, int imageToken, int places) {
    return Arrays.stream(tokens.ids())
        .flatMap(id -> LongStream.generate(() -> id).limit(id == imageToken ? places : 1))
        .toArray();
  }
}
