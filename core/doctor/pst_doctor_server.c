/* SPDX-License-Identifier: Apache-2.0
 *
 * The doctor on the server: limits it runs into, and what is not observed.  See pst_doctor_parts.h.
 */
#include "pst_doctor_parts.h"
#include "pst_figure.h"
#include "pst_machine.h"

#include <apr_strings.h>
#include <stdlib.h>

/* ---- what is not observed ---- */

static void not_instrumented(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    const pst_shared_child_t *worst = NULL;
    pst_finding_t *finding;
    apr_uint32_t count = 0;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_shared_child_t *head = &snapshot->children[i].head;

        if (head->level != PST_LEVEL_FULL) {
            count++;
            worst = worst && worst->level <= head->level ? worst : head;
        }
    }
    if (!worst) {
        return;
    }
    finding = pst_doctor_find(doctor, "not-instrumented", PST_SEVERITY_WARNING);
    finding->what = pst_doctor_say(
        doctor, "%u of %u children are not instrumented: %s.", (unsigned)count, (unsigned)snapshot->child_count,
        worst->level == PST_LEVEL_HOOKS ? "their figures are exact where a hook runs, older between"
                                        : "connections and requests are counted, bytes are not known");
    finding->evidence = pst_doctor_say(doctor, "The reason: %s.", worst->reason[0] ? worst->reason : "none was given");
    finding->advice =
        "PoolStatInstrument On, if it is Off. Otherwise the reason says what stands in the way; the error log has it "
        "too "
        "(PST0003, PST0005).";
    pst_doctor_figure(finding, "children", count);
    pst_doctor_figure(finding, "children_shown", snapshot->child_count);
}

static void slots_exceeded(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    apr_uint64_t now = 0, ever = 0, most = 0, slots = doctor->board->slot_count, children = 0, wanted;
    pst_finding_t *finding;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_shared_child_t *head = &snapshot->children[i].head;

        if (head->unslotted_opened) {
            children++;
            now += head->unslotted_connections < (1u << 30) ? head->unslotted_connections : 0;
            ever += head->unslotted_opened < ((apr_uint64_t)1 << 40) ? head->unslotted_opened : 0;
            most = head->unslotted_connections > most ? head->unslotted_connections : most;
        }
    }
    if (!children) {
        return;
    }
    wanted = slots + (most > slots ? most : slots);
    wanted = wanted > 65536 ? 65536 : wanted;
    finding = pst_doctor_find(doctor, "slots-exceeded", PST_SEVERITY_INFO);
    finding->what = pst_doctor_say(doctor,
                                   "Connections found no slot on the board, in %" APR_UINT64_T_FMT
                                   " of %u children: they are in the "
                                   "sums but have no rows of their own.",
                                   children, (unsigned)snapshot->child_count);
    finding->evidence = pst_doctor_say(doctor,
                                       "%" APR_UINT64_T_FMT " so far, %" APR_UINT64_T_FMT
                                       " of them open now; a child has %" APR_UINT64_T_FMT " slots.",
                                       ever, now, slots);
    finding->advice = pst_doctor_say(doctor, "PoolStatConnections %" APR_UINT64_T_FMT ".", wanted);
    pst_doctor_figure(finding, "connections", (double)ever);
    pst_doctor_figure(finding, "connections_open", (double)now);
    pst_doctor_figure(finding, "slots", (double)slots);
    pst_doctor_figure(finding, "suggested_connections", (double)wanted);
}

static void homeless(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    pst_finding_t *finding;

    if (!snapshot->about.homeless) {
        return;
    }
    finding = pst_doctor_find(doctor, "homeless-children", PST_SEVERITY_WARNING);
    finding->what = pst_doctor_say(doctor,
                                   "%" APR_UINT64_T_FMT
                                   " children found no free block on the board since the server started: their "
                                   "memory is not shown.",
                                   snapshot->about.homeless);
    finding->evidence =
        pst_doctor_say(doctor, "The board has %u blocks, for two generations of ServerLimit; %u are in use now.",
                       (unsigned)doctor->board->child_count, (unsigned)snapshot->child_count);
    finding->advice =
        "Reload less often, so that children of older generations have time to end, or raise ServerLimit, and with it "
        "the board, and restart.";
    pst_doctor_figure(finding, "children", (double)snapshot->about.homeless);
    pst_doctor_figure(finding, "blocks", doctor->board->child_count);
    pst_doctor_figure(finding, "blocks_used", snapshot->child_count);
}

static void board_nearly_full(pst_doctor_t *doctor)
{
    apr_uint64_t blocks = doctor->board->child_count, used = doctor->snapshot->child_count;
    pst_finding_t *finding;

    if (used * 100 < blocks * PST_DOCTOR_BOARD_FULL) {
        return;
    }
    finding = pst_doctor_find(doctor, "board-nearly-full", PST_SEVERITY_INFO);
    finding->what = "The board is nearly full: the next children may find no block, and would not be shown.";
    finding->evidence =
        pst_doctor_say(doctor,
                       "%" APR_UINT64_T_FMT " of %" APR_UINT64_T_FMT " blocks are in use: it has room for two "
                       "generations of ServerLimit.",
                       used, blocks);
    finding->advice =
        "Children of older generations take up the room: reload less often, so that they have time to end.";
    pst_doctor_figure(finding, "blocks", (double)blocks);
    pst_doctor_figure(finding, "blocks_used", (double)used);
}

/* The child itself decides what persists: each of its last checks found it. */
static void unbalanced(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    const pst_shared_child_t *worst = NULL;
    apr_uint64_t most = 0, children = 0;
    pst_finding_t *finding;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_shared_child_t *head = &snapshot->children[i].head;
        apr_uint64_t off = pst_plus(head->unbalanced_bytes, head->overbooked_bytes);

        if (head->level == PST_LEVEL_FULL && head->balance_time && off) {
            children++;
            worst = off > most ? head : worst;
            most = off > most ? off : most;
        }
    }
    if (!worst) {
        return;
    }
    finding = pst_doctor_find(doctor, "books-do-not-balance", PST_SEVERITY_WARNING);
    finding->pid = worst->owner;
    finding->what = pst_doctor_say(
        doctor, "The books of %" APR_UINT64_T_FMT " of %u children do not balance: some code uses APR without being "
                "counted.",
        children, (unsigned)snapshot->child_count);
    finding->evidence =
        pst_doctor_say(doctor,
                       worst->unbalanced_bytes
                           ? "Child %u: %s are held but are in no known pool, bucket node or free list."
                           : "Child %u: %s are in pools, bucket nodes or free lists that are no longer held.",
                       (unsigned)worst->owner, pst_doctor_size(doctor, (double)most));
    finding->advice =
        "Pools that grow or end by calls that are not redirected: through a pointer from dlsym(), or from an object "
        "that was just loaded. docs/limits.md says which, and when such a pool is counted anew. If none of it fits, "
        "report it.";
    pst_doctor_figure(finding, "children", (double)children);
    pst_doctor_figure(finding, "unbalanced_bytes", (double)worst->unbalanced_bytes);
    pst_doctor_figure(finding, "overbooked_bytes", (double)worst->overbooked_bytes);
}

/* ---- generations that stay ---- */

static const pst_generation_row_t *generation_of(const pst_snapshot_t *snapshot, apr_uint32_t number)
{
    for (apr_uint32_t i = 0; i < snapshot->generation_count; i++) {
        if (snapshot->generations[i].row.number == number) {
            return &snapshot->generations[i];
        }
    }
    return NULL;
}

static void lingering(pst_doctor_t *doctor)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    apr_uint64_t longest = 0, held = 0;
    apr_uint32_t count = 0;
    pst_finding_t *finding;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];
        const pst_generation_row_t *generation = generation_of(snapshot, child->head.generation);
        apr_uint64_t ended = generation ? generation->row.generation_ended : 0;

        if (!child->head.ended_how && ended && ended < snapshot->taken
            && (snapshot->taken - ended) / 1000000 >= PST_DOCTOR_LINGERS) {
            count++;
            held += child->head.held_bytes < ((apr_uint64_t)1 << 50) ? child->head.held_bytes : 0;
            longest = snapshot->taken - ended > longest ? snapshot->taken - ended : longest;
        }
    }
    if (!count) {
        return;
    }
    finding = pst_doctor_find(doctor, "lingering-generation", PST_SEVERITY_INFO);
    finding->what =
        pst_doctor_say(doctor, "%u children of older generations still live, %s after the configuration was reloaded.",
                       (unsigned)count, pst_doctor_age(doctor, longest));
    finding->evidence = pst_doctor_say(doctor, "Their pools hold %s; they end when their last connection does.",
                                       pst_doctor_size(doctor, (double)held));
    finding->advice =
        "Their connections show what keeps them (sort by age): long downloads, websockets, streams. Timeout and "
        "ProxyTimeout "
        "bound those that stand still.";
    pst_doctor_figure(finding, "children", count);
    pst_doctor_figure(finding, "held_bytes", (double)held);
    pst_doctor_figure(finding, "lasted_seconds", (double)longest / 1e6);
}

/* ---- memory ---- */

static int by_size(const void *one, const void *two)
{
    const apr_uint64_t *a = one, *b = two;

    return (*a > *b) - (*a < *b);
}

/* Over children old enough to have reached their size. @return 0 if there is none */
static apr_uint64_t median_pss(const pst_doctor_t *doctor, apr_uint32_t *count)
{
    const pst_snapshot_t *snapshot = doctor->snapshot;
    apr_uint64_t *sizes = apr_palloc(doctor->pool, (snapshot->child_count + 1) * sizeof(*sizes));

    *count = 0;
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_shared_child_t *head = &snapshot->children[i].head;

        if (head->books.pss_bytes && head->started < snapshot->taken
            && (snapshot->taken - head->started) / 1000000 >= PST_DOCTOR_RECORD_SECONDS) {
            sizes[(*count)++] = head->books.pss_bytes;
        }
    }
    if (!*count) {
        return 0;
    }
    qsort(sizes, *count, sizeof(*sizes), by_size);
    return sizes[*count / 2];
}

static void children_exceed_memory(pst_doctor_t *doctor)
{
    const pst_shared_header_t *about = &doctor->snapshot->about;
    double limit = (double)about->memory_limit_bytes, children = (double)about->children_limit, threads;
    apr_uint32_t count;
    double each = (double)median_pss(doctor, &count), fit;
    pst_finding_t *finding;

    if (limit <= 0 || each <= 0 || children * each <= limit) {
        return;
    }
    threads = about->threads_per_child && about->threads_per_child < 100000 ? (double)about->threads_per_child : 1;
    fit = (double)(apr_uint64_t)(limit * PST_DOCTOR_MEMORY_SHARE / 100 / each);
    fit = fit < 1 ? 1 : fit;
    finding = pst_doctor_find(doctor, "children-exceed-memory", PST_SEVERITY_CRITICAL);
    finding->what = "All the children that MaxRequestWorkers allows would need more memory than there is.";
    finding->evidence = pst_doctor_say(
        doctor, "%.0f children of %s each (the median of the proportional sizes of %u) are %s; %s has %s.", children,
        pst_doctor_size(doctor, each), (unsigned)count, pst_doctor_size(doctor, children * each),
        pst_memory_word(about->memory_kind), pst_doctor_size(doctor, limit));
    finding->advice =
        pst_doctor_say(doctor,
                       "MaxRequestWorkers %.0f (%.0f children%s) leaves %d %% for everything else; or make children "
                       "smaller: the other findings say how.",
                       fit * threads, fit, threads > 1 ? pst_doctor_say(doctor, " of %.0f threads", threads) : "",
                       100 - PST_DOCTOR_MEMORY_SHARE);
    pst_doctor_figure(finding, "children_limit", children);
    pst_doctor_figure(finding, "median_pss_bytes", each);
    pst_doctor_figure(finding, "needed_bytes", children * each);
    pst_doctor_figure(finding, "memory_limit_bytes", limit);
    pst_doctor_figure(finding, "suggested_request_workers", fit * threads);
}

void pst_doctor_server(pst_doctor_t *doctor)
{
    children_exceed_memory(doctor);
    lingering(doctor);
    slots_exceeded(doctor);
    homeless(doctor);
    board_nearly_full(doctor);
    not_instrumented(doctor);
    unbalanced(doctor);
}
