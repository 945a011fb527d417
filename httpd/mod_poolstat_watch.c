/* SPDX-License-Identifier: Apache-2.0
 *
 * Histories: who writes them.  mod_watchdog runs a thread of ours in each child,
 * so that points are taken also while all workers are busy; it starts the thread
 * after the fork and joins it before the child is torn down, and a process forked
 * from the child has no such thread.  Without mod_watchdog the parent writes, in
 * its monitor hook, from what the board says: at its coarser beat, and without
 * verdicts on connections, whose series a child keeps to itself.
 */
#include "mod_poolstat_private.h"
#include "pst_account.h"
#include "pst_growth.h"
#include "pst_history.h"

#include <apr_optional.h>
#include <http_core.h>
#include <mod_watchdog.h>
#include <signal.h>

APLOG_USE_MODULE(poolstat);

#define WATCHDOG_NAME "_poolstat_"

/* Starting httpd with -D PoolStatNoWatchdog spares the thread. */
#define DEFINE_WITHOUT "PoolStatNoWatchdog"

static struct {
    const pst_board_t  *board;
    pst_shared_child_t *block;      /* in a child: its own, if it has a history */
    pst_history_by_e    by;
} g;

static void beat(pst_shared_child_t *block, apr_uint64_t now)
{
    int added = pst_history_beat(g.board, block, now);

    if (added) {
        pst_growth_process(g.board, block, added > 1);
        if (block == g.block) {
            pst_growth_connections(g.board, block, now);
            pst_growth_classes(g.board, block, now);
        }
    }
}

/* The process's signals are for the MPM's threads. */
static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

/* ap_watchdog_callback_fn_t, on the child's watchdog thread, ten times a second: whether a point is due
 * is decided by the clock, not by the watchdog's idea of an interval, which drifts. */
static apr_status_t on_watchdog(int state, void *data, apr_pool_t *pool)
{
    (void)data, (void)pool;
    if (state == AP_WATCHDOG_STATE_STARTING) {
        block_signals();
    }
    else if (state == AP_WATCHDOG_STATE_RUNNING && g.block && !pst_account_muted()) {
        beat(g.block, (apr_uint64_t)apr_time_now());
    }
    return APR_SUCCESS;
}

static int start_watchdog(apr_pool_t *pconf)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;

    return get && add && !ap_exists_config_define(DEFINE_WITHOUT)
           && get(&watchdog, WATCHDOG_NAME, 0, 0, pconf) == APR_SUCCESS
           && add(watchdog, AP_WD_TM_SLICE, NULL, on_watchdog) == APR_SUCCESS;
}

void pst_watch_post_config(const pst_board_t *board, apr_pool_t *pconf, server_rec *s)
{
    g.board = board;
    g.block = NULL;
    g.by = !board->history_size ? PST_HISTORY_OFF
         : start_watchdog(pconf) ? PST_HISTORY_BY_WATCHDOG : PST_HISTORY_BY_MONITOR;
    if (g.by == PST_HISTORY_BY_MONITOR) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "PST0008: there is no mod_watchdog: histories are written by the "
                     "parent, a point every ten seconds or so, and connections get no verdict.");
    }
    __atomic_store_n(&pst_board_header(board)->history_by, (apr_uint32_t)g.by, __ATOMIC_RELAXED);
}

static apr_status_t say_goodbye(void *block)
{
    pst_board_farewell(block);
    return APR_SUCCESS;
}

void pst_watch_child_init(const pst_board_t *board, pst_shared_child_t *block, apr_pool_t *pchild, server_rec *s)
{
    apr_status_t rv;

    if (pst_board_index(board, block) < 0) {
        return;
    }
    apr_pool_cleanup_register(pchild, block, say_goodbye, apr_pool_cleanup_null);
    if (g.by == PST_HISTORY_OFF) {
        return;
    }
    rv = pst_history_start(board, block);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s, "PST0009: there is no room for this child's history.");
        return;
    }
    g.block = block;
}

void pst_watch_monitor(void)
{
    apr_uint64_t now = (apr_uint64_t)apr_time_now();

    if (g.by != PST_HISTORY_BY_MONITOR) {
        return;
    }
    for (apr_uint32_t i = 0; i < g.board->child_count; i++) {
        pst_shared_child_t *block = pst_board_child(g.board, i);

        if (__atomic_load_n(&block->owner, __ATOMIC_RELAXED) && __atomic_load_n(&block->ready, __ATOMIC_ACQUIRE)) {
            beat(block, now);
        }
    }
}
