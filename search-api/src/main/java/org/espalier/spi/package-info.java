/**
 * What plugins implement: models, verifiers, and the providers through which {@link
 * java.util.ServiceLoader} finds them. Strategies must not import this package's model and verifier
 * types; they see {@link org.espalier.api} only.
 */
@NullMarked
package org.espalier.spi;

import org.jspecify.annotations.NullMarked;
