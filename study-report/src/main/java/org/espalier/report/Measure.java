package org.espalier.report;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.function.Function;
import org.espalier.records.CellRecord;
import org.jspecify.annotations.Nullable;

/** By what answers are judged. */
public enum Measure {
  /** The study's evaluator. */
  METRIC("metric", CellRecord::metric),
  /** The verifier that drove the search. */
  SCORE("score", CellRecord::score);

  private final String key;
  private final Function<CellRecord, @Nullable Double> value;

  Measure(String key, Function<CellRecord, @Nullable Double> value) {
    this.key = key;
    this.value = value;
  }

  /** Its name in JSON. */
  @JsonValue
  public String key() {
    return key;
  }

  /**
   * The value of a search's answer, or null where there is none.
   *
   * @param record a search
   */
  @Nullable Double of(CellRecord record) {
    return value.apply(record);
  }
}
