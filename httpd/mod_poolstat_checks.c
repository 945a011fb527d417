/* SPDX-License-Identifier: Apache-2.0
 *
 * See mod_poolstat_checks.h.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_checks.h"
#include "mod_poolstat_control.h"

#include <apr_strings.h>
#include <http_protocol.h>

APLOG_USE_MODULE(poolstat);

#define WAIT apr_time_from_sec(3)
#define POLL apr_time_from_msec(10)

static void wait_for_checking(request_rec *r, pst_checking_asked_t *asked, const pst_board_t *board)
{
    apr_time_t until = apr_time_now() + WAIT;

    while (pst_checking_look(asked, board) && apr_time_now() < until && !r->connection->aborted) {
        apr_sleep(POLL);
    }
}

int pst_checks_serve(request_rec *r, const pst_board_t *board, pst_checking_asked_t *asked, const char **sentence,
                     apr_pool_t *pool)
{
    char error[PST_CHECKS_ERROR], text[PST_CHECKS_TEXT];
    pst_checks_t wanted;
    pst_args_t args;
    int status = pst_control_admit(r, PST_FACE_CHECK, &args, sentence, pool);

    if (status != OK) {
        return status;
    }
    if (!args.check || !pst_checks_of_text(&wanted, args.check, error, pool)) {
        *sentence = args.check ? apr_pstrdup(pool, error)
                               : "The argument \"check\" is missing: Off, or what PoolStatCheck takes.";
        return HTTP_BAD_REQUEST;
    }
    if (pst_check_ask(asked, board, -1, args.filter.pid, &wanted, pool) != APR_SUCCESS || !asked->count) {
        *sentence = apr_psprintf(pool, "There is no child with the process id %u.", (unsigned)args.filter.pid);
        if (asked->deaf) {
            *sentence = "These children began while PoolStatControl was Off, and do not listen.";
        }
        return HTTP_NOT_FOUND;
    }
    wait_for_checking(r, asked, board);
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                  "PST0033: checks were switched on request, user %s, to %s: of %u children %u did, %u are at it",
                  r->user ? ap_escape_logitem(r->pool, r->user) : "-", pst_checks_text(text, &wanted),
                  (unsigned)asked->count, (unsigned)asked->done, (unsigned)asked->pending);
    return OK;
}
