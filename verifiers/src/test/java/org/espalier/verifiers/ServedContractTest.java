package org.espalier.verifiers;

import org.espalier.spi.Verifier;
import org.espalier.testkit.VerifierContract;
import org.junit.jupiter.api.AfterEach;

class ServedContractTest extends VerifierContract {
  private final ChatStub stub = new ChatStub();

  @AfterEach
  void stop() {
    stub.close();
  }

  @Override
  protected Verifier create() {
    return new ServedProvider().load(ServedJudgeTest.config(stub).build(), ServedJudgeTest.CONTEXT);
  }
}
