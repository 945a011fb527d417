/* SPDX-License-Identifier: Apache-2.0
 *
 * Switching the heap profile on request: the child's side.
 *
 * Who asks writes what he wants into heap_asked of the child's block and rings its bell; the child's watchdog does so,
 * if it may and the rate is one that it takes, and says in heap_answered that it heard. What was asked of all children
 * of a generation stands in the header as well, for those that start later.
 *
 * Called by: start (pst_switch_start), watchdog
 */
#ifndef PST_SWITCH_H
#define PST_SWITCH_H

#include "pst_board.h"

/**
 * Child, before its watchdog starts.
 * @param obeys       somebody may ask: else what the board says is not heeded
 * @param configured  the rate by the configuration
 * @return the rate to begin with
 */
apr_uint64_t pst_switch_start(const pst_board_t *board, pst_shared_child_t *block, int obeys, apr_uint64_t configured);

/** The child's watchdog, each time it wakes. */
void pst_switch_beat(void);

#endif /* PST_SWITCH_H */
