/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /pool-status/heap-profile.  See mod_poolstat_heap.h.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_control.h"
#include "mod_poolstat_heap.h"

#include <apr_strings.h>
#include <http_protocol.h>

APLOG_USE_MODULE(poolstat);

#define WAIT apr_time_from_sec(3)
#define POLL apr_time_from_msec(10)

static void wait_for_switched(request_rec *r, pst_switch_asked_t *asked, const pst_board_t *board)
{
    apr_time_t until = apr_time_now() + WAIT;

    while (pst_switch_look(asked, board) && apr_time_now() < until && !r->connection->aborted) {
        apr_sleep(POLL);
    }
}

int pst_heap_serve(request_rec *r, const pst_board_t *board, pst_switch_asked_t *asked, const char **sentence,
                   apr_pool_t *pool)
{
    pst_args_t args;
    int status = pst_control_admit(r, PST_FACE_HEAP, &args, sentence, pool);

    if (status != OK) {
        return status;
    }
    if (!args.has_rate) {
        *sentence = "The argument \"rate\" is missing: " PST_SWITCH_RATES ".";
        return HTTP_BAD_REQUEST;
    }
    if (pst_switch_ask(asked, board, -1, args.filter.pid, args.rate, pool) != APR_SUCCESS || !asked->count) {
        *sentence = apr_psprintf(pool, "There is no child with the process id %u.", (unsigned)args.filter.pid);
        if (asked->deaf) {
            *sentence = "These children began while PoolStatControl was Off, and do not listen.";
        }
        return HTTP_NOT_FOUND;
    }
    wait_for_switched(r, asked, board);
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                  "PST0032: the heap profile was switched on request, user %s: a sample each %" APR_UINT64_T_FMT
                  " bytes (0: off); of %u children %u did, %u are at it",
                  r->user ? ap_escape_logitem(r->pool, r->user) : "-", asked->rate, (unsigned)asked->count,
                  (unsigned)asked->done, (unsigned)asked->pending);
    return OK;
}
