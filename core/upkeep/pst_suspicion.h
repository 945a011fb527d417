/* SPDX-License-Identifier: Apache-2.0
 *
 * Suspicion: which scopes of a child grow enough to be worth a closer look; and who is behind the growth that was
 * judged.
 *
 * It starts before a verdict is possible: samples that exist when the verdict comes show the culprit at once.
 *
 * Called by: watchdog
 */
#ifndef PST_SUSPICION_H
#define PST_SUSPICION_H

#include "pst_board.h"

/** Child, its watchdog, once a second: look at the sums of all scopes, judge the kept samples, and put the result in
 *  the verdicts. */
void pst_suspicion_beat(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now);

#endif /* PST_SUSPICION_H */
