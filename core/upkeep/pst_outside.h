/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing memory outside pools: who holds it. The books say which part grows and since when (pst_growth.h); the heap
 * profile says who got more of it since then (pst_profile.h).
 *
 * Called by: watchdog
 */
#ifndef PST_OUTSIDE_H
#define PST_OUTSIDE_H

#include "pst_board.h"

/** Child, its watchdog, once a second, after the verdicts: determine what each site holds, and name the culprit in
 *  the verdicts. */
void pst_outside_beat(pst_shared_child_t *child, apr_uint64_t now);

#endif /* PST_OUTSIDE_H */
