/* SPDX-License-Identifier: Apache-2.0
 *
 * What pools of the process scope have handed out since their slack was published.
 *
 * Whoever owns such a pool publishes its slack when it grows or is cleared, and no hook says when it rests.  So the
 * child's watchdog looks once a second: used is exact when nothing moves.  Connections and requests are
 * published at hooks.
 *
 * Called by: watchdog
 */
#ifndef PST_LATE_H
#define PST_LATE_H

#include "pst_board.h"

/** Once a second, the child's watchdog: find it, and say it on the board. Bounded; nothing of a pool is changed. */
void pst_late_beat(pst_shared_child_t *block);

#endif /* PST_LATE_H */
