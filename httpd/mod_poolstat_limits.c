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
#include "pst_object.h"

#include <apr_strings.h>
#include <http_core.h>

APLOG_USE_MODULE(poolstat);

#define TEXT_LEN 512

static struct {
    server_rec *server;
    int         watched;        /* there is a watchdog */
} g;

/* -- what is told ---------------------------------------------------------- */

/* "mod_x.so function+0x1f", the return address, as the page says it. */
static const char *place(char *to, const void *caller)
{
    const pst_object_t *object = caller ? pst_object_find(caller) : NULL;
    apr_uint64_t offset = object ? (apr_uint64_t)((apr_uintptr_t)caller - object->base) : 0, into;
    const char *function = object ? pst_object_symbol(object->id, offset, &into) : NULL;

    if (function) {
        apr_snprintf(to, TEXT_LEN, "%s %s+0x%" APR_UINT64_T_HEX_FMT, object->name, function, into + 1);
    }
    else if (object) {
        apr_snprintf(to, TEXT_LEN, "%s+0x%" APR_UINT64_T_HEX_FMT, object->name, offset);
    }
    return object ? to : "code not known";
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
static void tell(const pst_crossing_t *crossing)
{
    static const char *const names[PST_WARN_COUNT] = { "", "connection", "request", "child" };
    const pst_shared_slot_t *slot = &crossing->slot;
    char site[TEXT_LEN], who[TEXT_LEN], sums[128] = "";

    if (crossing->has_slot) {
        apr_snprintf(sums, sizeof(sums), "request %" APR_UINT64_T_FMT ", connection %" APR_UINT64_T_FMT ", ",
                     slot->request.reserved_bytes, slot->usage.reserved_bytes);
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g.server, "PST0013: a %s reserves %" APR_UINT64_T_FMT
                 " bytes, more than PoolStatWarn %s %" APR_UINT64_T_FMT " (%schild %" APR_UINT64_T_FMT
                 "): %s, grown by %s%s%s", names[crossing->what], crossing->reserved, names[crossing->what],
                 crossing->limit, sums, crossing->child,
                 crossing->has_slot ? about(who, slot) : "memory of no connection", place(site, crossing->caller),
                 crossing->has_slot ? ": " : "",
                 !crossing->has_slot ? "" : slot->line[0] ? slot->line : "no request line yet");
}

static void tell_untold(apr_uint64_t count)
{
    if (count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g.server, "PST0014: %" APR_UINT64_T_FMT " more have crossed a limit of "
                     "PoolStatWarn; a child tells %d of them a minute.", count, PST_WARN_A_MINUTE);
    }
}

/* Any thread. */
static void tell_all(apr_uint64_t now)
{
    pst_crossing_t crossing;

    while (pst_crossing_take(&crossing)) {
        tell(&crossing);
    }
    tell_untold(pst_crossing_minute(now));
}

/* -- when ------------------------------------------------------------------ */

static void on_end(void)
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
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server, "PST0015: children have no watchdog: what crosses a limit "
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
        g.server = s;
        pst_crossing_start(config->warn, on_end);
        apr_pool_cleanup_register(pchild, NULL, tell_rest, apr_pool_cleanup_null);
    }
    if (config->max_child) {
        pst_leave_child_init(board, block, s);
    }
}
