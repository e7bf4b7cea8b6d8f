package org.espalier.records;

/** What a line of a {@link RecordLog} says, in full or in part. */
public interface RecordEntry {
  /** Version of the record's form. */
  int schema();

  /** Key of the cell. */
  String cell();
}
