/**
 * What plugins implement: models, verifiers, and the providers through which {@link
 * java.util.ServiceLoader} finds them. Strategies must not import this package's model and verifier
 * types; they see {@link org.espalier.api} only.
 */
@API(status = API.Status.MAINTAINED, since = "0.1")
@NullMarked
package org.espalier.spi;

import org.apiguardian.api.API;
import org.jspecify.annotations.NullMarked;
