/* SPDX-License-Identifier: Apache-2.0
 *
 * What if somebody truncates the board's file while we have it mapped, or the disk has no room for a page of it?  The
 * next touch is a SIGBUS, in every child, again and again: an outage.  The guard
 * catches it.
 *
 * Called by: any
 */
#ifndef PST_GUARD_H
#define PST_GUARD_H

#include "pst_board.h"

/**
 * Any process that maps a board for writing, before it touches it: from now on a SIGBUS on its mapping
 * makes a file that was cut whole again (zeros), if the board's descriptor is still open, or else puts private zeros in
 * the mapping's place; the process goes on, pst_board_intact() turns false.  Any other SIGBUS
 * goes to the handler that was there before; round and round it goes nowhere, see the .c.
 * Call again after httpd has set its own handlers (it does so in each child). In a forked process it guards nothing
 * until then.
 */
void pst_guard_set(const pst_board_t *board);

/** Give SIGBUS back to the handler that was there. */
void pst_guard_unset(void);

#endif /* PST_GUARD_H */
