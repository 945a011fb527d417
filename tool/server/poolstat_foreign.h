/* SPDX-License-Identifier: Apache-2.0
 *
 * A board of another version than this command: what its header describes can still be shown.
 */
#ifndef POOLSTAT_FOREIGN_H
#define POOLSTAT_FOREIGN_H

#include "poolstat_find.h"

/** The described figures of each child, as a table. @return a poolstat_exit_e */
int poolstat_foreign(const poolstat_board_t *board);

/** Open the board, print it, or what a foreign one describes, and close it. @return a poolstat_exit_e */
int poolstat_with_board(poolstat_options_t *options,
                        int (*print)(const poolstat_board_t *, poolstat_options_t *, apr_pool_t *));

#endif /* POOLSTAT_FOREIGN_H */
