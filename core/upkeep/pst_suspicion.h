/* SPDX-License-Identifier: Apache-2.0
 *
 * Suspicion: which scopes of a child grow, so that their growth is worth a closer look; and who was found to be behind
 * what is judged to grow.
 *
 * It begins before a verdict can be: samples that are there when the verdict comes say at once whose it is.
 *
 * Called by: watchdog
 */
#ifndef PST_SUSPICION_H
#define PST_SUSPICION_H

#include "pst_board.h"

/** Child, its watchdog, once a second: look at the sums of all scopes, judge what is kept, and say so in the
 *  verdicts. */
void pst_suspicion_beat(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now);

#endif /* PST_SUSPICION_H */
