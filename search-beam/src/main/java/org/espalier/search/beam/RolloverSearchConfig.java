package org.espalier.search.beam;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;

/**
 * Parameters of rollover budget forcing.
 *
 * @param initial roots from which the first particle is chosen, positive; default 4
 * @param quota children each step may try, positive, or {@code auto} (default): as many as the
 *     budget affords; what a step does not use is rolled over to the next
 * @param batch children tried at once, positive; default 2
 */
public record RolloverSearchConfig(Integer initial, AutoInt quota, Integer batch) {
  public RolloverSearchConfig {
    initial =
        Ranges.atLeast(1, initial == null ? 4 : initial, "number of roots", "strategy.initial");
    quota =
        quota == null ? AutoInt.AUTO : quota.requirePositive("quota of a step", "strategy.quota");
    batch = Ranges.atLeast(1, batch == null ? 2 : batch, "batch", "strategy.batch");
  }
}
