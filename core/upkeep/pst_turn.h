/* SPDX-License-Identifier: Apache-2.0
 *
 * The turn to leave: a token on the board that one child of the server has at a time.
 *
 * It says who has it and since when. Its holder keeps it until it has ended; a turn whose holder no longer owns a
 * block is free. The token is trusted only as a reason to wait: whatever a process writes there, at worst nobody
 * leaves.
 *
 * Called by: watchdog
 */
#ifndef PST_TURN_H
#define PST_TURN_H

#include "pst_board.h"

/**
 * Child: take the turn, or learn that it has it.  One look, never blocks.
 * @param pid  its own pid, that of the block it owns
 * @return 1 if it is this child's turn now
 */
int pst_turn_take(const pst_board_t *board, apr_uint32_t pid, apr_uint64_t now);

/** Child: release the turn if it is this child's. May also be called by a child that never took it. */
void pst_turn_give(const pst_board_t *board, apr_uint32_t pid);

#endif /* PST_TURN_H */
