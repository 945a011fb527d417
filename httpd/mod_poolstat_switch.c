/* SPDX-License-Identifier: Apache-2.0
 *
 * See mod_poolstat_switch.h.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_control.h"
#include "mod_poolstat_switch.h"

#include <apr_strings.h>
#include <http_protocol.h>

APLOG_USE_MODULE(poolstat);

#define WAIT apr_time_from_sec(3)
#define POLL apr_time_from_msec(10)

/* @return OK: somebody was asked, and was waited for */
static int switch_children(request_rec *r, const pst_board_t *board, pst_asked_t *asked, pst_ask_e what,
                           apr_uint32_t pid, apr_uint64_t value, const char **sentence, apr_pool_t *pool)
{
    apr_time_t until = apr_time_now() + WAIT;

    if (pst_ask(asked, what, board, -1, pid, value, pool) != APR_SUCCESS || !asked->count) {
        *sentence = apr_psprintf(pool, "There is no child with the process id %u.", (unsigned)pid);
        if (asked->deaf) {
            *sentence = "These children began while PoolStatControl was Off, and do not listen.";
        }
        return HTTP_NOT_FOUND;
    }
    while (pst_ask_look(asked, board) && apr_time_now() < until && !r->connection->aborted) {
        apr_sleep(POLL);
    }
    return OK;
}

int pst_switch_heap_serve(request_rec *r, const pst_board_t *board, pst_asked_t *asked, const char **sentence,
                          apr_pool_t *pool)
{
    pst_args_t args;
    int status = pst_control_admit(r, PST_FACE_HEAP, &args, sentence, pool);

    if (status != OK) {
        return status;
    }
    if (!args.has_rate) {
        *sentence = "The argument \"rate\" is missing: " PST_ASK_RATES ".";
        return HTTP_BAD_REQUEST;
    }
    status = switch_children(r, board, asked, PST_ASK_HEAP, args.filter.pid, args.rate, sentence, pool);
    if (status == OK) {
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                      "PST0032: the heap profile was switched on request, user %s: a sample each %" APR_UINT64_T_FMT
                      " bytes (0: off); of %u children %u did, %u are at it", pst_control_user(r), asked->value,
                      (unsigned)asked->count, (unsigned)asked->done, (unsigned)asked->pending);
    }
    return status;
}

int pst_switch_checks_serve(request_rec *r, const pst_board_t *board, pst_asked_t *asked, const char **sentence,
                            apr_pool_t *pool)
{
    char error[PST_CHECKS_ERROR], text[PST_CHECKS_TEXT];
    pst_checks_t wanted;
    pst_args_t args;
    int status = pst_control_admit(r, PST_FACE_CHECK, &args, sentence, pool);

    if (status != OK) {
        return status;
    }
    if (!args.check || !pst_ask_checks(&wanted, args.check, error, pool)) {
        *sentence = args.check ? apr_pstrdup(pool, error)
                               : "The argument \"check\" is missing: Off, or what PoolStatCheck takes.";
        return HTTP_BAD_REQUEST;
    }
    status = switch_children(r, board, asked, PST_ASK_CHECKS, args.filter.pid, pst_checks_pack(&wanted), sentence,
                             pool);
    if (status == OK) {
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                      "PST0033: checks were switched on request, user %s, to %s: of %u children %u did, %u are at it",
                      pst_control_user(r), pst_checks_text(text, &wanted), (unsigned)asked->count,
                      (unsigned)asked->done, (unsigned)asked->pending);
    }
    return status;
}
