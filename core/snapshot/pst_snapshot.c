/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot: see pst_snapshot.h.  Everything is read from the board exactly
 * once, into private memory, and checked on the way; sums and filters
 * work on the copies alone.  Nothing here waits: a block that changes hands while it is copied is
 * left out, as if it were gone already.
 */
#include <apr_strings.h>
#include <string.h>
#include <strings.h>
#include <math.h>
#include "pst_snapshot.h"
#include "pst_snapshot_check.h"
#include "pst_figure.h"
#include "pst_trend.h"

/* Slots may be opened and classes made between counting and copying: room for this many more. */
#define ROOM_FOR_NEW 64
/* The most connections that become rows, and the most that grow and are not rows: about 150 MB. Sums include all
 * connections. */
#define MOST_ROWS (1u << 18)

typedef struct take_t {
    pst_snapshot_t *snapshot;
    const pst_board_t *board;
    const pst_filter_t *filter;
    pst_row_t *store;               /* the rows; snapshot->rows points into it */
    apr_uint32_t room;              /* entries of store; one more follows, for those that do not fit */
    apr_uint32_t child_room;
    pst_class_row_t *classes;       /* where the next child's go */
    apr_uint32_t class_room;
    apr_pool_t *pool;
    apr_uint32_t apart;             /* how many of those that grow are not rows */
} take_t;

static void check_usage(pst_shared_usage_t *usage)
{
#define PST_METRIC_USAGE(...) usage->PST_FIELD(__VA_ARGS__) = pst_sane(usage->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
}

static void load_usage(pst_shared_usage_t *to, const pst_shared_usage_t *from)
{
#define PST_METRIC_USAGE(...) to->PST_FIELD(__VA_ARGS__) = pst_load_sane(&from->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
}

static void load_books(pst_shared_books_t *to, const pst_shared_books_t *from)
{
#define PST_METRIC_BOOKS(...) to->PST_FIELD(__VA_ARGS__) = pst_load_sane(&from->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    to->heap_kind = __atomic_load_n(&from->heap_kind, __ATOMIC_RELAXED);
    to->heap_tells = __atomic_load_n(&from->heap_tells, __ATOMIC_RELAXED);
    if (to->heap_kind >= PST_HEAP_COUNT || to->heap_tells >= PST_HEAP_TELLS_COUNT) {
        to->heap_kind = PST_HEAP_UNKNOWN;
        to->heap_tells = PST_HEAP_TELLS_NOTHING;
    }
    /* they are parts of RSS, whenever each was taken */
    to->pss_bytes = to->pss_bytes < to->rss_bytes ? to->pss_bytes : to->rss_bytes;
    to->private_dirty_bytes = to->private_dirty_bytes < to->rss_bytes ? to->private_dirty_bytes : to->rss_bytes;
}

static void load_surge(pst_shared_surge_t *to, const pst_shared_surge_t *from)
{
    if (!pst_seq_copy(to, from, sizeof(*to))) {
        memset(to, 0, sizeof(*to));
    }
    to->kept_bytes = pst_sane(to->kept_bytes);
    to->took_bytes = pst_sane(to->took_bytes);
    to->finished = pst_sane(to->finished);
    to->usual_bytes = pst_sane(to->usual_bytes);
    to->requests = pst_sane(to->requests);
    to->line[sizeof(to->line) - 1] = to->vhost[sizeof(to->vhost) - 1] = to->handler[sizeof(to->handler) - 1] = '\0';
}

/* The mean comes from the sums: without samples there is none. */
static void load_limits(pst_shared_limits_t *to, const pst_shared_limits_t *from)
{
    to->samples = pst_load_sane(&from->samples);
    to->real_peak = pst_load_sane(&from->real_peak);
    to->real_sum = pst_load_sane(&from->real_sum);
    for (int i = 0; i < PST_LIMIT_COUNT; i++) {
        to->kept[i] = pst_load_sane(&from->kept[i]);
        to->peak[i] = pst_load_sane(&from->peak[i]);
        to->sum[i] = pst_load_sane(&from->sum[i]);
    }
}

/* How a child ended that has ended. */
static void load_end(pst_shared_child_t *to, const pst_shared_child_t *from)
{
    if (!__atomic_load_n(&from->owner, __ATOMIC_ACQUIRE)) {
        to->ended = pst_load_sane(&from->ended);
        to->ended_how = __atomic_load_n(&from->ended_how, __ATOMIC_RELAXED) == PST_END_ORDERLY ? PST_END_ORDERLY
                                                                                                : PST_END_ABRUPT;
    }
}

/* @return 0 if the block is free or not ready yet. */
static int load_head(pst_shared_child_t *to, const pst_shared_child_t *from, int gone)
{
    to->owner = pst_snapshot_whose(from, gone);
    to->ready = __atomic_load_n(&from->ready, __ATOMIC_ACQUIRE);
    if (!to->owner || !to->ready) {
        return 0;
    }
    load_end(to, from);
    to->generation = __atomic_load_n(&from->generation, __ATOMIC_RELAXED);
    to->level = __atomic_load_n(&from->level, __ATOMIC_RELAXED);
    if (to->level > PST_LEVEL_FULL) {
        to->level = PST_LEVEL_PUBLIC;
    }
    to->started = pst_load_sane(&from->started);
    to->profile_rate = pst_load_sane(&from->profile_rate);
    to->heap_profile_rate = pst_load_sane(&from->heap_profile_rate);
    to->heap_profile_since = pst_load_sane(&from->heap_profile_since);
    to->obeys = __atomic_load_n(&from->obeys, __ATOMIC_RELAXED);
    memcpy(to->reason, from->reason, sizeof(to->reason));
    to->reason[sizeof(to->reason) - 1] = '\0';
#define PST_METRIC_CHILD(...) to->PST_FIELD(__VA_ARGS__) = pst_load_sane(&from->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    load_books(&to->books, &from->books);
    to->release_asked = __atomic_load_n(&from->release_asked, __ATOMIC_RELAXED);
    to->release_done = __atomic_load_n(&from->release_done, __ATOMIC_RELAXED);
    load_limits(&to->limits, &from->limits);
    load_surge(&to->surge, &from->surge);
    to->check_asked = __atomic_load_n(&from->check_asked, __ATOMIC_RELAXED);
    to->check_done = __atomic_load_n(&from->check_done, __ATOMIC_RELAXED);
    to->checks = pst_load(&from->checks);       /* pst_checks_unpack() checks it */
    for (unsigned kind = 0; kind < PST_MISUSE_COUNT; kind++) {
        to->misuses[kind] = pst_load_sane(&from->misuses[kind]);
    }
    load_usage(&to->process, &from->process);
    to->process.slack_bytes = pst_minus(pst_plus(to->process.slack_bytes, to->slack_early_bytes), to->slack_late_bytes);
    load_usage(&to->unslotted, &from->unslotted);
    to->verdict = from->verdict;
    pst_snapshot_check_verdict(&to->verdict, 0);
    to->heap_verdict = from->heap_verdict;
    pst_snapshot_check_verdict(&to->heap_verdict, 0);
    to->mapped_verdict = from->mapped_verdict;
    pst_snapshot_check_verdict(&to->mapped_verdict, 0);
    to->stack_verdict = from->stack_verdict;
    pst_snapshot_check_verdict(&to->stack_verdict, 0);
    to->share = from->share;
    to->heap_share = from->heap_share;
    pst_snapshot_check_share(&to->share);
    pst_snapshot_check_share(&to->heap_share);
    for (unsigned scope = 0; scope < PST_SCOPE_COUNT; scope++) {
        to->sum_verdicts[scope] = from->sum_verdicts[scope];
        pst_snapshot_check_verdict(&to->sum_verdicts[scope], 0);
    }
    for (unsigned scope = 0; scope < PST_SCOPE_OF_SITES; scope++) {
        pst_snapshot_take_blame(&to->blame[scope], &from->blame[scope]);
    }
    return 1;
}

static void check_slot(pst_shared_slot_t *slot)
{
    slot->id = pst_sane(slot->id);
    slot->master = pst_sane(slot->master);
    slot->opened = pst_sane(slot->opened);
    slot->request_started = pst_sane(slot->request_started);
#define PST_METRIC_CONNECTION(...) slot->PST_FIELD(__VA_ARGS__) = pst_sane(slot->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
    check_usage(&slot->usage);
    pst_snapshot_check_verdict(&slot->verdict, (apr_uint32_t)slot->id);
    if (slot->has_request) {
        check_usage(&slot->request);
    }
    else {
        memset(&slot->request, 0, sizeof(slot->request));
        slot->line[0] = slot->handler[0] = '\0';
    }
}

static int passes(const pst_filter_t *filter, const pst_shared_slot_t *slot)
{
    if (filter->no_rows || (filter->kind >= 0 && slot->kind != filter->kind)) {
        return 0;
    }
    return !filter->vhost || !strncasecmp(filter->vhost, slot->vhost, PST_VHOST_LEN - 1);
}

static int slot_in_use(const pst_shared_slot_t *slot)
{
    return __atomic_load_n(&slot->in_use, __ATOMIC_RELAXED) != 0;
}

static void add_usage(pst_child_row_t *child, const pst_shared_usage_t *usage)
{
    child->reserved_bytes = pst_plus(child->reserved_bytes, usage->reserved_bytes);
    child->slack_bytes = pst_plus(child->slack_bytes, usage->slack_bytes);
    child->pools = pst_plus(child->pools, usage->pools);
    child->growths = pst_plus(child->growths, usage->growths);
}

/* The doctor gets all that grows, whatever the filter shows. A connection that is not a row lies where the next one
 * will be copied, so it has to be kept elsewhere. */
static void note_growing(take_t *take, pst_row_t *row, int is_row)
{
    pst_row_t *kept = row;

    if (!is_row && take->apart++ >= MOST_ROWS) {
        return;
    }
    if (!is_row) {
        kept = apr_pmemdup(take->pool, row, sizeof(*kept));
    }
    kept->next_growing = take->snapshot->growing;
    take->snapshot->growing = kept;
}

/* Every slot counts in its child's sums; those that pass the filter become rows. */
static void take_connection(take_t *take, pst_child_row_t *child, const pst_shared_slot_t *from)
{
    pst_snapshot_t *snapshot = take->snapshot;
    pst_row_t *row = &take->store[snapshot->row_count < take->room ? snapshot->row_count : take->room];
    const pst_shared_slot_t *slot = &row->slot;
    int is_row;

    pst_slot_copy(&row->slot, from);
    if (!slot->in_use) {
        return;
    }
    check_slot(&row->slot);
    child->rows++;
    add_usage(child, &slot->usage);
    pst_kind_add(child, slot);
    child->requests_reserved_bytes = pst_plus(child->requests_reserved_bytes, slot->request.reserved_bytes);
    child->connections_reserved_bytes = pst_plus(child->connections_reserved_bytes,
                                             pst_minus(slot->usage.reserved_bytes, slot->request.reserved_bytes));
    if (slot->has_request == PST_REQUEST_OWN) {
        child->own_rows++;
        child->own_reserved_bytes = pst_plus(child->own_reserved_bytes, slot->request.reserved_bytes);
    }
    row->used_bytes = pst_minus(slot->usage.reserved_bytes, slot->usage.slack_bytes);
    row->request_used_bytes = pst_minus(slot->request.reserved_bytes, slot->request.slack_bytes);
    row->pid = child->head.owner;
    row->level = child->head.level;
    row->listed = 0;
    is_row = row != &take->store[take->room] && passes(take->filter, slot);
    if (is_row) {
        snapshot->rows[snapshot->row_count++] = row;
        child->shown++;
    }
    if (slot->verdict.state == PST_TREND_GROWING) {
        note_growing(take, row, is_row);
    }
}

/* The law: RSS + swap + not resident = what is explained + unexplained. Nothing is set until mappings have been
 * taken. */
static void close_child(pst_child_row_t *child)
{
    const pst_shared_books_t *books = &child->head.books;
    apr_uint64_t there = pst_plus(books->rss_bytes, books->swap_bytes), explained = child->head.held_bytes;

    explained = pst_plus(explained, pst_plus(books->heap_in_use_bytes, books->heap_free_bytes));
    explained = pst_plus(explained, pst_plus(books->file_bytes, books->shmem_bytes));
    explained = pst_plus(explained, pst_plus(books->stack_bytes, pst_plus(books->data_bytes, books->other_bytes)));
    if (books->books_time && books->maps_time) {
        child->unexplained_bytes = pst_minus(there, explained);
        child->not_resident_bytes = pst_minus(explained, there);
    }
}

/* The law: held + overbooked = reserved + buckets + retained + unbalanced. */
static apr_uint64_t retained_of(const pst_child_row_t *child)
{
    const pst_shared_child_t *head = &child->head;

    return pst_minus(pst_plus(head->held_bytes, head->overbooked_bytes),
                     pst_plus(pst_plus(child->reserved_bytes, head->child_bucket_bytes), head->unbalanced_bytes));
}

/* A child's figures, connections and classes are copied at one moment: nothing is allocated in between, since the child
 * that takes the snapshot may be the one that is copied. */
static void take_child(take_t *take, pst_shared_child_t *from, apr_uint32_t block)
{
    pst_snapshot_t *snapshot = take->snapshot;
    pst_child_row_t *child = &snapshot->children[snapshot->child_count];
    pst_row_t *growing = snapshot->growing;

    memset(child, 0, sizeof(*child));
    if (!load_head(&child->head, from, take->filter->gone)
        || (take->filter->pid && child->head.owner != take->filter->pid)) {
        return;
    }
    child->first = snapshot->row_count;
    child->block = block;
    add_usage(child, &child->head.process);
    add_usage(child, &child->head.unslotted);
    child->connections_reserved_bytes = child->head.unslotted.reserved_bytes;
    child->kinds[PST_KIND_OTHER].connection = child->head.unslotted;
    for (apr_uint32_t s = 0; s < take->board->slot_count; s++) {
        const pst_shared_slot_t *slot = pst_board_slot(take->board, from, s);

        if (slot_in_use(slot)) {
            take_connection(take, child, slot);
        }
    }
    child->classes = take->classes;
    pst_snapshot_classes(child, take->board, take->class_room);
    if (pst_snapshot_whose(from, take->filter->gone) != child->head.owner) {
        snapshot->row_count = child->first;
        snapshot->growing = growing;
        return;
    }
    child->used_bytes = pst_minus(child->reserved_bytes, child->slack_bytes);
    if (child->head.level != PST_LEVEL_FULL) {      /* as left when the proof failed, or unset */
        child->head.held_bytes = child->head.child_bucket_bytes = 0;
    }
    child->retained_bytes = retained_of(child);
    close_child(child);
    take->classes += child->class_count;
    take->class_room -= child->class_count;
    snapshot->child_count++;
}

static void total_child(pst_total_t *total, const pst_child_row_t *child)
{
#define ADD(member, value) total->member = pst_plus(total->member, (value))
    if (!total->children || child->head.level < total->level) {
        total->level = child->head.level;
    }
    total->weighed += child->head.books.books_time != 0;
    total->asked += child->head.books.heap_time != 0;
    ADD(children, 1);
    ADD(connections, child->head.connections_open);
    ADD(pools, child->pools);
    ADD(reserved_bytes, child->reserved_bytes);
    ADD(used_bytes, child->used_bytes);
    ADD(slack_bytes, child->slack_bytes);
    ADD(peak_bytes, child->head.child_peak_bytes);
    ADD(process_reserved_bytes, child->head.process.reserved_bytes);
    ADD(connections_reserved_bytes, child->connections_reserved_bytes);
    ADD(requests_reserved_bytes, child->requests_reserved_bytes);
    ADD(bucket_bytes, child->head.child_bucket_bytes);
    ADD(retained_bytes, child->retained_bytes);
    ADD(held_bytes, child->head.held_bytes);
    ADD(pools_created, child->head.pools_created);
    ADD(pools_destroyed, child->head.pools_destroyed);
    ADD(growths, child->growths);
    ADD(requests_finished, child->head.requests_finished);
    ADD(connections_opened, child->head.connections_opened);
    ADD(unslotted_connections, child->head.unslotted_connections);
    ADD(pss_bytes, child->head.books.pss_bytes);
    ADD(private_dirty_bytes, child->head.books.private_dirty_bytes);
    ADD(heap_in_use_bytes, child->head.books.heap_in_use_bytes);
    ADD(heap_free_bytes, child->head.books.heap_free_bytes);
#undef ADD
}

apr_status_t pst_snapshot_heads(pst_total_t *total, const pst_board_t *board)
{
    pst_child_row_t child;

    memset(total, 0, sizeof(*total));
    memset(&child, 0, sizeof(child));
    if (!pst_board_intact(board)) {
        return APR_EINCOMPLETE;
    }
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        const pst_shared_child_t *from = pst_board_child(board, i);

        if (load_head(&child.head, from, 0) && pst_snapshot_whose(from, 0) == child.head.owner) {
            child.reserved_bytes = child.head.child_reserved_bytes;
            child.retained_bytes = retained_of(&child);
            total_child(total, &child);
        }
    }
    return APR_SUCCESS;
}

/* Count first, so that memory follows what is in use, not what could be. */
static void make_rows(take_t *take, apr_pool_t *pool)
{
    const pst_board_t *board = take->board;
    apr_size_t children = 0, slots = 0, classes = ROOM_FOR_NEW;

    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        pst_shared_child_t *child = pst_board_child(board, i);
        apr_uint32_t owner = pst_snapshot_whose(child, take->filter->gone);

        if (!owner || (take->filter->pid && owner != take->filter->pid)) {
            continue;
        }
        children++;
        classes += pst_snapshot_count_classes(board, child);
        for (apr_uint32_t s = 0; s < board->slot_count && !take->filter->no_rows; s++) {
            slots += (apr_size_t)slot_in_use(pst_board_slot(board, child, s));
        }
    }
    slots += take->filter->no_rows ? 0 : ROOM_FOR_NEW;
    take->child_room = (apr_uint32_t)children;
    take->room = slots < MOST_ROWS ? (apr_uint32_t)slots : MOST_ROWS;
    take->store = apr_palloc(pool, ((apr_size_t)take->room + 1) * sizeof(*take->store));
    take->snapshot->rows = apr_palloc(pool, ((apr_size_t)take->room + 1) * sizeof(*take->snapshot->rows));
    take->snapshot->children = apr_palloc(pool, (children + 1) * sizeof(*take->snapshot->children));
    take->class_room = (apr_uint32_t)classes;
    take->classes = apr_palloc(pool, classes * sizeof(*take->classes));
}

static void load_about(pst_shared_header_t *to, const pst_shared_header_t *from)
{
    *to = *from;
    to->server[sizeof(to->server) - 1] = '\0';
    to->module[sizeof(to->module) - 1] = '\0';
    to->mpm[sizeof(to->mpm) - 1] = '\0';
    to->created = pst_sane(to->created);
    to->homeless = pst_sane(to->homeless);
    to->memory_kind = to->memory_kind > PST_MEMORY_CGROUP ? PST_MEMORY_UNKNOWN : to->memory_kind;
#define PST_METRIC_SERVER(...) to->PST_FIELD(__VA_ARGS__) = pst_sane(to->PST_FIELD(__VA_ARGS__));
#include "poolstat_metrics.def"
}

apr_status_t pst_snapshot_take(pst_snapshot_t *snapshot, const pst_board_t *board,
                               const pst_filter_t *filter, apr_uint64_t now, apr_pool_t *pool)
{
    take_t take = { .snapshot = snapshot, .board = board, .filter = filter, .pool = pool };

    memset(snapshot, 0, sizeof(*snapshot));
    if (!pst_board_intact(board)) {
        return APR_EINCOMPLETE;
    }
    snapshot->taken = now;
    snapshot->gone = filter->gone;
    snapshot->pid = filter->pid;
    load_about(&snapshot->about, pst_board_header(board));
    make_rows(&take, pool);
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count && snapshot->child_count < take.child_room;
         i++) {
        take_child(&take, pst_board_child(board, i), i);
    }
    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        total_child(&snapshot->total, &snapshot->children[i]);
    }
    pst_snapshot_order(snapshot, filter->sort, pool);
    pst_snapshot_places(snapshot, board, pool);
    pst_snapshot_largest(snapshot, board, pool);
    pst_snapshot_urls(snapshot, board, filter, pool);
    pst_snapshot_relatives(snapshot, board, pool);
    pst_snapshot_misuses(snapshot, board, pool);
    pst_snapshot_losses(snapshot, board, pool);
    pst_snapshot_segments(snapshot, board, pool);
    pst_snapshot_generations(snapshot, board, pool);
    return APR_SUCCESS;
}
