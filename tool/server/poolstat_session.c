/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_session.h.
 */
#include "poolstat_session.h"
#include "poolstat_look.h"
#include "poolstat_objects.h"
#include "pst_guard.h"

#include <apr_allocator.h>
#include <string.h>

int poolstat_session_open(poolstat_session_t *session, const poolstat_options_t *options)
{
    int status;

    memset(session, 0, sizeof(*session));
    session->given = session->options = *options;
    apr_pool_create(&session->pool, NULL);
    apr_pool_create(&session->tick, NULL);
    session->opened = 1;
    status = poolstat_open(&session->board, &session->options, 0, session->pool);
    if (status < 0) {
        poolstat_objects(&session->board, session->pool);
    }
    return status;
}

/*
 * A new board replaced the old one, or the old one broke. If there is no new one, the old one is still
 * shown while it is intact: its server may be stopping.
 */
static int reopen(poolstat_session_t *session)
{
    poolstat_options_t options = session->given;
    poolstat_board_t fresh;
    apr_pool_t *pool;
    int status;

    apr_pool_create(&pool, NULL);
    status = poolstat_open(&fresh, &options, 0, pool);
    if (status >= 0) {
        poolstat_close(&fresh);
        apr_pool_destroy(pool);
        pst_guard_set(&session->board.board);   /* the guard may have been on the new one for a while */
        return pst_board_intact(&session->board.board) ? -1 : status;
    }
    pst_board_close(&session->board.board);     /* the guard is the new one's now */
    apr_pool_destroy(session->pool);
    poolstat_objects(&fresh, pool);             /* after the old ones are gone with their pool */
    session->board = fresh;
    session->pool = pool;
    session->options = options;
    session->opened++;
    return -1;
}

int poolstat_session_look(poolstat_session_t *session)
{
    apr_status_t rv;
    int status = -1;

    if (poolstat_is_stale(&session->board)) {
        status = reopen(session);
    }
    if (status >= 0) {
        return status;
    }
    poolstat_refresh(&session->board, &session->options, session->pool);
    apr_pool_clear(session->tick);
    rv = poolstat_look(&session->snapshot, &session->board, &session->options.filter, session->tick);
    return rv == APR_SUCCESS ? -1 : poolstat_read_failed(rv);
}

int poolstat_session_examine(poolstat_session_t *session)
{
    int status = poolstat_session_look(session);
    apr_status_t rv;

    if (status >= 0) {
        return status;
    }
    rv = poolstat_examine(&session->snapshot, &session->board, session->tick);
    return rv == APR_SUCCESS ? -1 : poolstat_read_failed(rv);
}

void poolstat_session_close(poolstat_session_t *session)
{
    poolstat_close(&session->board);
    apr_pool_destroy(session->tick);
    apr_pool_destroy(session->pool);
}
