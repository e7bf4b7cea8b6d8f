package org.espalier.report;

import org.espalier.records.CellRecord;

/**
 * What is summarised together: the searches of one arm on one model at one budget level.
 *
 * @param arm what is compared
 * @param model name of the model
 * @param level the budget as written
 */
public record Series(String arm, String model, String level) {

  /**
   * The series that a search belongs to.
   *
   * @param record a search
   */
  static Series of(CellRecord record) {
    return new Series(record.arm(), record.model(), record.level());
  }

  /**
   * Whether both differ in nothing but the budget.
   *
   * @param other another
   */
  boolean sameArm(Series other) {
    return arm.equals(other.arm) && model.equals(other.model);
  }

  /** Arm and model. */
  public String name() {
    return arm + " / " + model;
  }

  /** Arm, model and level. */
  @Override
  public String toString() {
    return name() + " @ " + level;
  }
}
