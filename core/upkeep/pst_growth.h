/* SPDX-License-Identifier: Apache-2.0
 *
 * Growth: the verdicts on the board. The writer of a child's history also judges it, so that readers find the verdict
 * ready: on the process scope from the history's points; on connections and their requests from series that the child
 * keeps privately while they exist.
 *
 * Called by: watchdog, parent (pst_growth_process)
 */
#ifndef PST_GROWTH_H
#define PST_GROWTH_H

#include "pst_board.h"

/**
 * Judge the process scope of a child, and its heap in use, by its history, and publish. Pools that serving creates on
 * demand and keeps, a bounded number per thread, are left out: a server warming up is not growing.
 * The history's writer, after a point was added; memory is kept from call to call, in this process.
 * @param coarse a coarse point was added too
 */
void pst_growth_process(const pst_board_t *board, pst_shared_child_t *child, int coarse);

/**
 * Child, its history's writer only, after a fine point was added: take a point for each connection and its request,
 * judge, publish. Does nothing if memory is short.
 */
void pst_growth_connections(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now);

/** The same for each class, by what its pools reserve, again leaving out a bounded number of them. Child, its
 *  history's writer only. */
void pst_growth_classes(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now);

#endif /* PST_GROWTH_H */
