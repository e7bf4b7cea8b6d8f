package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.Prompt;

/**
 * The questions that belong to a prompt, from its metadata in the form of <a
 * href="https://github.com/facebookresearch/GenEval2">GenEval 2</a>'s {@code geneval2_data.jsonl}:
 * {@code vqa_list}, pairs of a question and its answer, and {@code skills}, one a question, which
 * may be missing.
 *
 * @param atoms the questions
 */
record VqaList(List<Atom> atoms) {
  /**
   * A question.
   *
   * @param question in words
   * @param answer that is right
   * @param skill that it tests; empty where it is not said
   */
  record Atom(String question, String answer, String skill) {
    boolean isYes() {
      return answer.strip().equalsIgnoreCase("yes");
    }
  }

  /**
   * Reads a prompt's metadata.
   *
   * @param prompt with metadata
   */
  static VqaList of(Prompt prompt) throws UnfitMetadata {
    Object value = prompt.metadata().get("vqa_list");
    if (!(value instanceof List<?> list) || list.isEmpty()) {
      throw new UnfitMetadata("Its metadata have no vqa_list, a list of questions and answers.");
    }
    Object named = prompt.metadata().getOrDefault("skills", List.of());
    if (!(named instanceof List<?> skills) || !(skills.isEmpty() || skills.size() == list.size())) {
      throw new UnfitMetadata("The skills of its metadata are not one a question of its vqa_list.");
    }
    List<Atom> atoms = new ArrayList<>();
    for (Object entry : list) {
      if (!(entry instanceof List<?> pair
          && pair.size() == 2
          && pair.get(0) instanceof String question
          && pair.get(1) instanceof String answer
          && !question.isBlank()
          && !answer.isBlank())) {
        throw new UnfitMetadata(
            "The entry (" + entry + ") of its vqa_list is no pair of a question and an answer.");
      }
      String skill = skills.isEmpty() ? "" : String.valueOf(skills.get(atoms.size()));
      atoms.add(new Atom(question, answer, skill));
    }
    return new VqaList(List.copyOf(atoms));
  }
}
