/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done once a second, and in which process.  Each child has a thread for it
 * (pst_thread.h), so that points of histories are taken also while all workers are busy.
 * If the thread is not wanted, the parent writes them in its monitor hook, from the board: less
 * often, and without verdicts on connections, whose series are private to a child.
 */
#include "mod_poolstat_private.h"
#include "pst_account.h"
#include "pst_books.h"
#include "pst_growth.h"
#include "pst_history.h"
#include "pst_memory.h"
#include "pst_outside.h"
#include "pst_profile.h"
#include "pst_release.h"
#include "pst_site_growth.h"
#include "pst_suspicion.h"
#include "pst_switch.h"
#include "pst_thread.h"

#include <http_core.h>
#include <unistd.h>

APLOG_USE_MODULE(poolstat);

/* Starting httpd with -D PoolStatNoWatchdog avoids the thread. */
#define DEFINE_WITHOUT "PoolStatNoWatchdog"

static struct {
    const pst_board_t  *board;
    pst_shared_child_t *own;        /* in a child: its own */
    pst_shared_child_t *block;      /* the same, if it has a history */
    pst_history_by_e    by;
    pst_books_keeper_t *keepers;    /* in the parent, if children have no watchdog: for each block */
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

/* Increases with each requested release, and with what the heap releases by itself. What allocators release gradually
 * changes RSS, which the books see. */
static apr_uint64_t released_so_far(void)
{
    return pst_load(&g.own->releases) + pst_load(&g.own->release_heap_bytes);
}

/* pst_thread_fn: the clock decides whether a point is due. */
static void on_watchdog(apr_uint64_t now)
{
    apr_uint64_t released;

    if (pst_child_muted()) {
        return;
    }
    pst_switch_beat();
    pst_profile_beat();
    pst_own_books_beat(now, g.board->interval);
    if (g.block) {
        beat(g.block, now);
    }
    pst_suspicion_beat(g.board, g.own, now);
    pst_site_growth_beat(g.board, g.own, now);
    pst_outside_beat(g.own, now);
    pst_limits_beat(now);
    pst_check_log_beat(now);
    released = released_so_far();
    pst_release_beat(now);
    if (released_so_far() != released) {
        pst_own_books_refresh();
    }
}

/* In the parent, for a child without watchdog. The pid is on the board, which any child can write to: only a
 * process that is our child is examined. */
static void watch_books(apr_uint32_t i, pst_shared_child_t *block, apr_uint64_t now)
{
    apr_uint32_t pid = __atomic_load_n(&block->owner, __ATOMIC_RELAXED);

    if (g.keepers && pst_memory_parent(pid) == (apr_uint32_t)getpid()) {
        pst_books_beat(&g.keepers[i], block, pid, now, g.board->interval);
    }
}

void pst_watch_post_config(const pst_board_t *board, apr_pool_t *pconf, server_rec *s)
{
    g.board = board;
    g.own = g.block = NULL;
    g.keepers = ap_exists_config_define(DEFINE_WITHOUT)
              ? apr_pcalloc(pconf, board->child_count * sizeof(*g.keepers)) : NULL;
    g.by = g.keepers ? PST_HISTORY_BY_MONITOR : PST_HISTORY_BY_WATCHDOG;
    if (!board->history_size) {
        g.by = PST_HISTORY_OFF;
    }
    if (g.by == PST_HISTORY_BY_MONITOR) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     "PST0008: children have no watchdog (-D " DEFINE_WITHOUT "): histories "
                     "are written by the parent, a point every ten seconds or so, and connections get no verdict.");
    }
    pst_limits_post_config(board, s, !ap_exists_config_define(DEFINE_WITHOUT));
    __atomic_store_n(&pst_board_header(board)->history_by, (apr_uint32_t)g.by, __ATOMIC_RELAXED);
}

int pst_watch_has_thread(void)
{
    return !ap_exists_config_define(DEFINE_WITHOUT);
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
    pst_limits_child_init(board, block, pchild, s);
    g.own = block;
    pst_own_books_start(block);
    if (g.by != PST_HISTORY_OFF) {
        rv = pst_history_start(board, block);
        if (rv == APR_SUCCESS) {
            g.block = block;
        }
        else {
            ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s, "PST0009: there is no room for this child's history.");
        }
    }
    if (ap_exists_config_define(DEFINE_WITHOUT)) {
        return;
    }
    rv = pst_thread_start(on_watchdog, &block->bell, pchild);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s, "PST0010: this child has no watchdog, and so no history.");
    }
}

void pst_watch_monitor(void)
{
    apr_uint64_t now = (apr_uint64_t)apr_time_now();

    if (!g.keepers && g.by != PST_HISTORY_BY_MONITOR) {
        return;
    }
    for (apr_uint32_t i = 0, count = pst_board_claimed(g.board); i < count; i++) {
        pst_shared_child_t *block = pst_board_child(g.board, i);

        if (__atomic_load_n(&block->owner, __ATOMIC_RELAXED) && __atomic_load_n(&block->ready, __ATOMIC_ACQUIRE)) {
            watch_books(i, block, now);
            if (g.by == PST_HISTORY_BY_MONITOR) {
                beat(block, now);
            }
        }
    }
}
