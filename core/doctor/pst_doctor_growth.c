/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on what grows, by the verdicts on the board. Children are in pst_doctor_children.c.
 * See pst_doctor_parts.h.
 */
#include "pst_doctor_verdict.h"
#include "pst_place.h"
#include "pst_trend.h"

#include <apr_strings.h>
#include <string.h>

/* ---- connections ---- */

/* MaxKeepAliveRequests bounds a connection with many requests, not one whose first request never ends. */
static const char *comes_back(const pst_shared_slot_t *slot)
{
    if (slot->verdict.scope == PST_SCOPE_REQUEST) {
        return "The memory comes back when the request ends.";
    }
    if (slot->kind == PST_KIND_CLIENT && slot->requests > 1) {
        return "The memory comes back when the connection ends: MaxKeepAliveRequests bounds how long that takes.";
    }
    return "The memory comes back when the connection ends; as long as one request or stream lasts, no directive "
           "bounds that.";
}

static const pst_child_row_t *child_of(const pst_doctor_t *doctor, const pst_row_t *row)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        if (snapshot->children[i].head.owner == row->pid) {
            return &snapshot->children[i];
        }
    }
    return NULL;
}

static void find_connection(pst_doctor_t *doctor, const pst_row_t *row)
{
    const pst_shared_slot_t *slot = &row->slot;
    const pst_shared_verdict_t *verdict = &slot->verdict;
    pst_finding_t *finding = pst_doctor_find(doctor, "growing-connection", pst_doctor_severity(doctor, verdict, 1));
    int request = verdict->scope == PST_SCOPE_REQUEST;

    finding->pid = row->pid;
    finding->connection = slot->id;
    finding->what = pst_doctor_say(doctor, "%s %" APR_UINT64_T_FMT " of child %u grows by %s.",
                                   request ? "The request on connection" : "Connection", slot->id, (unsigned)row->pid,
                                   pst_doctor_rate(doctor, verdict));
    finding->evidence =
        pst_doctor_say(doctor, "%s It reserves %s now. %s %s, vhost %s%s%s", pst_doctor_since(doctor, verdict),
                       pst_doctor_size(doctor, (double)slot->usage.reserved_bytes), pst_kind_word(slot->kind),
                       slot->client, slot->vhost, slot->has_request ? ": " : "", slot->has_request ? slot->line : "");
    finding->advice = pst_doctor_say(doctor, "%s %s",
                                     pst_doctor_author(doctor, finding, child_of(doctor, row), verdict, verdict->scope),
                                     comes_back(slot));
    pst_doctor_rate_figures(finding, verdict);
    pst_doctor_figure(finding, "reserved_bytes", (double)slot->usage.reserved_bytes);
    pst_doctor_figure(finding, "requests", (double)slot->requests);
}

/* ---- classes ---- */

typedef struct of_class_t {
    const pst_child_row_t *child;
    const pst_class_row_t *class;
} of_class_t;

/* Did the process scope grow in that time, by half as much or more? Then its own verdict reports it, perhaps later. */
static int is_of_process(const pst_history_t *history, const pst_shared_verdict_t *verdict)
{
    const pst_history_point_t *last = &history->fine[history->fine_count - 1];
    apr_uint32_t first = 0;

    while (first + 1 < history->fine_count && history->fine[first + 1].time <= verdict->since) {
        first++;
    }
    return ((double)last->process - (double)history->fine[first].process) * 2 >= (double)verdict->gained;
}

/* Did the child have far fewer connections in the first quarter of the growth than in the last? Or is less there
 * now than grew, because it was in use and has been given back since? */
static int explained(pst_doctor_t *doctor, const pst_child_row_t *child, const pst_class_row_t *class)
{
    const pst_shared_verdict_t *verdict = &class->row.verdict;
    const pst_history_t *history = &doctor->history;
    apr_uint64_t was, now;

    if (!pst_doctor_history(doctor, child)
        || (double)class->row.class_reserved_bytes < (double)verdict->gained || is_of_process(history, verdict)) {
        return 1;
    }
    pst_doctor_connections(doctor, verdict->since, &was, &now);
    return now > was && (now - was) * 100 >= was * PST_DOCTOR_MORE_CONNECTIONS;
}

static void find_grown_class(pst_doctor_t *doctor, const of_class_t *of)
{
    const pst_class_row_t *class = of->class;
    const pst_shared_verdict_t *verdict = &class->row.verdict;
    pst_finding_t *finding = pst_doctor_find(doctor, "growing-class", pst_doctor_severity(doctor, verdict, 1));
    const char *tag = class->row.tag[0] ? class->row.tag : "(no tag)", *maker = "";
    char text[PST_PLACE_LEN];
    pst_place_t place;

    if (class->row.creator) {               /* whoever makes them need not be whoever fills them */
        pst_place_of(&place, doctor->snapshot, class->row.creator);
        maker = pst_doctor_say(doctor, " They are made by %s.", pst_place_text(text, &place));
    }
    finding->pid = of->child->head.owner;
    finding->tag = class->row.tag;
    finding->what = pst_doctor_say(doctor,
                                   "Pools of the class %s in child %u grow by %s, and not because there are more "
                                   "connections.",
                                   tag, (unsigned)finding->pid, pst_doctor_rate(doctor, verdict));
    finding->evidence =
        pst_doctor_say(doctor, "%s %" APR_UINT64_T_FMT " of them reserve %s now.%s", pst_doctor_since(doctor, verdict),
                       class->pools, pst_doctor_size(doctor, (double)class->row.class_reserved_bytes), maker);
    finding->advice = pst_doctor_author(doctor, finding, of->child, verdict, -1);
    pst_doctor_rate_figures(finding, verdict);
    pst_doctor_figure(finding, "reserved_bytes", (double)class->row.class_reserved_bytes);
    pst_doctor_figure(finding, "pools", (double)class->pools);
}

/* ---- all of them ---- */

/* The child's history tells whether a growth is explained. Only the histories for the classes that grow fastest are
 * read, however many children and classes there are. */
#define CANDIDATES 64

typedef struct candidates_t {
    of_class_t of[CANDIDATES];      /* fastest first */
    unsigned   count;
} candidates_t;

static void add_candidate(candidates_t *candidates, const of_class_t *of)
{
    unsigned at = candidates->count;

    if (at == CANDIDATES && candidates->of[at - 1].class->row.verdict.per_minute >= of->class->row.verdict.per_minute) {
        return;
    }
    candidates->count += at < CANDIDATES;
    at = candidates->count - 1;
    for (; at > 0 && candidates->of[at - 1].class->row.verdict.per_minute < of->class->row.verdict.per_minute; at--) {
        candidates->of[at] = candidates->of[at - 1];
    }
    candidates->of[at] = *of;
}

static void add_child_candidates(candidates_t *candidates, const pst_doctor_t *doctor, const pst_child_row_t *child)
{
    if (pst_doctor_said_otherwise(doctor, child)) {
        return;
    }
    for (apr_uint32_t c = 0; c < child->class_count; c++) {
        const of_class_t of = { child, &child->classes[c] };

        if (of.class->index
            && pst_doctor_grown(doctor, &of.class->row.verdict, PST_DOCTOR_GROWN, PST_DOCTOR_RECORD_SECONDS)) {
            add_candidate(candidates, &of);
        }
    }
}

/* In an order that does not change with their rates, by which they were chosen. */
static void settle_candidates(candidates_t *candidates)
{
    for (unsigned i = 1; i < candidates->count; i++) {
        const of_class_t of = candidates->of[i];
        unsigned at = i;

        for (; at > 0; at--) {
            const of_class_t *before = &candidates->of[at - 1];

            if (before->child->head.owner < of.child->head.owner
                || (before->child == of.child && before->class->index < of.class->index)) {
                break;
            }
            candidates->of[at] = *before;
        }
        candidates->of[at] = of;
    }
}

static void classes(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    candidates_t *candidates = apr_pcalloc(doctor->pool, sizeof(*candidates));
    pst_top_t top = { .kept = 0 };
    float most = 0;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        add_child_candidates(candidates, doctor, &snapshot->children[i]);
    }
    for (unsigned i = 0; i < candidates->count; i++) {
        float gained = candidates->of[i].class->row.verdict.gained;

        most = gained > most ? gained : most;
    }
    settle_candidates(candidates);
    for (unsigned i = 0; i < candidates->count; i++) {
        const of_class_t *of = &candidates->of[i];

        if (!explained(doctor, of->child, of->class)) {
            pst_top_add(&top, pst_doctor_weight(&of->class->row.verdict, most), of);
        }
    }
    for (unsigned i = 0; i < top.kept; i++) {
        find_grown_class(doctor, top.item[i]);
    }
    pst_doctor_note_more(doctor, &top);
}

static float most_gained_by_connection(const pst_doctor_t *doctor)
{
    float most = 0;

    for (const pst_row_t *row = doctor->snapshot->growing; row; row = row->next_growing) {
        most = row->slot.verdict.gained > most ? row->slot.verdict.gained : most;
    }
    return most;
}

static void connections(pst_doctor_t *doctor)
{
    pst_top_t top = { .kept = 0 };
    float most = most_gained_by_connection(doctor);

    for (const pst_row_t *row = doctor->snapshot->growing; row; row = row->next_growing) {
        const pst_shared_verdict_t *verdict = &row->slot.verdict;

        if (pst_doctor_is_in_sum(doctor, row)) {
            continue;
        }
        if (pst_doctor_grown(doctor, verdict, PST_DOCTOR_GROWN, PST_DOCTOR_RECORD_SECONDS)) {
            pst_top_add(&top, pst_doctor_weight(verdict, most), row);
        }
        else {
            pst_doctor_waits(doctor, verdict,
                             pst_doctor_say(doctor, "Connection %" APR_UINT64_T_FMT " of child %u", row->slot.id,
                                            (unsigned)row->pid),
                             PST_DOCTOR_GROWN, PST_DOCTOR_RECORD_SECONDS);
        }
    }
    for (unsigned i = 0; i < top.kept; i++) {
        find_connection(doctor, top.item[i]);
    }
    pst_doctor_note_more(doctor, &top);
}

void pst_doctor_growing(pst_doctor_t *doctor)
{
    pst_doctor_processes(doctor);
    pst_doctor_sums(doctor);
    connections(doctor);
    classes(doctor);
    pst_doctor_sites(doctor);
    pst_doctor_heaps(doctor);
}
