/**
 * What authors of strategies, models and verifiers test with: toy models whose optimum is known,
 * contract classes to extend, and a JUnit extension that checks the books and the native states
 * after every test. No mocks: fakes that keep the rules.
 */
@API(status = API.Status.MAINTAINED, since = "0.1")
@NullMarked
package org.espalier.testkit;

import org.apiguardian.api.API;
import org.jspecify.annotations.NullMarked;
