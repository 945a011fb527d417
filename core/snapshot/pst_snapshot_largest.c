/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot's finished requests: the largest, and how many there were of each size.  See
 * pst_snapshot.h.
 *
 * Rows are copied under their change counters and checked; over all children the largest of each URL and handler are
 * chosen again and histograms are added up by name.
 */
#include <stdlib.h>
#include <string.h>
#include "pst_snapshot.h"
#include "pst_snapshot_check.h"
#include "pst_figure.h"

apr_uint64_t pst_sizes_up_to(unsigned bucket)
{
    return bucket < PST_SIZES_BUCKETS - 1 ? (apr_uint64_t)PST_SIZES_LEAST << bucket : 0;
}

/* ---- one child ---- */

/* @return 0 if it is empty or not valid */
static int take_large(pst_large_row_t *to, const pst_shared_large_t *from, apr_uint32_t pid)
{
    pst_shared_large_t *row = &to->row;
    int good;

    memset(to, 0, sizeof(*to));
    if (!__atomic_load_n(&from->in_use, __ATOMIC_RELAXED)) {
        return 0;
    }
    good = pst_seq_copy(row, from, sizeof(*row));
    row->vhost[good ? sizeof(row->vhost) - 1 : 0] = '\0';
    row->handler[good ? sizeof(row->handler) - 1 : 0] = '\0';
    row->path[good ? sizeof(row->path) - 1 : 0] = '\0';
    row->line[good ? sizeof(row->line) - 1 : 0] = '\0';
    row->reserved_bytes = pst_sane(row->reserved_bytes);
    row->used_bytes = pst_sane(row->used_bytes);
    row->peak_bytes = pst_sane(row->peak_bytes);
    row->duration = pst_sane(row->duration);
    row->finished = pst_sane(row->finished);
    to->pid = pid;
    to->url_requests = to->url_sum_bytes = PST_UNKNOWN;
    return 1;
}

/* Largest first; among equal ones, the last to finish first. */
static int by_peak(const void *one, const void *two)
{
    const pst_large_row_t *a = one, *b = two;

    if (a->row.peak_bytes != b->row.peak_bytes) {
        return a->row.peak_bytes > b->row.peak_bytes ? -1 : 1;
    }
    if (a->row.finished != b->row.finished) {
        return a->row.finished > b->row.finished ? -1 : 1;
    }
    return (a->pid > b->pid) - (a->pid < b->pid);
}

static int take_sizes(pst_sizes_row_t *to, const pst_shared_sizes_t *from, int other)
{
    int good = pst_seq_copy(&to->row, from, sizeof(to->row));

    to->row.name[good ? sizeof(to->row.name) - 1 : 0] = '\0';
    to->other = other || !good || !to->row.named;
    to->requests = 0;
    for (unsigned i = 0; i < PST_SIZES_BUCKETS; i++) {
        to->row.requests[i] = pst_sane(to->row.requests[i]);
        to->requests = pst_plus(to->requests, to->row.requests[i]);
    }
    return to->requests != 0;
}

static void take_requests(pst_child_row_t *child, const pst_board_t *board, int gone, apr_pool_t *pool)
{
    pst_shared_child_t *from = pst_board_child(board, child->block);
    pst_sizes_t *sizes = &child->sizes;
    pst_sizes_row_t *row = apr_pcalloc(pool, PST_SIZES_COUNT * sizeof(*row));
    apr_uint32_t used = 0;

    for (apr_uint32_t i = 0; i < PST_LARGE_COUNT; i++) {
        used += __atomic_load_n(&pst_board_large(board, from, i)->in_use, __ATOMIC_RELAXED) != 0;
    }
    child->large = apr_palloc(pool, (used + 1) * sizeof(*child->large));
    for (apr_uint32_t i = 0; i < PST_LARGE_COUNT && child->large_count < used; i++) {
        child->large_count += (apr_uint32_t)take_large(&child->large[child->large_count],
                                                       pst_board_large(board, from, i), child->head.owner);
    }
    qsort(child->large, child->large_count, sizeof(*child->large), by_peak);
    take_sizes(&sizes->all, pst_board_sizes(board, from, PST_SIZES_ALL), 0);
    sizes->handlers = row;
    sizes->vhosts = row + PST_SIZES_EACH;
    for (apr_uint32_t i = 0; i < PST_SIZES_EACH; i++) {
        int other = i == PST_SIZES_EACH - 1;

        sizes->handler_count += (apr_uint32_t)take_sizes(&sizes->handlers[sizes->handler_count],
                                                         pst_board_sizes(board, from, PST_SIZES_HANDLERS + i), other);
        sizes->vhost_count += (apr_uint32_t)take_sizes(&sizes->vhosts[sizes->vhost_count],
                                                       pst_board_sizes(board, from, PST_SIZES_VHOSTS + i), other);
    }
    if (pst_snapshot_whose(from, gone) != child->head.owner) {
        child->large_count = sizes->handler_count = sizes->vhost_count = 0;
        memset(&sizes->all, 0, sizeof(sizes->all));
    }
}

/* ---- all children ---- */

static void add_sizes(pst_sizes_row_t *sum, const pst_sizes_row_t *row)
{
    for (unsigned i = 0; i < PST_SIZES_BUCKETS; i++) {
        sum->row.requests[i] = pst_plus(sum->row.requests[i], row->row.requests[i]);
    }
    sum->requests = pst_plus(sum->requests, row->requests);
}

/* Add to the row of the same name; once there are PST_SIZES_TOTAL rows, to the first one, which is "other". */
static void add_named(pst_sizes_row_t *sums, apr_uint32_t *count, const pst_sizes_row_t *row)
{
    apr_uint32_t i;

    for (i = 1; i < *count && (row->other || strcmp(sums[i].row.name, row->row.name)); i++) { }
    if (row->other || (i == *count && i == PST_SIZES_TOTAL)) {
        i = 0;
    }
    else if (i == *count) {
        memset(&sums[i], 0, sizeof(sums[i]));
        memcpy(sums[i].row.name, row->row.name, sizeof(sums[i].row.name));
        ++*count;
    }
    add_sizes(&sums[i], row);
}

static int by_row_requests(const void *one, const void *two)
{
    const pst_sizes_row_t *a = one, *b = two;

    if (a->requests != b->requests) {
        return a->requests > b->requests ? -1 : 1;
    }
    return a->other != b->other ? a->other - b->other : strcmp(a->row.name, b->row.name);
}

/* Most requests first; a row without any, which only "other" can be, comes last. */
static void sort_sizes(pst_sizes_row_t *rows, apr_uint32_t *count)
{
    qsort(rows, *count, sizeof(*rows), by_row_requests);
    while (*count && !rows[*count - 1].requests) {
        --*count;
    }
}

static void start_sums(pst_sizes_t *sums, apr_pool_t *pool)
{
    sums->handlers = apr_palloc(pool, PST_SIZES_TOTAL * sizeof(*sums->handlers));
    sums->vhosts = apr_palloc(pool, PST_SIZES_TOTAL * sizeof(*sums->vhosts));
    memset(sums->handlers, 0, sizeof(*sums->handlers));
    memset(sums->vhosts, 0, sizeof(*sums->vhosts));
    sums->handlers->other = sums->vhosts->other = 1;
    sums->handler_count = sums->vhost_count = 1;
}

static void merge_large_rows(pst_snapshot_t *snapshot, const pst_child_row_t *child)
{
    pst_sizes_t *sums = &snapshot->sizes;

    add_sizes(&sums->all, &child->sizes.all);
    for (apr_uint32_t i = 0; i < child->sizes.handler_count; i++) {
        add_named(sums->handlers, &sums->handler_count, &child->sizes.handlers[i]);
    }
    for (apr_uint32_t i = 0; i < child->sizes.vhost_count; i++) {
        add_named(sums->vhosts, &sums->vhost_count, &child->sizes.vhosts[i]);
    }
}

static int is_same_group(const pst_shared_large_t *a, const pst_shared_large_t *b)
{
    return !strcmp(a->path, b->path) && !strcmp(a->vhost, b->vhost) && !strcmp(a->handler, b->handler);
}

/* Where it may go: in place of another of its group, at the end, or in place of the last. */
static apr_uint32_t find_place_of_large(pst_snapshot_t *snapshot, const pst_large_row_t *large)
{
    apr_uint32_t at = 0;

    while (at < snapshot->large_count && !is_same_group(&snapshot->large[at].row, &large->row)) {
        at++;
    }
    return at < PST_LARGE_COUNT ? at : PST_LARGE_COUNT - 1;
}

/* A child's rows are sorted: once one is too small, so are the rest. */
static void choose_large(pst_snapshot_t *snapshot, const pst_child_row_t *child)
{
    for (apr_uint32_t i = 0; i < child->large_count; i++) {
        const pst_large_row_t *large = &child->large[i];
        apr_uint32_t count = snapshot->large_count, at;

        if (count == PST_LARGE_COUNT && by_peak(large, &snapshot->large[count - 1]) >= 0) {
            return;
        }
        at = find_place_of_large(snapshot, large);
        if (at < count && by_peak(large, &snapshot->large[at]) >= 0) {
            continue;
        }
        snapshot->large_count += at == count;
        for (; at && by_peak(large, &snapshot->large[at - 1]) < 0; at--) {
            snapshot->large[at] = snapshot->large[at - 1];
        }
        snapshot->large[at] = *large;
    }
}

void pst_snapshot_largest(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool)
{
    start_sums(&snapshot->sizes, pool);
    snapshot->large = apr_palloc(pool, PST_LARGE_COUNT * sizeof(*snapshot->large));
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        pst_child_row_t *child = &snapshot->children[i];

        take_requests(child, board, snapshot->gone, pool);
        merge_large_rows(snapshot, child);
        choose_large(snapshot, child);
        sort_sizes(child->sizes.handlers, &child->sizes.handler_count);
        sort_sizes(child->sizes.vhosts, &child->sizes.vhost_count);
    }
    sort_sizes(snapshot->sizes.handlers, &snapshot->sizes.handler_count);
    sort_sizes(snapshot->sizes.vhosts, &snapshot->sizes.vhost_count);
}
