/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on what grows: by the verdicts that stand on the board, and by generations.
 * See pst_doctor_parts.h.
 */
#include "pst_doctor_parts.h"
#include "pst_snapshot_generations.h"
#include "pst_place.h"
#include "pst_trend.h"

#include <apr_strings.h>
#include <string.h>

/* The time over which it gained what it did: what was gained is of that moment, not of this one. */
static apr_uint64_t lasted(const pst_shared_verdict_t *verdict)
{
    return (apr_uint64_t)verdict->lasted * 1000;
}

/* In seconds, and in as many points: a coarse interval needs a longer time. */
static int long_enough(const pst_doctor_t *doctor, apr_uint64_t usec, apr_uint64_t seconds)
{
    return usec >= seconds * 1000000 && usec / 1000000 >= seconds * doctor->board->interval;
}

/* For so many seconds, by so many bytes. */
static int grown(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, double least, apr_uint64_t seconds)
{
    return verdict->state == PST_TREND_GROWING && long_enough(doctor, lasted(verdict), seconds)
           && (double)verdict->gained >= least;
}

/* The same. What has only begun to is noted: nobody may say that all is well. */
static int grows(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, double least, apr_uint64_t seconds)
{
    int enough = grown(doctor, verdict, least, seconds);

    doctor->findings->begun |= verdict->state == PST_TREND_GROWING && !enough;
    return enough;
}

/* How far the rate may be drawn on: minutes. */
static double foreseen(const pst_shared_verdict_t *verdict)
{
    double minutes = (double)lasted(verdict) / 60e6 * PST_DOCTOR_FORESEES;

    return minutes < 1440 ? minutes : 1440;
}

/* @param returns  it comes back when the request or connection ends */
static pst_severity_e severity(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict, int returns)
{
    double limit = (double)doctor->snapshot->about.memory_limit_bytes;
    double more = (double)verdict->per_minute * foreseen(verdict);

    if (returns && !long_enough(doctor, lasted(verdict), PST_DOCTOR_LONG_SECONDS)) {
        return PST_SEVERITY_WARNING;
    }
    return limit > 0 && more >= limit * PST_DOCTOR_CRITICAL / 100 ? PST_SEVERITY_CRITICAL : PST_SEVERITY_WARNING;
}

static const char *rate(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict)
{
    const char *text = pst_doctor_say(doctor, "%s a minute", pst_doctor_size(doctor, (double)verdict->per_minute));

    return verdict->per_request > 0 ? pst_doctor_say(doctor, "%s, %s a request", text,
                                                     pst_doctor_size(doctor, (double)verdict->per_request)) : text;
}

static const char *since(const pst_doctor_t *doctor, const pst_shared_verdict_t *verdict)
{
    double minutes = foreseen(verdict);

    return pst_doctor_say(doctor, "It grew by %s, evenly, in %s (r\xc2\xb2 %.2f); if that goes on, it is %s more in %s.",
                          pst_doctor_size(doctor, (double)verdict->gained), pst_doctor_age(doctor, lasted(verdict)), verdict->fit / 1000.0,
                          pst_doctor_size(doctor, (double)verdict->per_minute * minutes),
                          minutes < 1440 ? pst_doctor_age(doctor, (apr_uint64_t)(minutes * 60e6)) : "a day");
}

static void rate_figures(pst_finding_t *finding, const pst_shared_verdict_t *verdict)
{
    pst_doctor_figure(finding, "bytes_per_minute", (double)verdict->per_minute);
    pst_doctor_figure(finding, "bytes_per_request", (double)verdict->per_request);
    pst_doctor_figure(finding, "gained_bytes", (double)verdict->gained);
    pst_doctor_figure(finding, "growing_seconds", (double)lasted(verdict) / 1e6);
}

/* The class of the child's pools that grows fastest, of those whose maker is known. @return NULL if none is */
static const pst_class_row_t *growing_class(const pst_child_row_t *child)
{
    const pst_class_row_t *found = NULL;

    for (apr_uint32_t c = 0; c < child->class_count; c++) {
        const pst_class_row_t *class = &child->classes[c];

        if (class->index && class->row.creator && class->row.verdict.state == PST_TREND_GROWING
            && (!found || class->row.verdict.per_minute > found->row.verdict.per_minute)) {
            found = class;
        }
    }
    return found;
}

/* Whom to write to. */
static const char *author(const pst_doctor_t *doctor, pst_shared_frame_t site)
{
    char text[PST_PLACE_LEN];
    pst_place_t place;

    if (!site) {
        return "Which code it is was not seen yet: look again when it has grown some more.";
    }
    pst_place_of(&place, doctor->snapshot, site);
    return pst_doctor_say(doctor, "The code behind its latest growth is %s: write to the author of %s.",
                          pst_place_text(text, &place), place.module);
}

/* ---- process scopes ---- */

static double threads_of(const pst_doctor_t *doctor)
{
    apr_uint64_t threads = doctor->snapshot->about.threads_per_child;

    return threads < 100000 ? (double)threads : 1;
}

/* It is no leak before something says whose: the code of a growth, a class that grows, or a record of minutes. */
static int leaks(const pst_doctor_t *doctor, const pst_child_row_t *child)
{
    const pst_shared_verdict_t *verdict = &child->head.verdict;
    double least = threads_of(doctor) * PST_DOCTOR_GROWN_THREAD;

    if (!grows(doctor, verdict, least > PST_DOCTOR_GROWN ? least : PST_DOCTOR_GROWN, PST_DOCTOR_LEAK_SECONDS)) {
        return 0;
    }
    if (verdict->site || growing_class(child) || long_enough(doctor, lasted(verdict), PST_DOCTOR_LONG_SECONDS)) {
        return 1;
    }
    doctor->findings->begun = 1;
    return 0;
}

static const char *author_of_process(const pst_doctor_t *doctor, const pst_child_row_t *child)
{
    const pst_class_row_t *class = child->head.verdict.site ? NULL : growing_class(child);
    char text[PST_PLACE_LEN];
    pst_place_t place;

    if (!class) {
        return author(doctor, child->head.verdict.site);
    }
    pst_place_of(&place, doctor->snapshot, class->row.creator);
    return pst_doctor_say(doctor, "Its pools of the class %s grow, made by %s: write to the author of %s.",
                          class->row.tag[0] ? class->row.tag : "(no tag)", pst_place_text(text, &place), place.module);
}

static void find_process(pst_doctor_t *doctor, const pst_child_row_t *child)
{
    const pst_shared_verdict_t *verdict = &child->head.verdict;
    pst_finding_t *finding = pst_doctor_find(doctor, "growing-process", severity(doctor, verdict, 0));

    finding->pid = child->head.owner;
    finding->what = pst_doctor_say(doctor, "The process scope of child %u grows by %s: memory that only its end gives "
                                   "back.", (unsigned)finding->pid, rate(doctor, verdict));
    finding->evidence = pst_doctor_say(doctor, "%s It reserves %s now.", since(doctor, verdict),
                                       pst_doctor_size(doctor, (double)child->head.process.reserved_bytes));
    finding->advice = pst_doctor_say(doctor, "%s Until it is mended, PoolStatMaxChild replaces a child that has grown too "
                                     "large, gracefully; MaxConnectionsPerChild one that has served so much.",
                                     author_of_process(doctor, child));
    rate_figures(finding, verdict);
    pst_doctor_figure(finding, "process_reserved_bytes", (double)child->head.process.reserved_bytes);
}

/* ---- connections ---- */

static void find_connection(pst_doctor_t *doctor, const pst_row_t *row)
{
    const pst_shared_slot_t *slot = &row->slot;
    const pst_shared_verdict_t *verdict = &slot->verdict;
    pst_finding_t *finding = pst_doctor_find(doctor, "growing-connection", severity(doctor, verdict, 1));
    int request = verdict->scope == PST_SCOPE_REQUEST;

    finding->pid = row->pid;
    finding->connection = slot->id;
    finding->what = pst_doctor_say(doctor, "%s %" APR_UINT64_T_FMT " of child %u grows by %s.",
                                   request ? "The request on connection" : "Connection", slot->id, (unsigned)row->pid,
                                   rate(doctor, verdict));
    finding->evidence = pst_doctor_say(doctor, "%s It reserves %s now. %s %s, vhost %s%s%s", since(doctor, verdict),
                                       pst_doctor_size(doctor, (double)slot->usage.reserved_bytes),
                                       pst_kind_word(slot->kind), slot->client, slot->vhost,
                                       slot->has_request ? ": " : "", slot->has_request ? slot->line : "");
    finding->advice = pst_doctor_say(doctor, "%s %s", author(doctor, verdict->site),
                                     request ? "The memory comes back when the request ends."
                                             : "The memory comes back when the connection ends: MaxKeepAliveRequests "
                                               "bounds how long that takes.");
    rate_figures(finding, verdict);
    pst_doctor_figure(finding, "reserved_bytes", (double)slot->usage.reserved_bytes);
    pst_doctor_figure(finding, "requests", (double)slot->requests);
}

/* ---- classes ---- */

typedef struct of_class_t {
    const pst_child_row_t *child;
    const pst_class_row_t *class;
} of_class_t;

/* The most connections that the child had at once between two moments. */
static apr_uint64_t most_connections(const pst_history_t *history, apr_uint64_t from, apr_uint64_t to)
{
    apr_uint64_t most = 0;

    for (apr_uint32_t i = history->fine_count; i-- > 0 && history->fine[i].time >= from; ) {
        if (history->fine[i].time <= to && history->fine[i].connections_open > most) {
            most = history->fine[i].connections_open;
        }
    }
    return most;
}

/* Had the child a good deal fewer connections in the first quarter of the growth than in the last? Or is less there
 * now than grew: then it was in use, and given back meanwhile? */
static int explained(pst_doctor_t *doctor, const pst_child_row_t *child, const pst_class_row_t *class)
{
    const pst_shared_verdict_t *verdict = &class->row.verdict;
    const pst_history_t *history = &doctor->history;
    apr_uint64_t was, now, last, quarter;

    if (!pst_doctor_history(doctor, child)
        || (double)class->row.class_reserved_bytes < (double)verdict->gained) {
        return 1;
    }
    last = history->fine[history->fine_count - 1].time;
    quarter = last > verdict->since ? (last - verdict->since) / 4 : 0;
    was = most_connections(history, verdict->since, verdict->since + quarter);
    now = most_connections(history, last - quarter, last);
    return now > was && (now - was) * 100 >= was * PST_DOCTOR_MORE_CONNECTIONS;
}

static void find_class(pst_doctor_t *doctor, const of_class_t *of)
{
    const pst_class_row_t *class = of->class;
    const pst_shared_verdict_t *verdict = &class->row.verdict;
    pst_finding_t *finding = pst_doctor_find(doctor, "growing-class", severity(doctor, verdict, 1));
    const char *tag = class->row.tag[0] ? class->row.tag : "(no tag)", *who = "Who makes them is not known: they were "
                      "there before the child, or their maker is not instrumented.";
    char text[PST_PLACE_LEN];
    pst_place_t place;

    if (class->row.creator) {
        pst_place_of(&place, doctor->snapshot, class->row.creator);
        who = pst_doctor_say(doctor, "They are made by %s: write to the author of %s.", pst_place_text(text, &place),
                             place.module);
    }
    finding->pid = of->child->head.owner;
    finding->tag = class->row.tag;
    finding->what = pst_doctor_say(doctor, "Pools of the class %s in child %u grow by %s, and not since there were more "
                                   "connections.", tag, (unsigned)finding->pid, rate(doctor, verdict));
    finding->evidence = pst_doctor_say(doctor, "%s %" APR_UINT64_T_FMT " of them reserve %s now.", since(doctor, verdict),
                                       class->pools, pst_doctor_size(doctor, (double)class->row.class_reserved_bytes));
    finding->advice = who;
    rate_figures(finding, verdict);
    pst_doctor_figure(finding, "reserved_bytes", (double)class->row.class_reserved_bytes);
    pst_doctor_figure(finding, "pools", (double)class->pools);
}

/* ---- the heap ---- */

/* Only where what is in use is told apart from what is free: mimalloc tells the sum of both. */
static int heap_leaks(const pst_doctor_t *doctor, const pst_child_row_t *child)
{
    return child->head.books.heap_tells == PST_HEAP_TELLS_BOTH
           && grows(doctor, &child->head.heap_verdict, PST_DOCTOR_HEAP_GROWN + threads_of(doctor) * PST_DOCTOR_HEAP_THREAD,
                    PST_DOCTOR_LEAK_SECONDS);
}

static void find_heap(pst_doctor_t *doctor, const pst_child_row_t *child)
{
    const pst_shared_verdict_t *verdict = &child->head.heap_verdict;
    const pst_shared_books_t *books = &child->head.books;
    pst_finding_t *finding = pst_doctor_find(doctor, "heap-in-use-grows", severity(doctor, verdict, 0));

    finding->pid = child->head.owner;
    finding->what = pst_doctor_say(doctor, "Memory in use outside of pools grows in child %u, by %s: somebody calls malloc "
                                   "and not free.", (unsigned)finding->pid, rate(doctor, verdict));
    finding->evidence = pst_doctor_say(doctor, "%s The heap has %s in use and %s free; APR's pools, which are not in it, hold "
                                       "%s.", since(doctor, verdict), pst_doctor_size(doctor, (double)books->heap_in_use_bytes),
                                       pst_doctor_size(doctor, (double)books->heap_free_bytes),
                                       pst_doctor_size(doctor, (double)child->head.held_bytes));
    finding->advice = "No pool has it, so no module that keeps to pools: suspect the libraries that modules bring along (scripting "
                      "languages, TLS, XML, databases). heaptrack or a heap profiler on one child names the caller. Until it is "
                      "mended, PoolStatMaxChild with pss replaces a child that has grown too large, gracefully; MaxConnectionsPerChild one that "
                      "has served so much.";
    rate_figures(finding, verdict);
    pst_doctor_figure(finding, "heap_in_use_bytes", (double)books->heap_in_use_bytes);
    pst_doctor_figure(finding, "heap_free_bytes", (double)books->heap_free_bytes);
}

/* ---- all of them ---- */

static void note_more(pst_doctor_t *doctor, const pst_top_t *top)
{
    if (top->count > top->kept && doctor->findings->count) {
        doctor->findings->findings[doctor->findings->count - 1].more = top->count - top->kept;
    }
}

/* A class that grows in a child whose process scope, or a connection of it, grows too is the same memory once more. */
static int said_otherwise(const pst_child_row_t *child)
{
    apr_uint64_t grow = child->head.verdict.state == PST_TREND_GROWING;

    for (unsigned kind = 0; kind <= PST_KIND_OTHER; kind++) {
        for (unsigned scope = 0; scope < PST_SCOPE_COUNT; scope++) {
            grow |= child->kinds[kind].growing[scope];
        }
    }
    return grow != 0;
}

/* Whether a growth is explained is told by the child's history: no more are read than those of the classes that grow
 * fastest, however many children and classes there are. */
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
    if (said_otherwise(child)) {
        return;
    }
    for (apr_uint32_t c = 0; c < child->class_count; c++) {
        const of_class_t of = { child, &child->classes[c] };

        if (of.class->index && grown(doctor, &of.class->row.verdict, PST_DOCTOR_GROWN, PST_DOCTOR_RECORD_SECONDS)) {
            add_candidate(candidates, &of);
        }
    }
}

static void classes(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    candidates_t *candidates = apr_pcalloc(doctor->pool, sizeof(*candidates));
    pst_top_t top = { .kept = 0 };

    for (apr_uint32_t i = 0; candidates && i < snapshot->child_count; i++) {
        add_child_candidates(candidates, doctor, &snapshot->children[i]);
    }
    for (unsigned i = 0; candidates && i < candidates->count; i++) {
        const of_class_t *of = &candidates->of[i];

        if (!explained(doctor, of->child, of->class)) {
            pst_top_add(&top, (double)of->class->row.verdict.per_minute, of);
        }
    }
    for (unsigned i = 0; i < top.kept; i++) {
        find_class(doctor, top.item[i]);
    }
    note_more(doctor, &top);
}

void pst_doctor_growing(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    pst_top_t processes = { .kept = 0 }, connections = { .kept = 0 }, heaps = { .kept = 0 };

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        if (leaks(doctor, child)) {
            pst_top_add(&processes, (double)child->head.verdict.per_minute, child);
        }
        if (heap_leaks(doctor, child)) {
            pst_top_add(&heaps, (double)child->head.heap_verdict.per_minute, child);
        }
    }
    for (const pst_row_t *row = snapshot->growing; row; row = row->next_growing) {
        if (grows(doctor, &row->slot.verdict, PST_DOCTOR_GROWN, PST_DOCTOR_RECORD_SECONDS)) {
            pst_top_add(&connections, (double)row->slot.verdict.per_minute, row);
        }
    }
    for (unsigned i = 0; i < processes.kept; i++) {
        find_process(doctor, processes.item[i]);
    }
    note_more(doctor, &processes);
    for (unsigned i = 0; i < connections.kept; i++) {
        find_connection(doctor, connections.item[i]);
    }
    note_more(doctor, &connections);
    classes(doctor);
    for (unsigned i = 0; i < heaps.kept; i++) {
        find_heap(doctor, heaps.item[i]);
    }
    note_more(doctor, &heaps);
}

/* ---- generations ---- */

/* Over as many of the last reloads as each added that much. @return 0: they are too few */
static int climbs(pst_generation_growth_t *growth, const pst_snapshot_t *snapshot, pst_metric_e metric, apr_int64_t least)
{
    pst_generation_growth_t more;
    unsigned steps = PST_DOCTOR_RELOADS;

    if (pst_generation_growth(growth, snapshot, metric, steps + 1) < steps || growth->least < least) {
        return 0;
    }
    while (pst_generation_growth(&more, snapshot, metric, steps + 2) > steps && more.least >= least) {
        *growth = more;
        steps++;
    }
    return 1;
}

/* A configuration that gets longer with each reload explains what else gets longer. */
void pst_doctor_generations(pst_doctor_t *doctor)
{
    pst_generation_growth_t config, pools, own;
    pst_finding_t *finding;
    int in_pools = climbs(&pools, doctor->snapshot, PST_M_generation_parent_bytes, PST_DOCTOR_RELOAD_POOLS);
    int outside = climbs(&own, doctor->snapshot, PST_M_generation_parent_private_bytes, PST_DOCTOR_RELOAD_PRIVATE);
    unsigned steps = in_pools && outside ? (pools.steps < own.steps ? pools.steps : own.steps) : in_pools ? pools.steps : own.steps;

    if (!in_pools && !outside) {
        return;
    }
    pst_generation_growth(&config, doctor->snapshot, PST_M_generation_config_bytes, steps + 1);
    pst_generation_growth(&pools, doctor->snapshot, PST_M_generation_parent_bytes, steps + 1);
    pst_generation_growth(&own, doctor->snapshot, PST_M_generation_parent_private_bytes, steps + 1);
    in_pools = in_pools && config.each * 2 < pools.each;
    outside = outside && config.each * 2 < own.each && (!in_pools || pools.each * 2 < own.each);
    if (!in_pools && !outside) {
        return;
    }
    finding = pst_doctor_find(doctor, "grows-by-generation", PST_SEVERITY_WARNING);
    finding->what = pst_doctor_say(doctor, "Each reload of the configuration leaves %s behind in the parent%s, and in every "
                                   "child after it.", pst_doctor_size(doctor, outside ? own.each : pools.each),
                                   outside ? in_pools ? ", in pools and outside of them" : ", outside of pools" : ", in pools");
    finding->evidence = pst_doctor_say(doctor, "Over the last %u reloads the parent's pools went from %s to %s (the "
                                       "configuration's from %s to %s), its own resident memory from %s to %s.",
                                       steps, pst_doctor_size(doctor, (double)pools.first),
                                       pst_doctor_size(doctor, (double)pools.last), pst_doctor_size(doctor, (double)config.first),
                                       pst_doctor_size(doctor, (double)config.last), pst_doctor_size(doctor, (double)own.first),
                                       pst_doctor_size(doctor, (double)own.last));
    finding->advice = in_pools ? "A module allocates from a pool that outlives the configuration (s->process->pool, or none as parent) "
                                 "each time it is configured. Leave modules out one at a time to find it, and write to its author. A "
                                 "restart by stop and start gives the memory back, a graceful one never does."
                               : "A module, or a library that it brings along, calls malloc each time it is configured and never "
                                 "frees it. Leave modules out one at a time to find it, and write to its author. A restart by stop and "
                                 "start gives the memory back, a graceful one never does.";
    pst_doctor_figure(finding, "reloads", steps);
    pst_doctor_figure(finding, "parent_bytes_per_reload", pools.each);
    pst_doctor_figure(finding, "config_bytes_per_reload", config.each);
    pst_doctor_figure(finding, "parent_private_bytes_per_reload", own.each);
    pst_doctor_figure(finding, "parent_bytes", (double)pools.last);
    pst_doctor_figure(finding, "parent_private_bytes", (double)own.last);
}
