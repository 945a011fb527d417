/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of a snapshot's children and rows, and the window of rows that fit on a page.
 *
 * Each child's rows are sorted on their own; a window merges them only as far as it reaches.
 */
#include "pst_snapshot.h"

#include <stdlib.h>
#include <string.h>

typedef struct order_t {
    apr_uint64_t key;               /* larger keys come first */
    void *item;
} order_t;

/* First eight bytes of a text as a key, so that most comparisons need no strcmp. */
static apr_uint64_t text_key(const char *text)
{
    apr_uint64_t key = 0;

    for (int i = 0; i < 8; i++) {
        key = key << 8 | (unsigned char)*text;
        text += *text != '\0';
    }
    return ~key;
}

static apr_uint64_t row_key(const pst_row_t *row, pst_sort_e sort)
{
    const pst_shared_slot_t *slot = &row->slot;

    switch (sort) {
    case PST_SORT_USED: return row->used_bytes;
    case PST_SORT_PEAK: return slot->usage.peak_bytes;
    case PST_SORT_POOLS: return slot->usage.pools;
    case PST_SORT_BUCKETS: return slot->bucket_bytes;
    case PST_SORT_RETAINED: return slot->retained_bytes;
    case PST_SORT_REQUESTS: return slot->requests;
    case PST_SORT_AGE: return ~slot->opened;
    case PST_SORT_CLIENT: return text_key(slot->client);
    case PST_SORT_PID: return ~(apr_uint64_t)row->pid;
    default: return slot->usage.reserved_bytes;
    }
}

static apr_uint64_t child_key(const pst_child_row_t *child, pst_sort_e sort)
{
    switch (sort) {
    case PST_SORT_USED: return child->used_bytes;
    case PST_SORT_PEAK: return child->head.child_peak_bytes;
    case PST_SORT_POOLS: return child->pools;
    case PST_SORT_BUCKETS: return child->head.child_bucket_bytes;
    case PST_SORT_RETAINED: return child->retained_bytes;
    case PST_SORT_REQUESTS: return child->head.requests_finished;
    case PST_SORT_AGE: return ~child->head.started;
    case PST_SORT_PID: return ~(apr_uint64_t)child->head.owner;
    default: return child->reserved_bytes;
    }
}

/* Below 0 if a comes before b. Equal keys are ordered by client, child and serial, so that reloading keeps the
 * order. */
static inline int compare_rows(const order_t *a, const order_t *b)
{
    const pst_row_t *x = a->item, *y = b->item;
    int by_client;

    if (a->key != b->key) {
        return a->key > b->key ? -1 : 1;
    }
    by_client = strcmp(x->slot.client, y->slot.client);
    if (by_client) {
        return by_client;
    }
    if (x->pid != y->pid) {
        return x->pid < y->pid ? -1 : 1;
    }
    return (x->slot.id > y->slot.id) - (x->slot.id < y->slot.id);
}

/* Merge two sorted runs, the second right after the first. */
static void merge(order_t *to, const order_t *a, const order_t *b, const order_t *end)
{
    const order_t *middle = b;

    while (a < middle && b < end) {
        *to++ = compare_rows(a, b) <= 0 ? *a++ : *b++;
    }
    memcpy(to, a, (apr_size_t)(middle - a) * sizeof(*to));
    memcpy(to + (middle - a), b, (apr_size_t)(end - b) * sizeof(*to));
}

/* Not qsort(): most comparisons only compare two keys, and a call would cost more than that. Stable.
 * @param scratch room for twice as many as rows */
static void sort_rows(pst_row_t **rows, apr_uint32_t count, pst_sort_e sort, order_t *scratch)
{
    order_t *from = scratch, *to = scratch + count;

    for (apr_uint32_t i = 0; i < count; i++) {
        from[i].key = row_key(rows[i], sort);
        from[i].item = rows[i];
    }
    for (apr_size_t width = 1; width < count; width *= 2) {
        order_t *swap = from;

        for (apr_size_t i = 0; i < count; i += 2 * width) {
            apr_size_t middle = i + width < count ? i + width : count;
            apr_size_t end = middle + width < count ? middle + width : count;

            merge(to + i, from + i, from + middle, from + end);
        }
        from = to;
        to = swap;
    }
    for (apr_uint32_t i = 0; i < count; i++) {
        rows[i] = from[i].item;
    }
}

static int compare_children(const void *one, const void *two)
{
    const order_t *a = one, *b = two;
    const pst_child_row_t *x = a->item, *y = b->item;

    if (a->key != b->key) {
        return a->key > b->key ? -1 : 1;
    }
    return (x->head.owner > y->head.owner) - (x->head.owner < y->head.owner);
}

/* Room to sort any child's rows, or the children. */
static order_t *scratch_for(const pst_snapshot_t *snapshot, apr_pool_t *pool)
{
    apr_size_t most = snapshot->child_count;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        apr_size_t rows = 2 * (apr_size_t)snapshot->children[i].shown;

        most = rows > most ? rows : most;
    }
    return apr_palloc(pool, (most + 1) * sizeof(order_t));
}

static void sort_all_rows(pst_snapshot_t *snapshot, order_t *scratch)
{
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        sort_rows(snapshot->rows + child->first, child->shown, snapshot->sort, scratch);
    }
}

static void sort_children(pst_snapshot_t *snapshot, order_t *scratch, apr_pool_t *pool)
{
    apr_uint32_t count = snapshot->child_count;
    pst_child_row_t *sorted = apr_palloc(pool, (count + 1) * sizeof(*sorted));

    for (apr_uint32_t i = 0; i < count; i++) {
        scratch[i].key = child_key(&snapshot->children[i], snapshot->sort);
        scratch[i].item = &snapshot->children[i];
    }
    qsort(scratch, count, sizeof(*scratch), compare_children);
    for (apr_uint32_t i = 0; i < count; i++) {
        sorted[i] = *(pst_child_row_t *)scratch[i].item;
        for (apr_uint32_t r = 0; r < sorted[i].shown; r++) {
            snapshot->rows[sorted[i].first + r]->child = i;
        }
    }
    snapshot->children = sorted;
}

void pst_snapshot_order(pst_snapshot_t *snapshot, pst_sort_e sort, apr_pool_t *pool)
{
    order_t *scratch = scratch_for(snapshot, pool);

    snapshot->sort = sort;
    sort_all_rows(snapshot, scratch);
    sort_children(snapshot, scratch, pool);
}

/* The rest of one child's sorted rows; `at` is the next of them. */
typedef struct front_t {
    order_t next;
    pst_row_t **at;
    apr_uint32_t left;
} front_t;

/* Among equal rows, the child that comes first on the board, as if all rows had been sorted. */
static inline int comes_before(const front_t *a, const front_t *b)
{
    int order = compare_rows(&a->next, &b->next);

    return order ? order < 0 : a->at < b->at;
}

/* Move the front at i down to its place in the heap: a front before those at 2i+1 and 2i+2. */
static void sift(front_t *heap, apr_uint32_t count, apr_size_t i)
{
    front_t front = heap[i];

    for (;;) {
        apr_size_t child = 2 * i + 1;

        if (child >= count) {
            break;
        }
        child += child + 1 < count && comes_before(&heap[child + 1], &heap[child]);
        if (comes_before(&front, &heap[child])) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = front;
}

/* Make a heap with a front for each child's rows. @return how many, at most child_count */
static apr_uint32_t make_fronts(front_t *heap, const pst_snapshot_t *snapshot)
{
    apr_uint32_t count = 0;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        if (child->shown) {
            front_t *front = &heap[count++];

            front->at = snapshot->rows + child->first;
            front->left = child->shown;
            front->next.item = *front->at;
            front->next.key = row_key(*front->at, snapshot->sort);
        }
    }
    for (apr_uint32_t i = count / 2; i-- > 0; ) {
        sift(heap, count, i);
    }
    return count;
}

static pst_row_t *next_row(front_t *heap, apr_uint32_t *count, pst_sort_e sort)
{
    pst_row_t *row = heap->next.item;

    if (--heap->left) {
        heap->next.item = *++heap->at;
        heap->next.key = row_key(*heap->at, sort);
    }
    else {
        heap[0] = heap[--*count];
    }
    if (*count) {
        sift(heap, *count, 0);
    }
    return row;
}

/* Before a second window: list nothing, and sort each child's rows in this order. */
static void prepare_rows(pst_snapshot_t *snapshot, pst_sort_e sort, apr_pool_t *pool)
{
    for (apr_uint32_t i = 0; snapshot->windowed && i < snapshot->row_count; i++) {
        snapshot->rows[i]->listed = 0;
    }
    if (sort != snapshot->sort) {
        order_t *scratch = scratch_for(snapshot, pool);

        snapshot->sort = sort;
        sort_all_rows(snapshot, scratch);
    }
    snapshot->windowed = 1;
}

/* Children's rows are sorted, so only a merge up to the window's end is needed. */
void pst_snapshot_window(pst_snapshot_t *snapshot, pst_sort_e sort, apr_uint32_t from, apr_uint32_t limit,
                         pst_window_t *window, apr_pool_t *pool)
{
    front_t *heap = apr_palloc(pool, ((apr_size_t)snapshot->child_count + 1) * sizeof(*heap));
    apr_uint32_t count;

    prepare_rows(snapshot, sort, pool);
    window->of = snapshot->row_count;
    window->from = from < window->of ? from : window->of;
    window->count = window->of - window->from < limit ? window->of - window->from : limit;
    window->rows = apr_palloc(pool, ((apr_size_t)window->count + 1) * sizeof(*window->rows));
    if (!window->count) {
        return;
    }
    count = make_fronts(heap, snapshot);
    for (apr_uint32_t i = 0; i < window->from; i++) {
        next_row(heap, &count, sort);
    }
    for (apr_uint32_t i = 0; i < window->count; i++) {
        window->rows[i] = next_row(heap, &count, sort);
        window->rows[i]->listed = 1;
    }
}
