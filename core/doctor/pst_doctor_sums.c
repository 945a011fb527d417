/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on what is alike: connections, or requests, that together grow while there are as many of them.
 *
 * One that makes up more than half of it is told by itself instead.
 */
#include "pst_doctor_verdict.h"

#include <apr_hash.h>
#include <string.h>

/* Of a child: what its fastest connection and request make of the sums, and which sums are told. */
typedef struct of_child_t {
    float fastest[PST_SCOPE_COUNT];
    int   told[PST_SCOPE_COUNT];
} of_child_t;

/* Children whose sums grow by the same module. */
typedef struct group_t {
    const pst_child_row_t *worst;
    apr_uint32_t module;
    unsigned children;
    apr_uint64_t alike;
    double per_minute;
} group_t;

static of_child_t *of_child(const pst_doctor_t *doctor, apr_uint32_t pid, int make)
{
    of_child_t *of = apr_hash_get(doctor->sums, &pid, sizeof(pid));

    if (!of && make) {
        apr_uint32_t *key = apr_palloc(doctor->pool, sizeof(*key));

        of = apr_pcalloc(doctor->pool, sizeof(*of));
        *key = pid;
        apr_hash_set(doctor->sums, key, sizeof(*key), of);
    }
    return of;
}

static void note_fastest(pst_doctor_t *doctor)
{
    doctor->sums = apr_hash_make(doctor->pool);
    for (const pst_row_t *row = doctor->snapshot->growing; row; row = row->next_growing) {
        const pst_shared_verdict_t *verdict = &row->slot.verdict;
        of_child_t *of = of_child(doctor, row->pid, 1);
        float *fastest = &of->fastest[verdict->scope < PST_SCOPE_COUNT ? verdict->scope : 0];

        *fastest = verdict->per_minute > *fastest ? verdict->per_minute : *fastest;
    }
}

static int is_told(const pst_doctor_t *doctor, const pst_child_row_t *child, unsigned scope)
{
    const pst_shared_verdict_t *sum = &child->head.sum_verdicts[scope];
    const of_child_t *of = of_child(doctor, child->head.owner, 0);
    double least = (double)child->rows * PST_DOCTOR_GROWN_EACH;

    return child->rows >= PST_DOCTOR_ALIKE && (!of || of->fastest[scope] * 2 <= sum->per_minute)
           && pst_doctor_grown(doctor, sum, least > PST_DOCTOR_GROWN ? least : PST_DOCTOR_GROWN,
                               PST_DOCTOR_RECORD_SECONDS);
}

static void add_to_group(group_t *group, const pst_child_row_t *child, unsigned scope)
{
    const pst_shared_verdict_t *sum = &child->head.sum_verdicts[scope];

    group->module = group->module ? group->module : PST_FRAME_MODULE(sum->site);
    group->per_minute += (double)sum->per_minute;
    group->alike += child->rows;
    group->children++;
    if (!group->worst || sum->gained > group->worst->head.sum_verdicts[scope].gained) {
        group->worst = child;
    }
}

static void find_group(pst_doctor_t *doctor, const group_t *group, unsigned scope)
{
    const pst_shared_verdict_t *sum = &group->worst->head.sum_verdicts[scope];
    int requests = scope == PST_SCOPE_REQUEST;
    pst_finding_t *finding = pst_doctor_find(doctor, requests ? "growing-requests" : "growing-connections",
                                             pst_doctor_severity(doctor, sum, 1));
    const char *rate = pst_doctor_say(doctor, "%s a minute", pst_doctor_size(doctor, group->per_minute));

    finding->pid = group->worst->head.owner;
    finding->what = pst_doctor_say(doctor, "%s of %s grow by %s together, and there are as many of them all the time.",
                                   requests ? "The requests" : "The connections",
                                   group->children > 1 ? pst_doctor_say(doctor, "%u children", group->children)
                                                       : pst_doctor_say(doctor, "child %u", (unsigned)finding->pid),
                                   rate);
    finding->evidence = pst_doctor_say(
        doctor, "%s%s%" APR_UINT64_T_FMT " connections are open%s.",
        group->children > 1 ? pst_doctor_say(doctor, "The most in child %u: ", (unsigned)finding->pid) : "",
        pst_doctor_say(doctor, "%s ", pst_doctor_since(doctor, sum)), group->alike,
        sum->per_request > 0 && !requests
            ? pst_doctor_say(doctor, ", and keep %s of each request", pst_doctor_size(doctor, (double)sum->per_request))
            : "");
    finding->advice =
        pst_doctor_say(doctor, "%s %s", pst_doctor_author(doctor, finding, group->worst, sum, (int)scope),
                       requests ? "The memory comes back when the requests end."
                                : "The memory comes back when the connections end: MaxKeepAliveRequests bounds how "
                                  "long that takes.");
    pst_doctor_rate_figures(finding, sum);
    pst_doctor_figure(finding, "connections", (double)group->alike);
    pst_doctor_figure(finding, "children", group->children);
}

static void find_scope(pst_doctor_t *doctor, unsigned scope)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    group_t groups[PST_DOCTOR_LISTED];
    unsigned count = 0, k;

    memset(groups, 0, sizeof(groups));
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];
        apr_uint32_t module = PST_FRAME_MODULE(child->head.sum_verdicts[scope].site);

        if (!is_told(doctor, child, scope)) {
            continue;
        }
        of_child(doctor, child->head.owner, 1)->told[scope] = 1;
        for (k = 0; k < count && module && groups[k].module && groups[k].module != module; k++) {
        }
        k = k < PST_DOCTOR_LISTED ? k : PST_DOCTOR_LISTED - 1;
        count = k < count ? count : k + 1;
        add_to_group(&groups[k], child, scope);
    }
    for (k = 0; k < count; k++) {
        find_group(doctor, &groups[k], scope);
    }
}

void pst_doctor_sums(pst_doctor_t *doctor)
{
    note_fastest(doctor);
    for (unsigned scope = PST_SCOPE_CONNECTION; scope < PST_SCOPE_COUNT; scope++) {
        find_scope(doctor, scope);
    }
}

int pst_doctor_is_in_sum(const pst_doctor_t *doctor, const pst_row_t *row)
{
    const of_child_t *of = of_child(doctor, row->pid, 0);

    return of && row->slot.verdict.scope < PST_SCOPE_COUNT && of->told[row->slot.verdict.scope];
}
