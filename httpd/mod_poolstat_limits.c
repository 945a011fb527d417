/* SPDX-License-Identifier: Apache-2.0
 *
 * PoolStatWarn: what crossed a limit is told in the error log.
 *
 * Place in the flow: accounts -> pst_crossing -> HERE -> the error log.
 *
 * Concurrency: as a rule the child's watchdog thread logs, within a second.  Where there is
 * none, the thread does that closes what crossed.  What is left when the child ends is logged then.
 */
#include "mod_poolstat_private.h"
#include "pst_account.h"
#include "pst_kept.h"
#include "pst_site.h"
#include "pst_who.h"

#include <apr_strings.h>
#include <http_core.h>

APLOG_USE_MODULE(poolstat);

#define TEXT_LEN 512

static struct {
    const pst_board_t *board;
    pst_shared_child_t *block;
    server_rec *server;
    int         watched;        /* there is a watchdog */
} g;

/* -- what is told ---------------------------------------------------------- */

/* What grew, for the most part, of what crossed. */
static unsigned scope_of(const pst_crossing_t *crossing)
{
    const pst_shared_slot_t *slot = &crossing->slot;

    if (crossing->what == PST_WARN_REQUEST) {
        return PST_SCOPE_REQUEST;
    }
    if (crossing->what == PST_WARN_CHILD && !crossing->has_slot) {
        return PST_SCOPE_PROCESS;
    }
    return slot->request.reserved_bytes > slot->usage.reserved_bytes / 2 ? PST_SCOPE_REQUEST : PST_SCOPE_CONNECTION;
}

/* The stack of who is to blame, as the page has it: by what stays of this connection or request; or who made it grow,
 * if the pool that grew is most of it; or by what stays of all that are like it. */
static unsigned find_who(pst_shared_who_t *who, pst_shared_frame_t *frames, const pst_crossing_t *crossing)
{
    unsigned scope = scope_of(crossing);

    who->site = 0;
    who->share = 0;
    if (crossing->at && crossing->what != PST_WARN_CHILD
        && pst_kept_who(who, PST_KEPT_SLOT + scope,
                        (apr_uint32_t)(crossing->at - pst_board_slot(g.board, g.block, 0)))) {
        return pst_site_of(who->site, frames);
    }
    if (crossing->depth) {
        memcpy(frames, crossing->frames, sizeof(crossing->frames));
        return crossing->depth;
    }
    return pst_kept_who(who, PST_KEPT_SCOPE, scope) ? pst_site_of(who->site, frames) : 0;
}

/* "mod_x.so function+0x1f, 94 % of what stayed". */
static const char *crossing_code(char *to, const pst_crossing_t *crossing)
{
    pst_shared_module_t modules[PST_MODULE_COUNT];
    pst_shared_frame_t frames[PST_SITE_FRAMES];
    pst_shared_who_t found;
    unsigned depth = find_who(&found, frames, crossing);
    char text[PST_WHO_LEN];
    pst_who_t who;

    memcpy(modules, pst_board_module(g.board, 0), sizeof(modules));
    for (unsigned i = 0; i < PST_MODULE_COUNT; i++) {
        modules[i].name[PST_MODULE_LEN - 1] = '\0';
    }
    if (!pst_who_of_stack(&who, modules, frames, depth)) {
        return "code not known";
    }
    apr_snprintf(to, TEXT_LEN, found.share ? "%s, %u %% of what stayed" : "%s", pst_who_text(text, &who),
                 found.share / 10u);
    return to;
}

/* Whose it is. */
static const char *about(char *to, const pst_shared_slot_t *slot)
{
    static const char *const kinds[PST_KIND_COUNT] = { "connection", "stream", "backend connection" };

    apr_snprintf(to, TEXT_LEN, "%s %" APR_UINT64_T_FMT " of %s to %s, its request %" APR_UINT64_T_FMT ", handler %s",
                 kinds[slot->kind], slot->id, slot->client, slot->vhost, slot->requests + 1,
                 slot->handler[0] ? slot->handler : "none yet");
    return to;
}

/* The request line is the client's, and comes last: whatever it says, nothing after it can be mistaken.
 * ap_log_error() escapes what is no text. */
static void log_crossing(const pst_crossing_t *crossing)
{
    static const char *const names[PST_WARN_COUNT] = { "", "connection", "request", "child" };
    const pst_shared_slot_t *slot = &crossing->slot;
    const char *line = slot->line[0] ? slot->line : "no request line yet";
    char site[TEXT_LEN], who[TEXT_LEN], sums[128] = "";

    if (crossing->has_slot) {
        apr_snprintf(sums, sizeof(sums), "request %" APR_UINT64_T_FMT ", connection %" APR_UINT64_T_FMT ", ",
                     slot->request.reserved_bytes, slot->usage.reserved_bytes);
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g.server, "PST0013: a %s reserves %" APR_UINT64_T_FMT
                 " bytes, more than PoolStatWarn %s %" APR_UINT64_T_FMT " (%schild %" APR_UINT64_T_FMT
                 "): %s, grown by %s%s%s", names[crossing->what], crossing->reserved, names[crossing->what],
                 crossing->limit, sums, crossing->child,
                 crossing->has_slot ? about(who, slot) : "memory of no connection", crossing_code(site, crossing),
                 crossing->has_slot ? ": " : "", crossing->has_slot ? line : "");
}

static void tell_untold(apr_uint64_t count)
{
    if (count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g.server,
                     "PST0014: %" APR_UINT64_T_FMT " more have crossed a limit of "
                     "PoolStatWarn; a child tells %d of them a minute.",
                     count, PST_WARN_A_MINUTE);
    }
}

/* Any thread. */
static void tell_all(apr_uint64_t now)
{
    pst_crossing_t crossing;

    while (pst_crossing_take(&crossing)) {
        log_crossing(&crossing);
    }
    tell_untold(pst_crossing_minute(now));
}

/* -- when ------------------------------------------------------------------ */

static void on_child_end(void)
{
    if (!__atomic_load_n(&g.watched, __ATOMIC_RELAXED)) {
        tell_all((apr_uint64_t)apr_time_now());
    }
}

void pst_limits_beat(apr_uint64_t now)
{
    __atomic_store_n(&g.watched, 1, __ATOMIC_RELAXED);
    if (g.server) {
        tell_all(now);
    }
    pst_leave_beat(now);
}

/* The child ends. A forked copy of it may come here too. */
static apr_status_t tell_rest(void *unused)
{
    (void)unused;
    if (!pst_child_muted()) {
        tell_all((apr_uint64_t)apr_time_now());
        tell_untold(pst_crossing_untold());
    }
    return APR_SUCCESS;
}

static int warns(const pst_config_t *config)
{
    return config->warn[PST_WARN_CONNECTION] || config->warn[PST_WARN_REQUEST] || config->warn[PST_WARN_CHILD];
}

void pst_limits_post_config(const pst_board_t *board, server_rec *main_server, int watchdog)
{
    if (warns(pst_config_get(main_server)) && !watchdog) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server,
                     "PST0015: children have no watchdog: what crosses a limit "
                     "of PoolStatWarn is told when it ends.");
    }
    if (pst_config_get(main_server)->max_child) {
        pst_leave_post_config(board, main_server, watchdog);
    }
}

void pst_limits_child_init(const pst_board_t *board, pst_shared_child_t *block, apr_pool_t *pchild, server_rec *s)
{
    const pst_config_t *config = pst_config_get(s);

    if (warns(config)) {
        g.board = board;
        g.block = block;
        g.server = s;
        pst_crossing_start(config->warn, on_child_end);
        apr_pool_cleanup_register(pchild, NULL, tell_rest, apr_pool_cleanup_null);
    }
    if (config->max_child) {
        pst_leave_child_init(board, block, s);
    }
}
