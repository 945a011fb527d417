/* SPDX-License-Identifier: Apache-2.0
 *
 * A look at a board by a reader that can also look at its processes: which children exist, and how old the
 * figures are. httpd's faces print their own server and need none of this.
 */
#ifndef POOLSTAT_LOOK_H
#define POOLSTAT_LOOK_H

#include "poolstat_find.h"
#include "pst_history.h"

/** The file cannot have been left by a server: see pst_board_is_hollow(). */
#define POOLSTAT_HOLLOW (APR_OS_START_USERERR + 1)

/**
 * pst_snapshot_take(), as of now or, if the server is gone, of its last sign of life; children that ended without
 * notice are marked if the filter asks for those that ended.
 * @return as pst_snapshot_take(), and APR_EINCOMPLETE also for a board that was cut meanwhile; or POOLSTAT_HOLLOW
 */
apr_status_t poolstat_look(pst_snapshot_t *snapshot, const poolstat_board_t *board, const pst_filter_t *filter,
                           apr_pool_t *pool);

/**
 * pst_doctor_take(), which reads more of the board than a look did.
 * @return the same, and APR_EINCOMPLETE also for a board that was cut meanwhile
 */
apr_status_t poolstat_examine(pst_snapshot_t *snapshot, const poolstat_board_t *board, apr_pool_t *pool);

/**
 * Is the board still as it was opened? Call this after reading what is shown: what was cut off meanwhile reads as
 * zeros.
 * @return APR_SUCCESS or APR_EINCOMPLETE
 */
apr_status_t poolstat_whole(const poolstat_board_t *board);

/** Correct what is known about a child with a history. @param board a poolstat_board_t: a pst_view_correct_fn */
void poolstat_correct(void *board, pst_history_about_t *about);

/** The current state of a child on the board: "" (it runs), "stopped", "zombie", or how it ended. */
const char *poolstat_state(const poolstat_board_t *board, const pst_shared_child_t *head);

/** Say on stderr why there was no look. @return the status to end with */
int poolstat_read_failed(apr_status_t rv);

#endif /* POOLSTAT_LOOK_H */
