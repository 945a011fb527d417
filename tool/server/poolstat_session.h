/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at a server repeatedly: through restarts that recreate the board, and through its end.
 */
#ifndef POOLSTAT_SESSION_H
#define POOLSTAT_SESSION_H

#include "poolstat_find.h"

typedef struct poolstat_session_t {
    poolstat_options_t given;       /**< from the command line */
    poolstat_options_t options;     /**< as required by the board that was found */
    poolstat_board_t board;
    apr_pool_t *pool;               /**< of the board */
    apr_pool_t *tick;               /**< of the snapshot; cleared at each look */
    pst_snapshot_t snapshot;
    unsigned opened;                /**< how many boards were opened so far */
} poolstat_session_t;

/** Find and open. @return -1 to go on, else the status to end with; close it in any case */
int poolstat_session_open(poolstat_session_t *session, const poolstat_options_t *options);

/** Take a new snapshot, of a new board if there is one. @return -1, else the status to end with */
int poolstat_session_look(poolstat_session_t *session);

/** The same, with the doctor's findings in the snapshot. */
int poolstat_session_examine(poolstat_session_t *session);

void poolstat_session_close(poolstat_session_t *session);

#endif /* POOLSTAT_SESSION_H */
