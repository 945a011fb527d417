/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /pool-status/release.  See mod_poolstat_release.h.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_control.h"
#include "mod_poolstat_release.h"

#include <apr_strings.h>
#include <http_protocol.h>

APLOG_USE_MODULE(poolstat);

#define WAIT         apr_time_from_sec(3)
#define POLL         apr_time_from_msec(10)

static void wait_for_released(request_rec *r, pst_release_asked_t *asked, const pst_board_t *board)
{
    apr_time_t until = apr_time_now() + WAIT;

    while (pst_release_look(asked, board) && apr_time_now() < until && !r->connection->aborted) {
        apr_sleep(POLL);
    }
}

int pst_release_serve(request_rec *r, const pst_board_t *board, pst_release_asked_t *asked, const char **sentence,
                      apr_pool_t *pool)
{
    pst_args_t args;
    int status = pst_control_admit(r, PST_FACE_RELEASE, &args, sentence, pool);

    if (status != OK) {
        return status;
    }
    pst_release_ask(asked, board, args.filter.pid, pool);
    if (!asked->count) {
        *sentence = apr_psprintf(pool, "There is no child with the process id %u.", (unsigned)args.filter.pid);
        return HTTP_NOT_FOUND;
    }
    wait_for_released(r, asked, board);
    ap_log_rerror(
        APLOG_MARK, APLOG_NOTICE, 0, r,
        "PST0012: memory was released on request, user %s: of %u children %u did, %u "
        "are at it, %u ended; %" APR_UINT64_T_FMT " bytes from allocators, %" APR_UINT64_T_FMT " from the heap, RSS "
        "%" APR_UINT64_T_FMT " before, %" APR_UINT64_T_FMT " after",
        pst_control_user(r), (unsigned)asked->count,
        (unsigned)(asked->count - asked->pending - asked->gone), (unsigned)asked->pending, (unsigned)asked->gone,
        asked->allocators_bytes, asked->heap_bytes, asked->rss_before, asked->rss_after);
    return OK;
}
