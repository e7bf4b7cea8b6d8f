package org.espalier.verifiers;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.espalier.api.Prompt;
import org.espalier.spi.VerifierCard;

/**
 * A question with its own answer, put to a judge as a prompt: the score asked for is the
 * probability that what the judge says begins with that answer, among all that it could say. Judges
 * that can tell it say so on their card; they put the question in the place of the prompt.
 */
final class OpenQuestion {
  /** The fact on the cards of judges that can be asked. */
  static final String FACT = "open-questions";

  private static final String ANSWER = "answer";
  private static final String KIND = "espalier-open-question";

  private static final List<String> NUMBERS =
      List.of(
          "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten");

  private OpenQuestion() {}

  /**
   * A question.
   *
   * @param question in words
   * @param answer one word
   */
  static Prompt of(String question, String answer) {
    return new Prompt("question", question, KIND, Map.of(ANSWER, answer));
  }

  /**
   * The ways to write the answer that is asked for, all in lower case: a number in words and in
   * digits.
   *
   * @param prompt any
   * @return empty where the prompt is no such question
   */
  static List<String> answers(Prompt prompt) {
    if (!prompt.tag().equals(KIND) || !(prompt.metadata().get(ANSWER) instanceof String answer)) {
      return List.of();
    }
    String word = answer.strip().toLowerCase(Locale.ROOT);
    int number = NUMBERS.indexOf(word);
    return number < 0 ? List.of(word) : List.of(word, String.valueOf(number));
  }

  /**
   * The forms in which a tokenizer may meet them: as they are and with a capital, at the start of a
   * text and behind a blank.
   *
   * @param answers from {@link #answers}
   */
  static List<String> forms(List<String> answers) {
    return answers.stream()
        .flatMap(
            word -> {
              String capital = word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1);
              // A digit behind a blank begins with the blank, which says nothing.
              return Character.isDigit(word.charAt(0))
                  ? Stream.of(word)
                  : Stream.of(word, capital, " " + word, " " + capital);
            })
        .distinct()
        .toList();
  }

  /**
   * Whether a judge can be asked such questions.
   *
   * @param card its card
   */
  static boolean canBeAsked(VerifierCard card) {
    return card.facts().containsKey(FACT);
  }
}
