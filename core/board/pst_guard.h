/* SPDX-License-Identifier: Apache-2.0
 *
 * What if somebody truncates the board's file while we have it mapped?  The
 * next touch is a SIGBUS, in every child, again and again: an outage.  The guard
 * catches it.
 */
#ifndef PST_GUARD_H
#define PST_GUARD_H

#include "pst_board.h"

/**
 * Any process that maps a board for writing: from now on a SIGBUS on its mapping
 * makes the file whole again (zeros), or, if that fails, puts private zeros in its
 * place; the process goes on, pst_board_intact() turns false.  Any other SIGBUS
 * goes to the handler that was there before.
 * Call again after httpd has set its own handlers (it does so in each child).
 */
void pst_guard_set(const pst_board_t *board);

/** Give SIGBUS back to the handler that was there. */
void pst_guard_unset(void);

#endif /* PST_GUARD_H */
