/** What models and verifiers cost on this machine; {@code espalier bench} measures with it. */
@NullMarked
package org.espalier.bench;

import org.jspecify.annotations.NullMarked;
