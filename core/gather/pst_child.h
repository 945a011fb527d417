/* SPDX-License-Identifier: Apache-2.0
 *
 * This child: its block of the board, and whether it still counts.
 *
 * Called by: start (pst_child_start), any
 */
#ifndef PST_CHILD_H
#define PST_CHILD_H

#include "pst_board.h"

/** Child, once, before any other thread: this is its block. It counts from now on. */
void pst_child_start(pst_shared_child_t *block);

/** Read by the calls below, and by pst_account.c, which charges more often than it calls. */
extern struct pst_child_t {
    pst_shared_child_t *block;
    uint64_t            reserved;   /* atomic: a copy of child_reserved_bytes of the block, which others can write to */
    int                 muted;
} pst_child;

/** The child's block, never NULL after start. Any thread. */
static APR_INLINE pst_shared_child_t *pst_child_block(void)
{
    return pst_child.block;
}

/** What the pools of this child reserve, as a basis for decisions. Any thread. */
static APR_INLINE apr_uint64_t pst_child_reserved(void)
{
    return pst_load(&pst_child.reserved);
}

/** From now on charges go nowhere: in a process forked from a child. Async-signal-safe. */
void pst_child_mute(void);

/** Any thread. */
static APR_INLINE int pst_child_muted(void)
{
    return pst_child.muted;
}

/** One of the child's own counters (a field of pst_shared_child_t), plus n. Any thread. */
#define PST_COUNT(field, n) do { if (!pst_child_muted()) pst_add(&pst_child_block()->field, (n)); } while (0)

#endif /* PST_CHILD_H */
