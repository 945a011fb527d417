/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses: children that ended without a word though httpd did not stop, with what their blocks had last.  The last
 * PST_LOSS_COUNT are on the board, large ones longest.
 *
 * The signal is what httpd says of it; whether the kernel's OOM killer sent it, is told by how its count went up.
 *
 * Called by: parent
 */
#ifndef PST_LOSSES_H
#define PST_LOSSES_H

#include "pst_board.h"
#include "pst_oom.h"

/** What is remembered of the OOM killer's count. Zeros: nothing yet. The parent's alone. */
typedef struct pst_oom_watch_t {
    pst_oom_e    kind;
    apr_uint64_t before, seen;  /**< as of the look before the last, and of the last */
    apr_uint64_t told_before, told; /**< kills since then that were told of a child */
} pst_oom_watch_t;

/** Parent, every ten seconds or so: what comes later is compared with this. Reads small files, never waits. */
void pst_oom_watch(pst_oom_watch_t *watch, pst_oom_e kind, apr_uint64_t kills);

/** How a child ended, as the parent knows it. */
typedef struct pst_loss_how_t {
    unsigned     signal;        /**< 0: not known */
    pst_signal_e signal_how;
    pst_oom_e    kind;          /**< what kills are counted; PST_OOM_UNKNOWN: nothing is known */
    apr_uint64_t kills;         /**< as counted now */
} pst_loss_how_t;

/** Parent, before its block is released: has this child a block, and did it not say that it ends? Never blocks. */
int pst_losses_is_one(const pst_board_t *board, apr_uint32_t pid);

/**
 * Parent, before the child's block is released: write down what the child had, if it did not say that it ends.
 * Allocates nothing, never waits; looks at a bounded part of the child's block.
 * @return whether there was such a block
 */
int pst_losses_add(const pst_board_t *board, apr_uint32_t pid, const pst_loss_how_t *how, pst_oom_watch_t *watch,
                   apr_uint64_t now);

#endif /* PST_LOSSES_H */
