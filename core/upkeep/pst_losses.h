/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses: children that ended abruptly while httpd was not stopping, with the last contents of their blocks. The last
 * PST_LOSS_COUNT are on the board; large ones stay longest.
 *
 * The signal is the one httpd reports; whether the kernel's OOM killer sent it is deduced from the increase of its
 * count.
 *
 * Called by: parent
 */
#ifndef PST_LOSSES_H
#define PST_LOSSES_H

#include "pst_board.h"
#include "pst_oom.h"

/** What is remembered about the OOM killer's count. Zeros: nothing yet. Used only by the parent. */
typedef struct pst_oom_watch_t {
    pst_oom_e    kind;
    apr_uint64_t before, seen;  /**< as of the look before the last, and of the last */
    apr_uint64_t told_before, told; /**< kills since then that were attributed to a child */
} pst_oom_watch_t;

/** Parent, every ten seconds or so: what comes later is compared with this. Reads small files, never blocks. */
void pst_oom_watch(pst_oom_watch_t *watch, pst_oom_e kind, apr_uint64_t kills);

/** How a child ended, as the parent knows it. */
typedef struct pst_loss_how_t {
    unsigned     signal;        /**< 0: not known */
    pst_signal_e signal_how;
    pst_oom_e    kind;          /**< what kills are counted; PST_OOM_UNKNOWN: nothing is known */
    apr_uint64_t kills;         /**< as counted now */
} pst_loss_how_t;

/** Parent, before its block is released: does this child have a block, and did it end abruptly? Never blocks. */
int pst_losses_is_one(const pst_board_t *board, apr_uint32_t pid);

/**
 * Parent, before the child's block is released: record what the child had, if it ended abruptly. Allocates nothing,
 * never blocks; looks at a bounded part of the child's block.
 * @return whether there was such a block
 */
int pst_losses_add(const pst_board_t *board, apr_uint32_t pid, const pst_loss_how_t *how, pst_oom_watch_t *watch,
                   apr_uint64_t now);

#endif /* PST_LOSSES_H */
