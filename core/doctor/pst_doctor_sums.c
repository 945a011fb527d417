/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on similar connections or requests that grow together while their number stays the same.
 *
 * One that makes up more than half of the sum is reported by itself instead. Children whose connections grow by the
 * same module form one group, and the conditions for a sum apply to the group's: a child of prefork has only one
 * connection.
 */
#include "pst_doctor_verdict.h"
#include "pst_trend.h"

#include <apr_hash.h>
#include <string.h>

/* For a child: how much its fastest connection and request contribute to the sums, and which sums are reported. */
typedef struct of_child_t {
    float fastest[PST_SCOPE_COUNT];
    int   told[PST_SCOPE_COUNT];
} of_child_t;

/* Children whose sums grow by the same module. */
typedef struct group_t {
    const pst_child_row_t *worst, *named; /* the one that gained most; the same among those that name somebody, NULL:
                                           * none does */
    apr_uint32_t module;
    unsigned children;
    apr_uint64_t alike;
    double per_minute, gained;
    float fastest;                        /* of a single connection */
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

/* The reader's own connection is left out: otherwise the reader would change whether there are enough. */
static apr_uint32_t served_by(const pst_child_row_t *child)
{
    return child->rows - child->own_rows;
}

static float fastest_connection(const pst_doctor_t *doctor, const pst_child_row_t *child, unsigned scope)
{
    const of_child_t *of = of_child(doctor, child->head.owner, 0);

    return of ? of->fastest[scope] : 0;
}

/* If a child has many, none of them may make up most of the sum; if it has few, as in prefork, this is required of
 * the group. */
static int sum_may_be_told(const pst_doctor_t *doctor, const pst_child_row_t *child, unsigned scope)
{
    const pst_shared_verdict_t *sum = &child->head.sum_verdicts[scope];

    return pst_doctor_grown(doctor, sum, 0, PST_DOCTOR_RECORD_SECONDS)
           && (served_by(child) < PST_DOCTOR_ALIKE || fastest_connection(doctor, child, scope) * 2 <= sum->per_minute);
}

static void add_to_group(group_t *group, const pst_doctor_t *doctor, const pst_child_row_t *child, unsigned scope)
{
    const pst_shared_verdict_t *sum = &child->head.sum_verdicts[scope];
    float fastest = fastest_connection(doctor, child, scope);

    group->module = group->module ? group->module : PST_FRAME_MODULE(sum->site);
    group->per_minute += (double)sum->per_minute;
    group->gained += (double)sum->gained;
    group->alike += served_by(child);
    group->children++;
    group->fastest = fastest > group->fastest ? fastest : group->fastest;
    if (!group->worst || sum->gained > group->worst->head.sum_verdicts[scope].gained) {
        group->worst = child;
    }
    if (sum->site && (!group->named || sum->gained > group->named->head.sum_verdicts[scope].gained)) {
        group->named = child;
    }
}

/* There are enough of them, they gained enough, and not through a single one. */
static int group_is_told(const group_t *group)
{
    double least = (double)group->alike * PST_DOCTOR_GROWN_EACH;

    return group->alike >= PST_DOCTOR_ALIKE && group->gained >= (least > PST_DOCTOR_GROWN ? least : PST_DOCTOR_GROWN)
           && (double)group->fastest * 2 <= group->per_minute;
}

static int group_takes(const group_t *group, const pst_child_row_t *child, unsigned scope)
{
    apr_uint32_t module = PST_FRAME_MODULE(child->head.sum_verdicts[scope].site);

    return !module || !group->module || group->module == module;
}

/* From a child that names somebody; or from what stayed in all of them. */
static const char *group_author(pst_doctor_t *doctor, pst_finding_t *finding, const group_t *group,
                         const unsigned *group_of, unsigned which, unsigned scope)
{
    const pst_child_row_t *child = group->named ? group->named : group->worst;

    return group->named ? pst_doctor_author(doctor, finding, child, &child->head.sum_verdicts[scope], (int)scope)
                        : pst_doctor_author_of_many(doctor, finding, group_of, which, scope);
}

/* A connection that does not grow with requests may be in its first one, which never ends. */
static const char *when_it_comes_back(const pst_shared_verdict_t *sum, int requests)
{
    if (requests) {
        return "The memory comes back when the requests end.";
    }
    return sum->per_request > 0
               ? "The memory comes back when the connections end: MaxKeepAliveRequests bounds how long that takes."
               : "The memory comes back when the connections end; as long as one request or stream lasts, no directive "
                 "bounds that.";
}

static void find_group(pst_doctor_t *doctor, const group_t *group, const unsigned *group_of, unsigned which,
                       unsigned scope)
{
    const pst_shared_verdict_t *sum = &group->worst->head.sum_verdicts[scope];
    int requests = scope == PST_SCOPE_REQUEST;
    pst_finding_t *finding = pst_doctor_find(doctor, requests ? "growing-requests" : "growing-connections",
                                             pst_doctor_severity(doctor, sum, 1));
    const char *rate = pst_doctor_say(doctor, "%s a minute", pst_doctor_size(doctor, group->per_minute));

    finding->pid = group->worst->head.owner;
    finding->what = pst_doctor_say(doctor, "%s of %s grow by %s together, while their number stays the same.",
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
        pst_doctor_say(doctor, "%s %s", group_author(doctor, finding, group, group_of, which, scope),
                       when_it_comes_back(sum, requests));
    pst_doctor_rate_figures(finding, sum);
    pst_doctor_figure(finding, "connections", (double)group->alike);
    pst_doctor_figure(finding, "children", group->children);
}

/* The group of each child that may be reported, numbered from 1; 0: no group. @return how many there are */
static unsigned sort_into_groups(group_t *groups, unsigned *group_of, const pst_doctor_t *doctor, unsigned scope)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    unsigned count = 0, k;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        if (!sum_may_be_told(doctor, child, scope)) {
            continue;
        }
        for (k = 0; k < count && !group_takes(&groups[k], child, scope); k++) {
        }
        k = k < PST_DOCTOR_LISTED ? k : PST_DOCTOR_LISTED - 1;
        count = k < count ? count : k + 1;
        add_to_group(&groups[k], doctor, child, scope);
        group_of[i] = k + 1;
    }
    return count;
}

static void find_groups(pst_doctor_t *doctor, unsigned scope)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    unsigned *group_of = apr_pcalloc(doctor->pool, (snapshot->child_count + 1) * sizeof(*group_of)), count;
    group_t groups[PST_DOCTOR_LISTED];

    memset(groups, 0, sizeof(groups));
    count = group_of ? sort_into_groups(groups, group_of, doctor, scope) : 0;
    for (unsigned k = 0; k < count; k++) {
        if (!group_is_told(&groups[k])) {
            continue;
        }
        for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
            if (group_of[i] == k + 1) {
                of_child(doctor, snapshot->children[i].head.owner, 1)->told[scope] = 1;
            }
        }
        find_group(doctor, &groups[k], group_of, k + 1, scope);
    }
}

void pst_doctor_sums(pst_doctor_t *doctor)
{
    note_fastest(doctor);
    for (unsigned scope = PST_SCOPE_CONNECTION; scope < PST_SCOPE_COUNT; scope++) {
        find_groups(doctor, scope);
    }
}

int pst_doctor_is_in_sum(const pst_doctor_t *doctor, const pst_row_t *row)
{
    const of_child_t *of = of_child(doctor, row->pid, 0);

    return of && row->slot.verdict.scope < PST_SCOPE_COUNT && of->told[row->slot.verdict.scope];
}

/* Are the child's connections, or their requests, enough to be reported as a sum, alone or with other children's? */
static int is_sum_of_many(const pst_doctor_t *doctor, const pst_child_row_t *child, unsigned scope)
{
    const of_child_t *of = of_child(doctor, child->head.owner, 0);

    return served_by(child) >= PST_DOCTOR_ALIKE || (of && of->told[scope]);
}

/* Sums are judged more finely than whole nodes: less than the least of any other growth is nothing yet. */
static int sum_says(const pst_shared_verdict_t *sum)
{
    return (sum->state == PST_TREND_GROWING || sum->state == PST_TREND_ENDED) && sum->gained >= PST_TREND_RISE;
}

/* If a class grows in a child whose process scope or connection grows too, that is the same memory again. */
int pst_doctor_said_otherwise(const pst_doctor_t *doctor, const pst_child_row_t *child)
{
    apr_uint64_t grow = child->head.verdict.state == PST_TREND_GROWING || child->head.verdict.state == PST_TREND_ENDED;

    for (unsigned kind = 0; kind <= PST_KIND_OTHER; kind++) {
        for (unsigned scope = 0; scope < PST_SCOPE_COUNT; scope++) {
            grow |= child->kinds[kind].growing[scope];
        }
    }
    for (unsigned scope = PST_SCOPE_CONNECTION; scope < PST_SCOPE_COUNT; scope++) {
        grow |= sum_says(&child->head.sum_verdicts[scope]) && is_sum_of_many(doctor, child, scope);
    }
    return grow != 0;
}
