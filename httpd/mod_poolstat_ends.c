/* SPDX-License-Identifier: Apache-2.0
 *
 * How children end.  See mod_poolstat_ends.h.
 *
 * Only the MPM learns a child's status, and it keeps that to itself; but all modules see what it writes in the error
 * log (ap_process_child_status() in server/mpm_unix.c, 2.4.71, runs before the MPM reports the end).  It logs nothing
 * for SIGTERM, SIGHUP, its signal for graceful restarts, and SIGKILL.  Children have handlers for all of these but the
 * last.
 */
#include "mod_poolstat_ends.h"
#include "pst_losses.h"
#include "pst_runtime.h"

#include <http_core.h>
#include <http_main.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

APLOG_USE_MODULE(poolstat);

static struct {
    pid_t           parent;     /* 0: not yet */
    pid_t           pid;        /* the child whose end was logged last */
    unsigned        signal;     /* the signal it ended by */
    pst_oom_watch_t oom;
} g;

void pst_ends_post_config(void)
{
    g.parent = getpid();
    g.pid = 0;
    memset(&g.oom, 0, sizeof(g.oom));
    pst_ends_monitor();
    pst_ends_monitor();
}

void pst_ends_monitor(void)
{
    apr_uint64_t kills;
    pst_oom_e kind = pst_oom_kills(&kills);

    pst_oom_watch(&g.oom, kind, kills);
}

/* "... child pid 4711 exit signal Segmentation fault (11)", which another text may follow. */
void pst_ends_error_log(const ap_errorlog_info *info, const char *text)
{
    static const char pid_is[] = "child pid ", signal_is[] = " exit signal ";
    const char *at;
    char *end;
    long pid, number;

    if (info->level != APLOG_NOTICE || info->r || info->c || !g.parent || getpid() != g.parent) {
        return;
    }
    at = strstr(text, pid_is);
    pid = at ? strtol(at + sizeof(pid_is) - 1, &end, 10) : 0;
    if (pid <= 0 || strncmp(end, signal_is, sizeof(signal_is) - 1) != 0) {
        return;
    }
    at = strrchr(end, '(');
    number = at ? strtol(at + 1, &end, 10) : 0;
    if (number > 0 && number < 128 && *end == ')') {
        g.pid = (pid_t)pid;
        g.signal = (unsigned)number;
    }
}

/* A line of that level is written wherever it goes to a file, whatever LogLevel says (log_error_core() in server/log.c,
 * 2.4.71). */
static int would_be_logged(const server_rec *s)
{
    return s && (s->error_log || ap_get_server_module_loglevel(s, AP_CORE_MODULE_INDEX) >= APLOG_NOTICE);
}

/* While it stops, or rereads its configuration, the parent ends children itself. */
static int is_meant(void)
{
    int state = -1;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) != APR_SUCCESS || state == AP_MPMQ_STOPPING;
}

void pst_ends_child(const server_rec *s, pid_t pid)
{
    pst_loss_how_t how = { .signal = 0 };

    if (is_meant() || !pst_losses_is_one(pst_runtime.board, (apr_uint32_t)pid)) {
        return;
    }
    if (g.pid == pid) {
        how.signal = g.signal;
        how.signal_how = PST_SIGNAL_LOGGED;
    }
    else if (would_be_logged(s ? s : ap_server_conf)) {
        how.signal = SIGKILL;
        how.signal_how = PST_SIGNAL_SILENT;
    }
    g.pid = 0;
    how.kind = pst_oom_kills(&how.kills);
    pst_losses_add(pst_runtime.board, (apr_uint32_t)pid, &how, &g.oom, (apr_uint64_t)apr_time_now());
    pst_runtime_give_back();
}
