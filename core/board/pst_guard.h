/* SPDX-License-Identifier: Apache-2.0
 *
 * What if somebody truncates the board's file while we have it mapped, or the disk has no room for one of its pages?
 * The next access raises SIGBUS, in every child, again and again: an outage.  The guard
 * catches it.
 *
 * Called by: any
 */
#ifndef PST_GUARD_H
#define PST_GUARD_H

#include "pst_board.h"

/**
 * Any process that maps a board for writing, before it touches it: from now on a SIGBUS on its mapping
 * restores the length of a truncated file (with zeros) if the board's descriptor is still open, or else replaces the
 * mapping by private zeros; the process continues and pst_board_intact() becomes false. Any other SIGBUS goes to the
 * previous handler; it cannot loop, see the .c.
 * Call it again after httpd has set its own handlers (it does so in each child). In a forked process it guards
 * nothing until then.
 */
void pst_guard_set(const pst_board_t *board);

/** Restore the previous SIGBUS handler. */
void pst_guard_unset(void);

#endif /* PST_GUARD_H */
