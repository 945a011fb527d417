/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot's table of what was requested: the children's tables and that of children that are gone, added up.  See
 * pst_snapshot.h and pst_url.h.
 *
 * The parent frees a child's block and adds its table to what it keeps within one step of a sequence counter. If the
 * counter moved meanwhile, everything is read again.
 */
#include <stdlib.h>
#include <string.h>
#include "pst_snapshot_urls.h"
#include "pst_figure.h"
#include "pst_url.h"

#define TRIES 4

typedef struct adding_t {
    const pst_board_t *board;
    const pst_filter_t *filter;
    pst_url_sum_t sum;
    pst_shared_url_t *table;    /* one table: a child's, or the kept one */
} adding_t;

static apr_uint32_t take_urls(adding_t *adding, pst_shared_child_t *child)
{
    apr_uint32_t count = 1;

    if (!pst_url_take(&adding->table[0], pst_board_url(adding->board, child, 0))) {
        return 0;
    }
    for (apr_uint32_t i = 1; i < PST_URL_COUNT; i++) {
        count += (apr_uint32_t)pst_url_take(&adding->table[count], pst_board_url(adding->board, child, i));
    }
    return count;
}

/* All requests for the URL of a large one, as far as it has a row. */
static void join_large(pst_large_row_t *large, apr_uint32_t large_count, const pst_shared_url_t *rows,
                       apr_uint32_t count)
{
    for (apr_uint32_t l = 0; l < large_count; l++) {
        for (apr_uint32_t i = 1; i < count; i++) {
            if (!strcmp(rows[i].path, large[l].row.path) && !strcmp(rows[i].vhost, large[l].row.vhost)) {
                large[l].url_requests = rows[i].requests;
                large[l].url_sum_bytes = rows[i].bytes;
                break;
            }
        }
    }
}

/* Children that are gone are in the kept table, unless a single child is requested. */
static void add_child_urls(adding_t *adding, const pst_child_row_t *child)
{
    pst_shared_child_t *from = pst_board_child(adding->board, child->block);
    apr_uint32_t owner = __atomic_load_n(&from->owner, __ATOMIC_ACQUIRE), count;

    if (adding->filter->pid && !owner) {
        owner = __atomic_load_n(&from->pid, __ATOMIC_ACQUIRE);
    }
    if (owner != child->head.owner) {
        return;
    }
    count = take_urls(adding, from);
    if (count) {
        join_large(child->large, child->large_count, adding->table, count);
        pst_url_add(&adding->sum, adding->table, count);
    }
}

/* Its rows have no sequence of their own. */
static void add_kept_urls(adding_t *adding)
{
    const pst_shared_urls_t *urls = pst_board_urls(adding->board);
    apr_uint32_t count = 1;

    if (!pst_url_take(&adding->table[0], &urls->rows[0])) {
        return;
    }
    for (apr_uint32_t i = 1; i < PST_URL_KEPT_COUNT; i++) {
        count += (apr_uint32_t)pst_url_take(&adding->table[count], &urls->rows[i]);
    }
    pst_url_add(&adding->sum, adding->table, count);
}

static void add_all_urls(adding_t *adding, const pst_snapshot_t *snapshot, pst_shared_url_t *rows, apr_uint32_t keep,
                    apr_uint16_t *slots)
{
    const uint32_t *seq = &pst_board_urls(adding->board)->seq;
    apr_uint32_t before, after = 1;

    for (int try = 0; try < TRIES && after & 1; try++) {
        before = __atomic_load_n(seq, __ATOMIC_ACQUIRE);
        pst_url_start(&adding->sum, rows, keep, PST_URL_ROOM(keep, PST_URL_KEPT_COUNT), slots);
        if (!adding->filter->pid) {
            add_kept_urls(adding);
        }
        for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
            add_child_urls(adding, &snapshot->children[i]);
        }
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        after = __atomic_load_n(seq, __ATOMIC_RELAXED) == before ? before : 1;
    }
    pst_url_total(&adding->sum);
    pst_url_sort(&adding->sum);
}

/* -- by vhost, by handler --------------------------------------------------- */

static int by_vhost(const void *one, const void *two)
{
    const pst_shared_url_t *const *a = one, *const *b = two;

    return memcmp((*a)->vhost, (*b)->vhost, sizeof((*a)->vhost));
}

static int by_handler(const void *one, const void *two)
{
    const pst_shared_url_t *const *a = one, *const *b = two;

    return memcmp((*a)->handler, (*b)->handler, sizeof((*a)->handler));
}

static int by_url_took(const void *one, const void *two)
{
    apr_uint64_t a = pst_url_took(one), b = pst_url_took(two);

    if (a != b) {
        return a > b ? -1 : 1;
    }
    return memcmp(((const pst_shared_url_t *)one)->vhost, ((const pst_shared_url_t *)two)->vhost, PST_VHOST_LEN);
}

/* Missed requests are not set: a request without a row can belong to any group. */
static void add_to_urls(pst_shared_url_t *group, const pst_shared_url_t *row)
{
    group->requests = pst_plus(group->requests, row->requests);
    group->bytes = pst_plus(group->bytes, row->bytes);
    group->largest = row->largest > group->largest ? row->largest : group->largest;
    group->sampled_bytes = pst_plus(group->sampled_bytes, row->sampled_bytes);
    group->script_requests = pst_plus(group->script_requests, row->script_requests);
    group->script_bytes = pst_plus(group->script_bytes, row->script_bytes);
    group->script_largest = row->script_largest > group->script_largest ? row->script_largest : group->script_largest;
}

static apr_uint32_t group_rows(pst_shared_url_t *groups, const pst_shared_url_t **rows, apr_uint32_t count,
                          int (*by)(const void *, const void *))
{
    apr_uint32_t made = 0;

    qsort(rows, count, sizeof(*rows), by);
    for (apr_uint32_t i = 0; i < count; i++) {
        if (!i || by(&rows[i - 1], &rows[i])) {
            memset(&groups[made], 0, sizeof(groups[made]));
            memcpy(by == by_vhost ? groups[made].vhost : groups[made].handler,
                   by == by_vhost ? rows[i]->vhost : rows[i]->handler,
                   by == by_vhost ? sizeof(rows[i]->vhost) : sizeof(rows[i]->handler));
            made++;
        }
        add_to_urls(&groups[made - 1], rows[i]);
    }
    qsort(groups, made, sizeof(*groups), by_url_took);
    return made;
}

static void group_urls(pst_urls_t *urls, apr_pool_t *pool)
{
    const pst_shared_url_t **rows = apr_palloc(pool, urls->count * sizeof(*rows));

    urls->vhosts = apr_palloc(pool, urls->count * sizeof(*urls->vhosts));
    urls->handlers = apr_palloc(pool, urls->count * sizeof(*urls->handlers));
    for (apr_uint32_t i = 1; i < urls->count; i++) {
        rows[i - 1] = &urls->urls[i];
    }
    urls->vhost_count = group_rows(urls->vhosts, rows, urls->count - 1, by_vhost);
    urls->handler_count = group_rows(urls->handlers, rows, urls->count - 1, by_handler);
}

/* Whether anybody samples, or did. */
static int is_sampled(const pst_snapshot_t *snapshot)
{
    int is = snapshot->urls.urls[0].sampled_bytes != 0;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        is |= snapshot->children[i].head.heap_profile_rate != 0;
    }
    return is;
}

/* As many rows as there can be, but no more than the limit. */
static apr_uint32_t keep_of(const pst_snapshot_t *snapshot)
{
    apr_uint32_t children = snapshot->child_count < PST_URLS_MOST ? snapshot->child_count : PST_URLS_MOST;
    apr_uint32_t rows = PST_URL_KEPT_COUNT + children * (PST_URL_COUNT - 1);

    return rows < PST_URLS_MOST ? rows : PST_URLS_MOST;
}

void pst_snapshot_urls(pst_snapshot_t *snapshot, const pst_board_t *board, const pst_filter_t *filter,
                       apr_pool_t *pool)
{
    adding_t adding = { .board = board, .filter = filter };
    apr_uint32_t keep = keep_of(snapshot), room = PST_URL_ROOM(keep, PST_URL_KEPT_COUNT);
    pst_shared_url_t *rows;
    apr_uint16_t *slots;

    if (filter->no_rows) {
        return;
    }
    rows = apr_palloc(pool, room * sizeof(*rows));
    slots = apr_palloc(pool, pst_url_slots(room) * sizeof(*slots));
    adding.table = apr_palloc(pool, PST_URL_KEPT_COUNT * sizeof(*adding.table));
    add_all_urls(&adding, snapshot, rows, keep, slots);
    snapshot->urls.urls = rows;
    snapshot->urls.count = adding.sum.count;
    snapshot->urls.of_lives = !filter->pid;
    snapshot->urls.sampled = is_sampled(snapshot);
    join_large(snapshot->large, snapshot->large_count, rows, adding.sum.count);
    group_urls(&snapshot->urls, pool);
}

/* ---- figures ---- */

static apr_uint64_t url_mean(apr_uint64_t sum, apr_uint64_t of)
{
    return of ? (sum + of / 2) / of : PST_UNKNOWN;
}

/* A request whose pools are known took at least one node. */
static apr_uint64_t of_pools(const pst_shared_url_t *row, apr_uint64_t figure)
{
    return row->bytes || !row->requests ? figure : PST_UNKNOWN;
}

apr_uint64_t pst_url_figure(const pst_snapshot_t *snapshot, const pst_shared_url_t *row, pst_metric_e metric)
{
    switch (metric) {
    case PST_M_url_requests: return row->requests;
    case PST_M_url_sum_bytes: return of_pools(row, row->bytes);
    case PST_M_url_mean_bytes: return of_pools(row, url_mean(row->bytes, row->requests));
    case PST_M_url_largest_bytes: return of_pools(row, row->largest);
    case PST_M_url_sampled_bytes: return snapshot->urls.sampled ? row->sampled_bytes : PST_UNKNOWN;
    case PST_M_url_script_requests: return row->script_requests;
    case PST_M_url_script_mean_bytes: return url_mean(row->script_bytes, row->script_requests);
    case PST_M_url_script_largest_bytes: return row->script_requests ? row->script_largest : PST_UNKNOWN;
    case PST_M_url_missed_requests: return row->missed_requests;
    case PST_M_url_missed_bytes: return row->missed_bytes;
    default: return PST_UNKNOWN;
    }
}
