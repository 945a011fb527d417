/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampled mappings: see the header.
 *
 * One flag guards the spans. A thread that unmaps and cannot get it leaves the addresses in a bounded list, before
 * the kernel can give them to anybody else; the flag's holder works the list off before adding. If the list is full,
 * everything known may be wrong and is forgotten.
 */
#include "pst_span.h"
#include "pst_flag.h"

enum { FREE, WRITING, POSTED };

static struct {
    int          busy;
    int          overflown;         /* atomic: an unmapping was lost */
    apr_uint32_t posted;            /* atomic: approximate number of entries in pending */
    apr_uint32_t count;             /* read atomically, changed with the flag held */
    pst_span_fn  changed;
    pst_span_t   spans[PST_SPAN_COUNT];
    struct {
        int           state;        /* atomic */
        apr_uintptr_t from, to;
    } pending[PST_SPAN_PENDING];
} g;

void pst_span_start(pst_span_fn changed)
{
    g.changed = changed;
}

/* -- with the flag ---------------------------------------------------------- */

static void set_spans(apr_uint32_t count)
{
    __atomic_store_n(&g.count, count, __ATOMIC_RELAXED);
}

static void remove_span(apr_uint32_t i)
{
    g.changed(g.spans[i].site, -1, -(apr_int64_t)g.spans[i].size, -(apr_int64_t)g.spans[i].weight);
    g.spans[i] = g.spans[g.count - 1];
    set_spans(g.count - 1);
}

/* What a part of a span stands for. */
static apr_uint64_t share(const pst_span_t *span, apr_uint64_t bytes)
{
    return (apr_uint64_t)((double)span->weight * (double)bytes / (double)span->size);
}

/* Cut off its end from there. */
static void shorten(pst_span_t *span, apr_uintptr_t to)
{
    apr_uint64_t size = to - span->from, weight = share(span, size);

    g.changed(span->site, 0, (apr_int64_t)(size - span->size), (apr_int64_t)(weight - span->weight));
    span->to = to;
    span->size = size;
    span->weight = weight;
}

/* The part after the hole becomes a separate span if there is room, else it is forgotten. */
static void split_span(apr_uint32_t i, apr_uintptr_t from, apr_uintptr_t to)
{
    pst_span_t behind = g.spans[i];

    behind.size = behind.to - to;
    behind.weight = share(&g.spans[i], behind.size);
    behind.from = to;
    shorten(&g.spans[i], from);
    if (g.count < PST_SPAN_COUNT) {
        g.spans[g.count] = behind;
        set_spans(g.count + 1);
        g.changed(behind.site, 1, (apr_int64_t)behind.size, (apr_int64_t)behind.weight);
    }
}

static void cut_begin(pst_span_t *span, apr_uintptr_t to)
{
    apr_uint64_t size = span->to - to, weight = share(span, size);

    g.changed(span->site, 0, (apr_int64_t)(size - span->size), (apr_int64_t)(weight - span->weight));
    span->from = to;
    span->size = size;
    span->weight = weight;
}

static void cut(apr_uintptr_t from, apr_uintptr_t to)
{
    apr_uint32_t i = 0;

    while (i < g.count) {
        pst_span_t *span = &g.spans[i];

        if (to <= span->from || from >= span->to) {
            i++;
        }
        else if (from <= span->from && to >= span->to) {
            remove_span(i);             /* another one is here now */
        }
        else if (from <= span->from) {
            cut_begin(span, to);
            i++;
        }
        else if (to >= span->to) {
            shorten(span, from);
            i++;
        }
        else {
            split_span(i, from, to);
            return;                     /* no other span can overlap */
        }
    }
}

static void work_off(void)
{
    if (__atomic_exchange_n(&g.overflown, 0, __ATOMIC_ACQUIRE)) {
        while (g.count) {
            remove_span(0);
        }
    }
    for (apr_uint32_t i = 0; i < PST_SPAN_PENDING && __atomic_load_n(&g.posted, __ATOMIC_ACQUIRE); i++) {
        if (__atomic_load_n(&g.pending[i].state, __ATOMIC_ACQUIRE) == POSTED) {
            cut(g.pending[i].from, g.pending[i].to);
            __atomic_store_n(&g.pending[i].state, FREE, __ATOMIC_RELEASE);
            __atomic_sub_fetch(&g.posted, 1, __ATOMIC_RELEASE);
        }
    }
}

/* -- outside ---------------------------------------------------------------- */

static void post(apr_uintptr_t from, apr_uintptr_t to)
{
    __atomic_add_fetch(&g.posted, 1, __ATOMIC_RELEASE);
    for (apr_uint32_t i = 0; i < PST_SPAN_PENDING; i++) {
        int free = FREE;

        if (__atomic_compare_exchange_n(&g.pending[i].state, &free, WRITING, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            g.pending[i].from = from;
            g.pending[i].to = to;
            __atomic_store_n(&g.pending[i].state, POSTED, __ATOMIC_RELEASE);
            return;
        }
    }
    __atomic_sub_fetch(&g.posted, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&g.overflown, 1, __ATOMIC_RELEASE);
}

void pst_span_cut(apr_uintptr_t from, apr_uintptr_t to)
{
    if (!__atomic_load_n(&g.count, __ATOMIC_RELAXED) || from >= to) {
        return;
    }
    if (!pst_flag_take(&g.busy)) {
        post(from, to);
        return;
    }
    work_off();
    cut(from, to);
    pst_flag_give(&g.busy);
}

int pst_span_add(const pst_span_t *span)
{
    int room;

    if (span->from >= span->to || !pst_flag_take(&g.busy)) {
        return 0;
    }
    work_off();
    cut(span->from, span->to);
    room = g.count < PST_SPAN_COUNT;
    if (room) {
        g.spans[g.count] = *span;
        set_spans(g.count + 1);
    }
    pst_flag_give(&g.busy);
    return room;
}
