/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept: for a growing scope, who holds the part of its growth that remains.
 *
 * The code that happens to grow a pool says little: it may release all it took. So for a scope under investigation
 * (pst_close.h) only samples that still exist some seconds later count.
 *
 * pst_blame.h decides who is to blame for a stack; sums are per module. A module is named when it almost certainly
 * holds more than half of what remained, by pst_blame_is_sure(); it stays named until another one is, or until it
 * holds less than a third.
 *
 * Called by: start, watchdog
 */
#ifndef PST_KEPT_H
#define PST_KEPT_H

#include "pst_record.h"

/** Child, once, with the call sites. */
void pst_kept_start(const pst_board_t *board, pst_shared_child_t *block);

/** Watchdog, once a second: judge the samples and publish who holds what, for whole scopes and for call sites. */
void pst_kept_judge(apr_uint64_t now);

/** Which part of a scope. */
typedef enum {
    PST_KEPT_SCOPE = 0,         /**< all of it: which is the scope */
    PST_KEPT_CLASS,             /**< all pools of a class, in any scope */
    PST_KEPT_SLOT               /**< the connection in a slot, or its request: PST_KEPT_SLOT + scope */
} pst_kept_part_e;

/**
 * Who holds most of what remained of a part, as of the last judgement. Watchdog.
 * @param who   its site as named before, or 0: a named site stays while it holds a large part
 * @param part  pst_kept_part_e
 * @param which the scope, the class's row, the slot's index
 * @return 0 if not known
 */
int pst_kept_who(pst_shared_who_t *who, unsigned part, apr_uint32_t which);

#endif /* PST_KEPT_H */
