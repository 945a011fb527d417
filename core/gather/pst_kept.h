/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept: of a scope that grows, who holds what stays of its growth.
 *
 * The code that happens to grow a pool says little: it may give back all it took.  So of a scope that is looked into
 * (pst_close.h) only those samples count that are still there some seconds later.
 *
 * Who is to blame for a stack says pst_blame.h; sums are by module.  A module is named when with all but certainty more
 * than half of what stayed is its own, by pst_blame_is_sure(); once named it stays until another one is, or it holds
 * less than a third.
 *
 * Called by: start, watchdog
 */
#ifndef PST_KEPT_H
#define PST_KEPT_H

#include "pst_record.h"

/** Child, once, with the call sites. */
void pst_kept_start(const pst_board_t *board, pst_shared_child_t *block);

/** Watchdog, once a second: judge the samples and publish who holds what, for the scopes as a whole and for call
 *  sites. */
void pst_kept_judge(apr_uint64_t now);

/** Of what part of a scope. */
typedef enum {
    PST_KEPT_SCOPE = 0,         /**< all of it: of what is a scope */
    PST_KEPT_CLASS,             /**< all pools of a class, of whatever scope */
    PST_KEPT_SLOT               /**< the connection in a slot, or its request: PST_KEPT_SLOT + scope */
} pst_kept_part_e;

/**
 * Who holds most of what stayed of a part, as of the last judgement. Watchdog.
 * @param who   its site as it was named before, or 0: who was named stays while it holds a good part
 * @param part  pst_kept_part_e
 * @param which the scope, the class's row, the slot's index
 * @return 0 if it is not known
 */
int pst_kept_who(pst_shared_who_t *who, unsigned part, apr_uint32_t which);

#endif /* PST_KEPT_H */
