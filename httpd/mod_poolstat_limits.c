/* SPDX-License-Identifier: Apache-2.0
 *
 * PoolStatWarn: log in the error log what crossed a limit.
 *
 * Place in the flow: accounts -> pst_crossing -> HERE -> the error log.
 *
 * Concurrency: normally the child's watchdog thread logs, within a second. Without a watchdog, the
 * thread that closes the connection or request logs. The rest is logged when the child ends.
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
#define NAMES_WITHIN 500                     /* milliseconds for the helper that looks up names and lines */
#define PATIENCE (120 * APR_USEC_PER_SEC)    /* how long to wait until the owner is known */

static const char *const names[PST_WARN_COUNT] = { "", "connection", "request", "child" };

static struct {
    const pst_board_t *board;
    pst_shared_child_t *block;
    server_rec *server;
    int         watched;        /* there is a watchdog */
} g;

/* -- what is logged ---------------------------------------------------------- */

/* Which scope of a crossing grew most. */
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

/* For what crossed: who holds most of it, judged as the doctor judges it. */
typedef struct {
    pst_warn_e what;
    unsigned   scope;               /* the one that grew */
    const pst_shared_slot_t *at;    /* NULL: no connection, or it is gone */
} crossed_t;

/* By what stays in this connection or request itself. */
static int stays_of_it(pst_shared_who_t *who, const crossed_t *crossed)
{
    return crossed->at && crossed->what != PST_WARN_CHILD
           && pst_kept_who(who, PST_KEPT_SLOT + crossed->scope,
                           (apr_uint32_t)(crossed->at - pst_board_slot(g.board, g.block, 0)));
}

/* By what stays in all that are like it. */
static int stays_of_all(pst_shared_who_t *who, const crossed_t *crossed)
{
    return pst_kept_who(who, PST_KEPT_SCOPE, crossed->scope);
}

/* Whoever made it cross holds most of it through that one growth, as a request keeps what it took. Without a watchdog
 * there is nothing else to judge by. */
static int crossing_is_most(const pst_crossing_t *crossing, unsigned scope)
{
    return crossing->is_most && (scope == PST_SCOPE_REQUEST || !__atomic_load_n(&g.watched, __ATOMIC_RELAXED));
}

/* Or, a moment later, going by the profile. */
static int crossing_holds_most(const pst_crossing_t *crossing, unsigned scope)
{
    pst_who_t who;

    return pst_who_of_stack(&who, pst_board_module(g.board, 0), crossing->frames, crossing->depth)
           && pst_site_holds_most(scope, PST_FRAME_MODULE(who.site));
}

/* "mod_x.so function+0x1f, 94 % of what stayed". @return NULL if it is not to be logged */
static const char *place_of_stack(char *to, const pst_shared_frame_t *frames, unsigned depth, unsigned share)
{
    pst_shared_module_t modules[PST_MODULE_COUNT];
    char text[PST_WHO_LEN];
    pst_who_t who;

    memcpy(modules, pst_board_module(g.board, 0), sizeof(modules));
    for (unsigned i = 0; i < PST_MODULE_COUNT; i++) {
        modules[i].name[PST_MODULE_LEN - 1] = '\0';
    }
    if (__atomic_load_n(&g.watched, __ATOMIC_RELAXED)) {    /* our own thread, which may wait for names */
        pst_place_resolve_stack(modules, frames, depth, NAMES_WITHIN);
    }
    if (!pst_who_of_stack(&who, modules, frames, depth)) {
        return NULL;
    }
    apr_snprintf(to, TEXT_LEN, share ? "%s, %u %% of what stayed" : "%s", pst_who_text(text, &who), share / 10u);
    return to;
}

static const char *code_by_what_stays(char *to, const crossed_t *crossed,
                                      int (*stays)(pst_shared_who_t *, const crossed_t *))
{
    pst_shared_frame_t frames[PST_SITE_FRAMES];
    pst_shared_who_t who = { .site = 0 };
    unsigned depth = stays(&who, crossed) ? pst_site_of(who.site, frames) : 0;

    return depth ? place_of_stack(to, frames, depth, who.share) : NULL;
}

/* -- logged later ------------------------------------------------------------ */

/* Crossings whose owner was not known yet. Used by the watchdog alone. */
static struct waiting_t {
    crossed_t    crossed;
    apr_uint64_t id, started, limit;
    apr_uint64_t since;             /* time; 0: free */
} waiting[PST_WARN_A_MINUTE];

static void wait_for_code(const crossed_t *crossed, const pst_crossing_t *crossing)
{
    for (unsigned i = 0; i < PST_WARN_A_MINUTE; i++) {
        if (!waiting[i].since) {
            waiting[i] = (struct waiting_t){ *crossed, crossing->slot.id, crossing->slot.request_started,
                                             crossing->limit, crossing->when };
            return;
        }
    }
}

static int waiting_is_there(const struct waiting_t *of)
{
    const pst_shared_slot_t *slot = of->crossed.at;

    if (of->crossed.what == PST_WARN_CHILD) {
        return 1;
    }
    return slot && __atomic_load_n(&slot->in_use, __ATOMIC_RELAXED) && pst_load(&slot->id) == of->id
           && (of->crossed.what != PST_WARN_REQUEST || pst_load(&slot->request_started) == of->started);
}

/* "connection 12" */
static const char *waiting_subject(char *to, const struct waiting_t *of)
{
    switch (of->crossed.what) {
    case PST_WARN_CHILD:
        return "the child";
    case PST_WARN_REQUEST:
        apr_snprintf(to, TEXT_LEN, "the request on connection %" APR_UINT64_T_FMT, of->id);
        return to;
    default:
        apr_snprintf(to, TEXT_LEN, "connection %" APR_UINT64_T_FMT, of->id);
        return to;
    }
}

static void tell_waiting(apr_uint64_t now)
{
    char site[TEXT_LEN], one[TEXT_LEN];

    for (unsigned i = 0; i < PST_WARN_A_MINUTE; i++) {
        struct waiting_t *of = &waiting[i];
        const char *who = NULL;

        if (of->since && waiting_is_there(of)) {
            who = code_by_what_stays(site, &of->crossed, stays_of_it);
            who = who ? who : code_by_what_stays(site, &of->crossed, stays_of_all);
        }
        if (who) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g.server,
                         "PST0027: %s, which crossed PoolStatWarn %s %" APR_UINT64_T_FMT ", is grown by %s",
                         waiting_subject(one, of), names[of->crossed.what], of->limit, who);
        }
        if (who || !waiting_is_there(of) || now - of->since > PATIENCE) {
            of->since = 0;
        }
    }
}

/* -- at once --------------------------------------------------------------- */

static int block_is_full(void)
{
    return __atomic_load_n(&g.block->level, __ATOMIC_RELAXED) == PST_LEVEL_FULL;
}

static const char *crossing_code(char *to, const pst_crossing_t *crossing)
{
    const crossed_t crossed = { crossing->what, scope_of(crossing), crossing->at };
    int watched = __atomic_load_n(&g.watched, __ATOMIC_RELAXED);
    const char *who = watched ? code_by_what_stays(to, &crossed, stays_of_it) : NULL;

    if (!who && crossing_is_most(crossing, crossed.scope)) {
        who = place_of_stack(to, crossing->frames, crossing->depth, 0);
    }
    if (!who && watched) {
        who = code_by_what_stays(to, &crossed, stays_of_all);
    }
    if (!who && crossing_holds_most(crossing, crossed.scope)) {
        who = place_of_stack(to, crossing->frames, crossing->depth, 0);
    }
    if (!who && watched && block_is_full() && (crossing->at || crossing->what == PST_WARN_CHILD)) {
        wait_for_code(&crossed, crossing);
        return "code not known yet (PST0027 will tell)";
    }
    return who ? who : "code not known";
}

/* Who it belongs to. */
static const char *about(char *to, const pst_shared_slot_t *slot)
{
    static const char *const kinds[PST_KIND_COUNT] = { "connection", "stream", "backend connection" };

    apr_snprintf(to, TEXT_LEN, "%s %" APR_UINT64_T_FMT " of %s to %s, its request %" APR_UINT64_T_FMT ", handler %s",
                 kinds[slot->kind], slot->id, slot->client, slot->vhost, slot->requests + 1,
                 slot->handler[0] ? slot->handler : "none yet");
    return to;
}

/* The request line comes from the client, and goes last, so that it cannot fake anything after it.
 * ap_log_error() escapes control characters. */
static void log_crossing(const pst_crossing_t *crossing)
{
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
        tell_waiting(now);
    }
    pst_leave_beat(now);
}

/* The child ends. A forked copy of it may get here too. */
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
