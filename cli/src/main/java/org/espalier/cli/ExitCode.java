package org.espalier.cli;

import org.espalier.api.EspalierException;

/** What a command ends with; the help prints the same table. */
enum ExitCode {
  /** Everything went well. */
  DONE(0, "done"),
  /** Nobody but the authors of Espalier, or of a native library, can mend it. */
  DEFECT(1, "a defect of Espalier or of a native library"),
  /** The user, or the author of a plugin, can mend it. */
  USER_ERROR(2, "usage error, or a fault of the configuration, the environment or a plugin"),
  /** The command did its work, with holes. */
  SOME_FAILED(3, "some cells failed, or two runs differ");

  private final int code;
  private final String meaning;

  ExitCode(int code, String meaning) {
    this.code = code;
    this.meaning = meaning;
  }

  int code() {
    return code;
  }

  /** The line of the help. */
  String help() {
    return code + ":" + meaning;
  }

  /** The exit code of an error. */
  static ExitCode of(EspalierException.Code code) {
    return switch (code) {
      case CONFIG, CAPABILITY, BUDGET, RESOURCE, PLUGIN_CONTRACT -> USER_ERROR;
      case NATIVE -> DEFECT;
    };
  }
}
