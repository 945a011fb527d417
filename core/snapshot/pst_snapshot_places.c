/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot's classes and call sites.  See pst_snapshot.h.
 *
 * Rows are copied one by one under their change counters, checked, and sorted.  The
 * sums over all children are found by hashing: two rows of different children are the same if their
 * code is in the same place (object and offset); row numbers never matter.
 */
#include <stdlib.h>
#include <string.h>
#include "pst_snapshot.h"
#include "pst_snapshot_check.h"
#include "pst_figure.h"
#include "pst_trend.h"

static apr_uint64_t larger(apr_uint64_t a, apr_uint64_t b)
{
    return a > b ? a : b;
}

/* ---- one child ---- */

static pst_shared_frame_t check_frame(pst_shared_frame_t frame)
{
    return PST_FRAME_MODULE(frame) < PST_MODULE_COUNT ? frame : PST_FRAME(0, PST_FRAME_OFFSET(frame));
}

static void derive(pst_class_row_t *class)
{
    const pst_shared_class_t *row = &class->row;

    class->pools = pst_minus(row->class_pools_created, pst_plus(row->class_pools_destroyed, row->class_pools_left));
    class->lifetime_mean = row->class_pools_destroyed ? row->class_lifetime_seconds / row->class_pools_destroyed : 0;
}

/* @return 0 if it is empty or not valid */
static int take_class(pst_class_row_t *to, const pst_shared_class_t *from, apr_uint32_t index)
{
    pst_shared_class_t *row = &to->row;
    int good;

    memset(to, 0, sizeof(*to));
    if (!__atomic_load_n(&from->in_use, __ATOMIC_RELAXED)) {
        return 0;
    }
    good = pst_seq_copy(row, from, sizeof(*row));
    row->tag[good ? sizeof(row->tag) - 1 : 0] = '\0';
    row->function[good ? sizeof(row->function) - 1 : 0] = '\0';
    row->creator = check_frame(row->creator);
#define PST_METRIC_CLASS(...) row->PST_FIELD(__VA_ARGS__) = pst_sane(row->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    pst_snapshot_check_verdict(&row->verdict, 0);
    to->index = index;
    derive(to);
    return row->class_pools_created > row->class_pools_left;
}

static int take_site(pst_site_row_t *to, const pst_shared_site_t *from, apr_uint32_t index)
{
    pst_shared_site_t *row = &to->row;

    memset(to, 0, sizeof(*to));
    if (!__atomic_load_n(&from->in_use, __ATOMIC_RELAXED)) {
        return 0;
    }
    if (!pst_seq_copy(row, from, sizeof(*row)) || row->depth > PST_SITE_FRAMES) {
        row->depth = 0;
    }
    if (row->scope >= PST_SCOPE_OF_SITES) {
        row->scope = PST_SCOPE_PROCESS;
    }
    for (unsigned i = 0; i < PST_SITE_FRAMES; i++) {
        row->frames[i] = i < row->depth ? check_frame(row->frames[i]) : 0;
    }
#define PST_METRIC_SITE(...) row->PST_FIELD(__VA_ARGS__) = pst_sane(row->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    pst_snapshot_check_verdict(&row->verdict, 0);
    to->index = index;
    return row->site_ever_samples > row->site_left_samples || row->site_kept_samples;
}

static int by_reserved(const void *one, const void *two)
{
    const pst_class_row_t *a = one, *b = two;

    if (a->row.class_reserved_bytes != b->row.class_reserved_bytes) {
        return a->row.class_reserved_bytes > b->row.class_reserved_bytes ? -1 : 1;
    }
    if (a->row.creator != b->row.creator) {
        return a->row.creator < b->row.creator ? -1 : 1;
    }
    return strcmp(a->row.tag, b->row.tag);
}

static int by_site_live(const void *one, const void *two)
{
    const pst_site_row_t *a = one, *b = two;
    apr_uint64_t a_holds = larger(a->row.site_live_bytes, a->row.site_kept_bytes);
    apr_uint64_t b_holds = larger(b->row.site_live_bytes, b->row.site_kept_bytes);

    if (a_holds != b_holds) {
        return a_holds > b_holds ? -1 : 1;
    }
    if (a->row.site_ever_bytes != b->row.site_ever_bytes) {
        return a->row.site_ever_bytes > b->row.site_ever_bytes ? -1 : 1;
    }
    return memcmp(a->row.frames, b->row.frames, sizeof(a->row.frames));
}

/* Memory follows what is in use: a board may name thousands of children without any. Rows added after the count are
 * left for the next snapshot. */
apr_uint32_t pst_snapshot_count_classes(const pst_board_t *board, pst_shared_child_t *from)
{
    apr_uint32_t count = 0;

    for (apr_uint32_t i = 0; i < PST_CLASS_COUNT; i++) {
        count += __atomic_load_n(&pst_board_class(board, from, i)->in_use, __ATOMIC_RELAXED) != 0;
    }
    return count;
}

void pst_snapshot_classes(pst_child_row_t *child, const pst_board_t *board, apr_uint32_t room)
{
    pst_shared_child_t *from = pst_board_child(board, child->block);

    for (apr_uint32_t i = 0; i < PST_CLASS_COUNT && child->class_count < room; i++) {
        child->class_count += (apr_uint32_t)take_class(&child->classes[child->class_count],
                                                       pst_board_class(board, from, i), i);
    }
    qsort(child->classes, child->class_count, sizeof(*child->classes), by_reserved);
}

static apr_uint32_t count_sites(const pst_board_t *board, pst_shared_child_t *from)
{
    apr_uint32_t count = 0;

    for (apr_uint32_t i = 0; i < PST_SITE_COUNT; i++) {
        count += __atomic_load_n(&pst_board_site(board, from, i)->in_use, __ATOMIC_RELAXED) != 0;
    }
    return count;
}

static void take_sites(pst_child_row_t *child, const pst_board_t *board, int gone, apr_pool_t *pool)
{
    pst_shared_child_t *from = pst_board_child(board, child->block);
    apr_uint32_t sites = count_sites(board, from);

    child->sites = apr_palloc(pool, (sites + 1) * sizeof(*child->sites));
    for (apr_uint32_t i = 0; i < PST_SITE_COUNT && child->site_count < sites; i++) {
        child->site_count += (apr_uint32_t)take_site(&child->sites[child->site_count],
                                                     pst_board_site(board, from, i), i);
    }
    qsort(child->sites, child->site_count, sizeof(*child->sites), by_site_live);
    for (apr_uint32_t i = 0; i < child->site_count; i++) {
        for (apr_uint32_t c = 0; c < child->class_count; c++) {
            if (child->classes[c].index == child->sites[i].row.of_class) {
                child->sites[i].of_class = &child->classes[c];
            }
        }
    }
    if (pst_snapshot_whose(from, gone) != child->head.owner) {
        child->class_count = child->site_count = 0;
    }
}

/* ---- all children ---- */

typedef struct {
    apr_uint32_t *slots;        /* index + 1 */
    apr_uint32_t mask;
} index_t;

static apr_uint64_t hash(const void *data, apr_size_t size, apr_uint64_t h)
{
    const unsigned char *c = data, *end = c + size;

    for (; c < end; c++) {
        h = (h ^ *c) * 0x100000001b3u;
    }
    return h;
}

static void make_index(index_t *index, apr_uint32_t count, apr_pool_t *pool)
{
    apr_uint32_t size = 64;

    while (size < 2 * count) {
        size *= 2;
    }
    index->mask = size - 1;
    index->slots = apr_pcalloc(pool, size * sizeof(*index->slots));
}

static int same_class(const pst_class_row_t *a, const pst_class_row_t *b)
{
    return !a->index == !b->index && a->row.creator == b->row.creator && !strcmp(a->row.tag, b->row.tag);
}

/* Over all children: the verdict of the one where it grows fastest. */
static void add_verdict(pst_shared_verdict_t *sum, const pst_shared_verdict_t *verdict)
{
    if (verdict->state == PST_TREND_GROWING
            ? sum->state != PST_TREND_GROWING || verdict->per_minute > sum->per_minute
            : sum->state == PST_TREND_LITTLE) {
        *sum = *verdict;
    }
}

void pst_class_add(pst_class_row_t *sum, const pst_class_row_t *class)
{
    pst_shared_class_t *to = &sum->row;
    const pst_shared_class_t *row = &class->row;

    add_verdict(&to->verdict, &row->verdict);
    to->class_pools_created = pst_plus(to->class_pools_created, row->class_pools_created);
    to->class_pools_left = pst_plus(to->class_pools_left, row->class_pools_left);
    to->class_pools_destroyed = pst_plus(to->class_pools_destroyed, row->class_pools_destroyed);
    to->class_reserved_bytes = pst_plus(to->class_reserved_bytes, row->class_reserved_bytes);
    to->class_peak_bytes = pst_plus(to->class_peak_bytes, row->class_peak_bytes);
    to->class_largest_bytes = larger(to->class_largest_bytes, row->class_largest_bytes);
    to->class_lifetime_seconds = pst_plus(to->class_lifetime_seconds, row->class_lifetime_seconds);
    to->class_lifetime_max_seconds = larger(to->class_lifetime_max_seconds, row->class_lifetime_max_seconds);
    derive(sum);
}

static pst_class_row_t *find_class_row(pst_snapshot_t *snapshot, const index_t *index, const pst_class_row_t *class)
{
    apr_uint32_t i = (apr_uint32_t)(hash(class->row.tag, strlen(class->row.tag), class->row.creator) >> 20);

    for (;; i++) {
        apr_uint32_t *slot = &index->slots[i & index->mask];

        if (!*slot) {
            snapshot->classes[snapshot->class_count] = *class;
            *slot = ++snapshot->class_count;
            return NULL;
        }
        if (same_class(&snapshot->classes[*slot - 1], class)) {
            return &snapshot->classes[*slot - 1];
        }
    }
}

static int same_site(const pst_site_row_t *a, const pst_site_row_t *b)
{
    return !a->index == !b->index && a->row.scope == b->row.scope && a->row.depth == b->row.depth
           && !memcmp(a->row.frames, b->row.frames, sizeof(a->row.frames))
           && (a->of_class == b->of_class || (a->of_class && b->of_class && same_class(a->of_class, b->of_class)));
}

static void add_site(pst_site_row_t *sum, const pst_site_row_t *site)
{
#define ADD_FIELD(field) sum->row.field = pst_plus(sum->row.field, site->row.field);
#define PST_METRIC_SITE(...) ADD_FIELD(PST_FIELD(__VA_ARGS__))
#include "poolstat_metrics.def"
}

static pst_site_row_t *find_site_row(pst_snapshot_t *snapshot, const index_t *index, const pst_site_row_t *site)
{
    apr_uint32_t i = (apr_uint32_t)(hash(site->row.frames, sizeof(site->row.frames), site->row.scope) >> 20);

    for (;; i++) {
        apr_uint32_t *slot = &index->slots[i & index->mask];

        if (!*slot) {
            snapshot->sites[snapshot->site_count] = *site;
            *slot = ++snapshot->site_count;
            return NULL;
        }
        if (same_site(&snapshot->sites[*slot - 1], site)) {
            return &snapshot->sites[*slot - 1];
        }
    }
}

static void sum_places(pst_snapshot_t *snapshot, apr_pool_t *pool)
{
    apr_uint32_t classes = 0, sites = 0;
    index_t class_index, site_index;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        classes += snapshot->children[i].class_count;
        sites += snapshot->children[i].site_count;
    }
    snapshot->classes = apr_palloc(pool, (classes + 1) * sizeof(*snapshot->classes));
    snapshot->sites = apr_palloc(pool, (sites + 1) * sizeof(*snapshot->sites));
    make_index(&class_index, classes, pool);
    make_index(&site_index, sites, pool);
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        for (apr_uint32_t c = 0; c < child->class_count; c++) {
            pst_class_row_t *sum = find_class_row(snapshot, &class_index, &child->classes[c]);

            if (sum) {
                pst_class_add(sum, &child->classes[c]);
            }
        }
        for (apr_uint32_t s = 0; s < child->site_count; s++) {
            pst_site_row_t *sum = find_site_row(snapshot, &site_index, &child->sites[s]);

            if (sum) {
                add_site(sum, &child->sites[s]);
            }
        }
    }
    qsort(snapshot->classes, snapshot->class_count, sizeof(*snapshot->classes), by_reserved);
    qsort(snapshot->sites, snapshot->site_count, sizeof(*snapshot->sites), by_site_live);
}

static void take_modules(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool)
{
    snapshot->modules = apr_pcalloc(pool, PST_MODULE_COUNT * sizeof(*snapshot->modules));
    for (apr_uint32_t i = 1; i < PST_MODULE_COUNT; i++) {
        const pst_shared_module_t *from = pst_board_module(board, i);

        if (__atomic_load_n(&from->state, __ATOMIC_ACQUIRE) == 2) {
            snapshot->modules[i] = *from;
            snapshot->modules[i].name[PST_MODULE_LEN - 1] = '\0';
        }
    }
}

void pst_snapshot_places(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool)
{
    take_modules(snapshot, board, pool);
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        take_sites(&snapshot->children[i], board, snapshot->gone, pool);
    }
    sum_places(snapshot, pool);
}
