/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on mappings that stayed after a request ended: a child stays as large as its largest script made it. For
 * information, and only if other requests need much less.  See pst_doctor_parts.h.
 */
#include "pst_doctor_parts.h"
#include "pst_figure.h"
#include "pst_opened.h"

#include <apr_strings.h>
#include <string.h>

typedef struct {
    const pst_child_row_t *child;   /* the one that keeps most */
    apr_uint64_t count, kept;       /* number of children; bytes in all of them */
    apr_uint64_t usual, requests;   /* over all children: the mean, and of how many */
} surges_t;

static apr_uint64_t ago(const pst_doctor_t *doctor, const pst_shared_surge_t *surge)
{
    return pst_minus(doctor->snapshot->taken, surge->finished);
}

/* What other requests take: each child's mean, weighted by its requests. */
static void find_usual(surges_t *surges, const pst_snapshot_t *snapshot)
{
    double sum = 0;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_shared_surge_t *surge = &snapshot->children[i].head.surge;

        sum += (double)surge->usual_bytes * (double)surge->requests;
        surges->requests = pst_plus(surges->requests, surge->requests);
    }
    surges->usual = surges->requests ? (apr_uint64_t)(sum / (double)surges->requests) : 0;
}

static int stands_out(const pst_doctor_t *doctor, const surges_t *surges, const pst_child_row_t *child)
{
    const pst_shared_surge_t *surge = &child->head.surge;

    return child->head.heap_profile_rate && surge->kept_bytes >= PST_DOCTOR_KEPT
           && surge->finished >= child->head.heap_profile_since
           && surge->kept_bytes / PST_DOCTOR_SURGE_TIMES >= surges->usual
           && ago(doctor, surge) >= (apr_uint64_t)PST_DOCTOR_SURGE_SECONDS * 1000000;
}

static const char *to_do(const char *module)
{
    return strncmp(module, "libphp", 6) == 0 || strncmp(module, "mod_php", 7) == 0
               ? "This is not a leak: PHP keeps what a script needed for the next one, and gives back half of it at "
                 "the end of each request that this child serves, so a child that serves few keeps it for long. "
                 "memory_limit bounds what a script may take. If this one must: MaxSpareServers ends children that are "
                 "idle, MaxConnectionsPerChild replaces them, and PHP-FPM (pm = ondemand, pm.max_requests) keeps "
                 "scripts out of httpd's children."
               : "This need not be a leak: it may be kept for what comes next. MaxConnectionsPerChild replaces a child "
                 "that has served that many connections, PoolStatMaxChild with pss one that is too large.";
}

static void tell_surge(pst_doctor_t *doctor, const surges_t *surges, const pst_opened_t *part)
{
    const pst_shared_child_t *head = &surges->child->head;
    const pst_shared_surge_t *surge = &head->surge;
    const pst_who_t *who = &part->rows[0].who;
    pst_finding_t *finding = pst_doctor_find(doctor, "kept-mappings", PST_SEVERITY_INFO);
    char text[PST_WHO_LEN];

    finding->pid = head->owner;
    finding->more = surges->count - 1;
    finding->blamed = who->of.module;
    finding->site = apr_pstrdup(doctor->pool, pst_who_text(text, who));
    finding->what = pst_doctor_say(doctor, "Child %u keeps %s of mappings that one request made, %s ago: %s",
                                   (unsigned)head->owner, pst_doctor_size(doctor, (double)surge->kept_bytes),
                                   pst_doctor_age(doctor, ago(doctor, surge)), surge->line);
    finding->evidence = pst_doctor_say(
        doctor,
        "Vhost %s, handler %s. It took %s of mappings at its peak, others %s (mean of %" APR_UINT64_T_FMT " requests). "
        "Of what is mapped %s are %s's. The child has an RSS of %s, of which %s are such mappings.",
        surge->vhost[0] ? surge->vhost : "-", surge->handler[0] ? surge->handler : "-",
        pst_doctor_size(doctor, (double)surge->took_bytes), pst_doctor_size(doctor, (double)surges->usual),
        surges->requests, pst_doctor_size(doctor, (double)part->rows[0].live_bytes), who->of.module,
        pst_doctor_size(doctor, (double)head->books.rss_bytes), pst_doctor_size(doctor, (double)part->bytes));
    finding->advice = to_do(who->of.module);
    pst_doctor_figure(finding, "children", (double)surges->count);
    pst_doctor_figure(finding, "kept_bytes", (double)surge->kept_bytes);
    pst_doctor_figure(finding, "kept_bytes_of_all", (double)surges->kept);
    pst_doctor_figure(finding, "took_bytes", (double)surge->took_bytes);
    pst_doctor_figure(finding, "usual_bytes", (double)surges->usual);
    pst_doctor_figure(finding, "other_bytes", (double)part->bytes);
    pst_doctor_figure(finding, "rss_bytes", (double)head->books.rss_bytes);
}

void pst_doctor_surges(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    surges_t surges = { 0 };
    pst_opened_t part;

    find_usual(&surges, snapshot);
    if (surges.requests < PST_DOCTOR_SURGE_REQUESTS) {
        return;
    }
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        if (!stands_out(doctor, &surges, child)) {
            continue;
        }
        surges.count++;
        surges.kept = pst_plus(surges.kept, child->head.surge.kept_bytes);
        if (!surges.child || child->head.surge.kept_bytes > surges.child->head.surge.kept_bytes) {
            surges.child = child;
        }
    }
    /* the owner must be clear */
    if (surges.child && pst_opened_take(&part, snapshot, surges.child, PST_OPENED_OTHER) && part.count
        && part.rows[0].live_bytes / 2 >= part.live_bytes / 4) {
        tell_surge(doctor, &surges, &part);
    }
}
