/** Toys of the test kit as plugins. */
@NullMarked
package org.espalier.study.toys;

import org.jspecify.annotations.NullMarked;
