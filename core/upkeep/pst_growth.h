/* SPDX-License-Identifier: Apache-2.0
 *
 * Growth: the verdicts that stand on the board.  Whoever writes a child's history
 * judges it too, so that those who look find the verdict ready: on the process
 * scope from the history's points; on connections and their requests from
 * series that the child keeps to itself, while they live.
 *
 * Called by: watchdog, parent (pst_growth_process)
 */
#ifndef PST_GROWTH_H
#define PST_GROWTH_H

#include "pst_board.h"

/**
 * Judge the process scope of a child by its history, and what of its heap is in use, and publish. Pools that serving
 * makes on demand and keeps, a bounded number by thread, are left out of it: of a server that warms up nothing grows.
 * The history's writer, after a point was added; memory is kept from call to call, in this process.
 * @param coarse a coarse point was added too
 */
void pst_growth_process(const pst_board_t *board, pst_shared_child_t *child, int coarse);

/**
 * Child, its history's writer alone, after a fine point was added: take a point of each
 * connection and its request, judge, publish. Does nothing if memory is short.
 */
void pst_growth_connections(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now);

/** The same of each class, by what its pools reserve, a bounded number of them left out again. Child, its history's
 *  writer alone. */
void pst_growth_classes(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now);

#endif /* PST_GROWTH_H */
