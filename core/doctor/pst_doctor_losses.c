/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on children that ended without notice while they were large.  See pst_doctor_parts.h.
 */
#include "pst_doctor_parts.h"
#include "pst_snapshot_losses.h"

#include <apr_strings.h>

static const char *const part_names[PST_PART_COUNT] = {
    [PST_PART_PROCESS] = "pools of the process scope", [PST_PART_CONNECTIONS] = "pools of connections",
    [PST_PART_REQUESTS] = "pools of requests", [PST_PART_RETAINED] = "what APR's allocators retain",
    [PST_PART_HEAP] = "the heap in use", [PST_PART_HEAP_FREE] = "what is free in the heap",
    [PST_PART_MAPPED] = "mappings outside of heap and pools", [PST_PART_STACKS] = "stacks of threads"
};

static apr_uint64_t since(const pst_doctor_t *doctor, apr_uint64_t then)
{
    return doctor->snapshot->taken > then ? doctor->snapshot->taken - then : 0;
}

static int is_worth_telling(const pst_doctor_t *doctor, const pst_shared_loss_t *loss)
{
    return (loss->own_bytes >= PST_LOSS_LARGE || loss->oom)
           && since(doctor, loss->ended) < (apr_uint64_t)PST_DOCTOR_LOST_SECONDS * 1000000;
}

/* "SIGSEGV", "signal 70", "a signal that is not known" */
static const char *signal_of(const pst_doctor_t *doctor, const pst_shared_loss_t *loss)
{
    const char *word = pst_signal_word(loss->signal);

    if (!loss->signal) {
        return "a signal that is not known";
    }
    return word ? word : pst_doctor_say(doctor, "signal %u", loss->signal);
}

static const char *cause_of(const pst_doctor_t *doctor, const pst_shared_loss_t *loss)
{
    if (loss->oom) {
        return pst_doctor_say(doctor, "It was the kernel's OOM killer: it killed %u %s%s in these seconds.",
                              (unsigned)loss->oom_kills, loss->oom_kills == 1 ? "process" : "processes",
                              loss->oom_whole ? " of the machine" : " of the server's cgroup");
    }
    if (loss->signal_how == PST_SIGNAL_SILENT) {
        return pst_doctor_say(doctor, "httpd logged no signal, which it leaves out for SIGKILL alone; %s",
                              loss->oom_known ? "the kernel's OOM killer was it not: somebody sent it, or the child "
                                                "ended itself by _exit()."
                                              : "whether it was the kernel's OOM killer is not known.");
    }
    return loss->signal ? "httpd logged the signal: the child crashed, or somebody sent it."
                        : "httpd logs no signals with this LogLevel.";
}

static const char *say_record(const pst_doctor_t *doctor, const pst_shared_loss_t *loss)
{
    apr_uint64_t lasted = loss->ended > loss->before_time ? loss->ended - loss->before_time : 0;

    if (!loss->before_time || loss->before_bytes >= loss->rss_bytes) {
        return "";
    }
    return pst_doctor_say(doctor, " Its RSS went from %s to %s in its last %s.",
                          pst_doctor_size(doctor, (double)loss->before_bytes),
                          pst_doctor_size(doctor, (double)loss->rss_bytes),
                          pst_doctor_age(doctor, lasted));
}

static const char *requests_of(const pst_doctor_t *doctor, const pst_shared_loss_t *loss)
{
    const char *list = "";
    int served = loss->requests[0].state == PST_LOSS_REQUEST_SERVED;

    for (unsigned i = 0; i < PST_LOSS_REQUESTS && loss->requests[i].state; i++) {
        const pst_shared_loss_request_t *request = &loss->requests[i];

        list = pst_doctor_say(doctor, "%s%s%s%s%s (%s of pools, %s)", list, i ? "; " : "", request->vhost,
                              request->vhost[0] ? " " : "", request->line[0] ? request->line : "a request",
                              pst_doctor_size(doctor, (double)request->reserved_bytes),
                              pst_doctor_age(doctor, request->duration));
    }
    if (!list[0]) {
        return " It served no request.";
    }
    return pst_doctor_say(doctor, " It served%s: %s.", served ? "" : " no request then; its largest ones", list);
}

static const char *advice_of(pst_doctor_t *doctor, pst_finding_t *finding, const pst_shared_loss_t *loss)
{
    const char *then =
        loss->oom ? "Fewer children (MaxRequestWorkers) or a limit for each (PoolStatMaxChild) keep them within the "
                    "memory there is."
                  : "PoolStatMaxChild replaces a child that has grown too large, before it comes to that.";
    char text[PST_WHO_LEN];
    pst_who_t who;

    if (!pst_loss_who(&who, doctor->snapshot, loss)) {
        return pst_doctor_say(doctor, "Who held it was not seen. %s", then);
    }
    finding->blamed = who.of.module;
    finding->site = apr_pstrdup(doctor->pool, pst_who_text(text, &who));
    pst_doctor_figure(finding, "share_percent", who.share / 10.0);
    return pst_doctor_say(doctor, "Of that part %u %% was held by %s%s. %s", who.share / 10,
                          who.is_httpd ? "httpd itself, " : "", finding->site, then);
}

static void tell(pst_doctor_t *doctor, const pst_shared_loss_t *loss, apr_uint64_t more)
{
    pst_part_e part = pst_loss_part(loss);
    pst_finding_t *finding = pst_doctor_find(doctor, "child-lost",
                                             loss->oom ? PST_SEVERITY_CRITICAL : PST_SEVERITY_WARNING);

    finding->more = more;
    finding->what = pst_doctor_say(doctor, "A child ended abruptly with %s of its own: process %u, by %s%s, %s ago.",
                                   pst_doctor_size(doctor, (double)loss->own_bytes), (unsigned)loss->pid,
                                   signal_of(doctor, loss), loss->oom ? " of the kernel's OOM killer" : "",
                                   pst_doctor_age(doctor, since(doctor, loss->ended)));
    finding->evidence = pst_doctor_say(doctor, "Most of it were %s: %s. %s%s%s", part_names[part],
                                       pst_doctor_size(doctor, (double)loss->parts[part]), cause_of(doctor, loss),
                                       say_record(doctor, loss), requests_of(doctor, loss));
    finding->advice = advice_of(doctor, finding, loss);
    pst_doctor_figure(finding, "process", loss->pid);
    if (loss->signal) {
        pst_doctor_figure(finding, "signal", loss->signal);
    }
    pst_doctor_figure(finding, "own_bytes", (double)loss->own_bytes);
    pst_doctor_figure(finding, "rss_bytes", (double)loss->rss_bytes);
    pst_doctor_figure(finding, "largest_part_bytes", (double)loss->parts[part]);
    if (loss->oom_known) {
        pst_doctor_figure(finding, "oom_killed", loss->oom);
    }
    pst_doctor_figure(finding, "ended_seconds_ago", (double)(since(doctor, loss->ended) / 1000000));
}

void pst_doctor_losses(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    pst_top_t top = { .kept = 0 };

    for (apr_uint32_t i = 0; i < snapshot->loss_count; i++) {
        if (is_worth_telling(doctor, &snapshot->losses[i])) {
            pst_top_add(&top, (double)snapshot->losses[i].own_bytes, &snapshot->losses[i]);
        }
    }
    for (unsigned i = 0; i < top.kept; i++) {
        tell(doctor, top.item[i], i + 1 == top.kept ? top.count - top.kept : 0);
    }
}
