/* SPDX-License-Identifier: Apache-2.0
 *
 * A board of another version than this command: what its header describes can still be shown.
 */
#ifndef POOLSTAT_FOREIGN_H
#define POOLSTAT_FOREIGN_H

#include "poolstat_find.h"

/** The described figures of each child, as a table. @return a poolstat_exit_e */
int poolstat_foreign(const poolstat_board_t *board);

#endif /* POOLSTAT_FOREIGN_H */
