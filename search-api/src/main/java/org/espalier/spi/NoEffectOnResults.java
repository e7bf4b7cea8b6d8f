package org.espalier.spi;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Marks a component of a configuration record that cannot change a result, such as the address of a
 * server, a timeout or the name of the variable that holds a key. It is left out of what a record
 * is known by, so a run can be resumed after it has changed.
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
public @interface NoEffectOnResults {}
