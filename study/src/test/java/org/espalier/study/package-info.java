@NullMarked
package org.espalier.study;

import org.jspecify.annotations.NullMarked;
