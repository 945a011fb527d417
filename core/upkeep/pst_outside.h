/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory outside of pools that grows: who holds it.  Which part grows, and since when, the books tell (pst_growth.h);
 * who got more of it since then, the heap profile (pst_profile.h).
 *
 * Called by: watchdog
 */
#ifndef PST_OUTSIDE_H
#define PST_OUTSIDE_H

#include "pst_board.h"

/** Child, its watchdog, once a second, after the verdicts: see what everybody holds, and say in the verdicts who it
 *  is. */
void pst_outside_beat(pst_shared_child_t *child, apr_uint64_t now);

#endif /* PST_OUTSIDE_H */
