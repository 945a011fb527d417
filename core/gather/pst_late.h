/* SPDX-License-Identifier: Apache-2.0
 *
 * What pools of the process scope have handed out since their slack was published.
 *
 * The owner of such a pool publishes its slack when it grows or is cleared, and no hook marks when it is idle. So the
 * child's watchdog checks once a second: used is exact when nothing moves.  Connections and requests are
 * published at hooks.
 *
 * Called by: watchdog
 */
#ifndef PST_LATE_H
#define PST_LATE_H

#include "pst_board.h"

/** Once a second, the child's watchdog: find it and publish it on the board. Bounded; pools are not changed. */
void pst_late_beat(pst_shared_child_t *block);

#endif /* PST_LATE_H */
