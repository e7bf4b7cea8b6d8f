package org.espalier.study;

/** The form of a prompt file. */
public enum PromptFormat {
  /** GenEval's evaluation_metadata.jsonl: one JSON object per line. */
  GENEVAL,
  /**
   * GenEval 2's geneval2_data.jsonl: the same with questions and answers; the number of atoms is
   * the tag.
   */
  GENEVAL2,
  /** T2I-CompBench's *_val.txt: one prompt per line, the category in the file's name. */
  T2I_COMPBENCH,
  /** DrawBench's CSV with the header Prompts,Category. */
  DRAWBENCH,
  /** PartiPrompts' TSV with the header Prompt, Category, Challenge, Note. */
  PARTI,
  /** ImageReward's JSON array of objects with id and prompt. */
  IMAGE_REWARD,
  /** A prompt a line. */
  TEXT
}
