/* SPDX-License-Identifier: Apache-2.0
 *
 * Switching the heap profile on request: the child's side.
 *
 * The requester writes the wanted rate into heap_asked of the child's block and rings its bell; the child's watchdog
 * applies it, if allowed and if the rate is acceptable, and confirms in heap_answered. A request to all children of a
 * generation is also kept in the header, for those that start later.
 *
 * Called by: start (pst_switch_start), watchdog
 */
#ifndef PST_SWITCH_H
#define PST_SWITCH_H

#include "pst_board.h"

/**
 * Child, before its watchdog starts.
 * @param obeys       requests are allowed: else the board's requests are ignored
 * @param configured  the configured rate
 * @return the rate to begin with
 */
apr_uint64_t pst_switch_start(const pst_board_t *board, pst_shared_child_t *block, int obeys, apr_uint64_t configured);

/** The child's watchdog, each time it wakes. */
void pst_switch_beat(void);

#endif /* PST_SWITCH_H */
