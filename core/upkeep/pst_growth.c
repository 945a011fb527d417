/* SPDX-License-Identifier: Apache-2.0
 *
 * Growth.  See pst_growth.h.
 *
 * Connections, requests and classes have a series of SERIES points each (pst_series.h); the board gets the verdict.
 *
 * One thread of one process: the history's writer.
 */
#include "pst_growth.h"
#include "pst_account.h"
#include "pst_figure.h"
#include "pst_history.h"
#include "pst_hold.h"
#include "pst_series.h"
#include "pst_share.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>

#define SERIES 32

/* A server warming up makes pools on demand and keeps them: a transaction pool for each simultaneous connection, one
 * for each thread, two or three for each of mod_http2's workers (half as many more, unless H2MaxWorkers says
 * otherwise), another for each kept backend connection. An increase by this many pools means nothing. */
#define POOLS_PER_THREAD 8
#define POOLS_LEAST      32
#define THREADS_MOST     20000      /* httpd's own limit; the number on the board may be wrong */
/* What an empty pool reserves: APR's smallest node. */
#define EMPTY_POOL       8192

/* The fine ring is judged again after this many points; at each one while it is short. */
#define SHORT       60
#define FINE_EVERY  5
/* A day of minutes adds nothing before it is longer than the fine ring. */
#define COARSE_FROM 20
/* Memory that is released only at the child's end is not reported as growing by fewer points: it is warming up. */
#define WARMED_UP   20
/* How many times faster than the day the last minutes must grow to be reported instead of it. */
#define FASTER      2

/*
 * Memory straight from the kernel: zero, and absent until used. malloc would set up an arena for this thread and
 * write zeros to all of it, in each child.
 */
static void *room_for(apr_size_t bytes)
{
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return room == MAP_FAILED ? NULL : room;
}

/* -- the process scope ------------------------------------------------------ */

static struct {
    pst_history_t history;
    pst_trend_point_t *points, *spare;
    double *work;
    apr_uint64_t on_demand;     /* number of pools that the child may make and keep */
    char *all;                  /* the memory that contains them */
    apr_size_t all_size;
} own;

static int make_series(const pst_board_t *board)
{
    apr_size_t fine = board->fine_count + 1, coarse = board->coarse_count + 1, most = fine > coarse ? fine : coarse;
    apr_size_t size =
        most * (2 * sizeof(*own.points) + sizeof(*own.work)) + (fine + coarse) * sizeof(*own.history.fine);

    if (own.all && own.all_size == size) {
        return 1;
    }
    if (own.all) {
        munmap(own.all, own.all_size);
    }
    own.all = room_for(size);
    own.all_size = size;
    if (!own.all) {
        return 0;
    }
    own.history.fine = (void *)own.all;
    own.history.coarse = own.history.fine + fine;
    own.points = (void *)(own.history.coarse + coarse);
    own.spare = own.points + most;
    own.work = (void *)(own.spare + most);
    return 1;
}

/* A copy of the history and the derived data are for one judgement only: if kept, they would fill page by page like
 * the history, and look like a leak in the child. */
static void give_room_back(void)
{
    madvise(own.all, own.all_size, MADV_DONTNEED);
}

static apr_uint64_t pools_on_demand(const pst_board_t *board)
{
    apr_uint64_t threads = pst_load(&pst_board_header(board)->threads_per_child);

    return POOLS_LEAST + POOLS_PER_THREAD * (threads < THREADS_MOST ? threads : THREADS_MOST);
}

/* Size without such pools: without `most` of those that appeared since there were `least`. What they hold beyond
 * their first node counts. */
static apr_uint64_t without_on_demand(apr_uint64_t reserved, apr_uint64_t pools, apr_uint64_t least, apr_uint64_t most)
{
    apr_uint64_t more = pst_minus(pools, least);

    more = more < most ? more : most;
    return pst_minus(reserved, more * EMPTY_POOL);
}

/* What is judged in a point: the process scope, its part that came with no new request, and the parts outside pools. */
typedef enum { OF_PROCESS, OF_REPEATED, OF_HEAP, OF_MAPPED, OF_STACKS, OF_COUNT } of_e;

/* A figure not yet measured does not count. */
static double size_of_part(const pst_history_point_t *point, apr_uint64_t least_pools, of_e of)
{
    apr_uint64_t size;

    if (of == OF_HEAP) {
        return point->heap_in_use ? (double)point->heap_in_use : (double)NAN;
    }
    if (of == OF_MAPPED || of == OF_STACKS) {       /* measured together with the data of loaded objects, which is
                                                       never 0
                                                       */
        return !point->data ? (double)NAN : (double)(of == OF_MAPPED ? point->other : point->stacks);
    }
    size = without_on_demand(point->process, point->process_pools, least_pools, own.on_demand);
    return (double)(of == OF_REPEATED ? pst_minus(size, point->process_new) : size);
}

/* Times are relative to the first point, so that seconds have room for their fractions. */
static void judge_points(pst_told_t *told, const pst_history_point_t *points, apr_uint32_t count, of_e of)
{
    apr_uint64_t least = count ? points[0].process_pools : 0;
    pst_trend_t trend;

    for (apr_uint32_t i = 0; i < count; i++) {
        least = points[i].process_pools < least ? points[i].process_pools : least;
    }
    for (apr_uint32_t i = 0; i < count; i++) {
        own.points[i].time = (double)((apr_int64_t)points[i].time - (apr_int64_t)points[0].time) / 1e6;
        own.points[i].size = size_of_part(&points[i], least, of);
        own.points[i].requests = (double)points[i].requests_finished;
    }
    pst_trend_judge(&trend, own.points, count, own.work, own.spare);
    pst_told_from(told, &trend, count ? points[0].time : 0);
}

/* The day, with the newest point at its end. */
static void judge_day(pst_told_t *told, pst_history_t *history, of_e of)
{
    const pst_history_point_t *newest = &history->fine[history->fine_count - 1];
    apr_uint32_t count = history->coarse_count;

    if (newest->time > history->coarse[count - 1].time) {
        history->coarse[count++] = *newest;     /* it has room for one more than can be read */
    }
    judge_points(told, history->coarse, count, of);
    history->coarse_count = count;
}

/* The last minutes by the fine points, the day by the coarse ones: one verdict, whose rate applies to the time it
 * names. @return whether it is the day's */
static int judge_both(pst_told_t *told, pst_history_t *history, of_e of)
{
    pst_told_t day;

    judge_points(told, history->fine, history->fine_count, of);
    if (history->fine_count < WARMED_UP && (told->state == PST_TREND_GROWING || told->state == PST_TREND_ENDED)) {
        *told = (pst_told_t){ .state = PST_TREND_LITTLE };
    }
    if (history->coarse_count < COARSE_FROM) {
        return 0;
    }
    judge_day(&day, history, of);
    if (day.state == PST_TREND_STEADY || day.state == PST_TREND_LITTLE) {
        return 0;
    }
    if (told->state == PST_TREND_GROWING
        && (day.state != PST_TREND_GROWING || day.since >= told->since || told->per_minute > FASTER * day.per_minute)) {
        return 0;
    }
    if (told->state == PST_TREND_ENDED && day.state == PST_TREND_GROWING && day.since < told->until) {
        day.state = PST_TREND_ENDED;
        day.until = told->until;
        day.per_minute = 60e6 * day.gained / (double)(day.until - day.since);
    }
    *told = day;
    return 1;
}

/* What is on the board for each of them, from look to look. */
static pst_hold_t held[OF_COUNT];

/* By repetition, if the part that came without new requests grows by itself; else all of it, with the split between
 * the two. */
static void judge_process(pst_shared_child_t *child, pst_history_t *history, apr_uint64_t now)
{
    pst_shared_share_t share = { 0 };
    pst_told_t all, repeated;
    int is_day = judge_both(&all, history, OF_PROCESS), repeats_day;

    repeats_day = judge_both(&repeated, history, OF_REPEATED);
    pst_hold(&held[OF_PROCESS], &all, now);
    pst_hold(&held[OF_REPEATED], &repeated, now);
    if (repeated.state == PST_TREND_GROWING) {
        all = repeated;
        is_day = repeats_day;
    }
    if (all.state == PST_TREND_GROWING || all.state == PST_TREND_ENDED) {
        pst_share_process(&share, is_day ? history->coarse : history->fine,
                          is_day ? history->coarse_count : history->fine_count, all.since, all.until, all.gained);
        share.only_new &= repeated.state != PST_TREND_GROWING;
    }
    child->share = share;
    pst_told_publish(&child->verdict, &all, NULL, PST_SCOPE_PROCESS);
}

static void judge_heap_growth(pst_shared_child_t *child, pst_history_t *history, apr_uint64_t now)
{
    pst_shared_share_t share = { 0 };
    pst_told_t told;
    int is_day = judge_both(&told, history, OF_HEAP);

    pst_hold(&held[OF_HEAP], &told, now);
    if (told.state == PST_TREND_GROWING || told.state == PST_TREND_ENDED) {
        pst_share_heap(&share, is_day ? history->coarse : history->fine,
                       is_day ? history->coarse_count : history->fine_count, told.since, told.until, told.gained);
    }
    child->heap_share = share;
    pst_told_publish(&child->heap_verdict, &told, NULL, PST_OF_NO_SCOPE);
}

static void judge_part(pst_shared_verdict_t *verdict, pst_history_t *history, of_e of, apr_uint64_t now)
{
    pst_told_t told;

    judge_both(&told, history, of);
    pst_hold(&held[of], &told, now);
    pst_told_publish(verdict, &told, NULL, PST_OF_NO_SCOPE);
}

void pst_growth_process(const pst_board_t *board, pst_shared_child_t *child, int coarse)
{
    pst_history_t *history = &own.history;
    int index = pst_board_index(board, child);

    if (index < 0 || !make_series(board) || !pst_history_about(&history->about, board, (apr_uint32_t)index)
        || (history->about.points > SHORT && !coarse && history->about.written % FINE_EVERY)) {
        return;
    }
    if (pst_history_read(history, board) && history->fine_count) {
        own.on_demand = pools_on_demand(board);
        judge_process(child, history, history->fine[history->fine_count - 1].time);
        if (pst_load(&child->books.heap_time)) {
            judge_heap_growth(child, history, history->fine[history->fine_count - 1].time);
        }
        if (pst_load(&child->books.maps_time)) {
            judge_part(&child->mapped_verdict, history, OF_MAPPED, history->fine[history->fine_count - 1].time);
            judge_part(&child->stack_verdict, history, OF_STACKS, history->fine[history->fine_count - 1].time);
        }
    }
    give_room_back();
}

/* -- connections and their requests ----------------------------------------- */

typedef struct series_t {
    apr_uint64_t of;            /* id of the connection, start of the request */
    pst_series_t series;
    pst_hold_t held;
    pst_trend_point_t points[SERIES];
} series_t;

/* By slot; unused ones cost no memory. */
static struct {
    series_t *connections, *requests;
    apr_uint32_t slots;
    apr_uint32_t touched;       /* series up to there have been used: later ones are not even read */
} kept;

static int keep_series(apr_uint32_t slots)
{
    if (kept.slots == slots) {
        return 1;
    }
    if (kept.connections) {
        munmap(kept.connections, 2 * (apr_size_t)kept.slots * sizeof(*kept.connections));
    }
    kept.connections = room_for(2 * (apr_size_t)slots * sizeof(*kept.connections));
    kept.requests = kept.connections ? kept.connections + slots : NULL;
    kept.slots = kept.connections ? slots : 0;
    kept.touched = 0;
    return kept.slots != 0;
}

static void add_growth_point(series_t *to, apr_uint64_t of, apr_uint64_t now, apr_uint64_t size, apr_uint64_t requests)
{
    pst_trend_point_t point = { .size = (double)size, .requests = (double)requests };

    if (!to->series.count || to->of != of || now < to->series.begin) {
        to->of = of;
        pst_series_begin(&to->series, now);
        memset(&to->held, 0, sizeof(to->held));
    }
    point.time = pst_series_seconds(&to->series, now);
    pst_series_add(&to->series, to->points, SERIES, &point, PST_SERIES_FLOOR);
}

/* The last point may be some beats old, if a point covers many. */
static void judge_series(pst_told_t *told, series_t *of, apr_uint64_t now)
{
    pst_trend_t trend;

    pst_series_judge(&trend, &of->series, of->points);
    pst_told_from(told, &trend, of->series.begin);
    pst_hold(&of->held, told, now);
}

static void watch_slot(pst_shared_slot_t *slot, series_t *connection, series_t *request, apr_uint64_t now)
{
    apr_uint64_t id = pst_load(&slot->id), whole = pst_load(&slot->usage.reserved_bytes), of_request = 0;
    pst_told_t told, of_requests = { .state = PST_TREND_LITTLE };

    if (__atomic_load_n(&slot->has_request, __ATOMIC_RELAXED)) {
        of_request = pst_load(&slot->request.reserved_bytes);
        add_growth_point(request, pst_load(&slot->request_started), now, of_request, 0);
        judge_series(&of_requests, request, now);
    }
    else {
        request->series.count = 0;
    }
    add_growth_point(connection, id, now, whole > of_request ? whole - of_request : 0, pst_load(&slot->requests));
    judge_series(&told, connection, now);
    if (told.state != PST_TREND_GROWING && of_requests.state == PST_TREND_GROWING) {
        pst_told_publish(&slot->verdict, &of_requests, slot, PST_SCOPE_REQUEST);
    }
    else {
        pst_told_publish(&slot->verdict, &told, slot, PST_SCOPE_CONNECTION);
    }
}

void pst_growth_connections(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now)
{
    if (!keep_series(board->slot_count)) {
        return;
    }
    for (apr_uint32_t s = 0; s < board->slot_count; s++) {
        pst_shared_slot_t *slot = pst_board_slot(board, child, s);

        if (__atomic_load_n(&slot->in_use, __ATOMIC_RELAXED)) {
            kept.touched = s < kept.touched ? kept.touched : s + 1;
            watch_slot(slot, &kept.connections[s], &kept.requests[s], now);
        }
        else if (s < kept.touched && kept.connections[s].series.count) {
            kept.connections[s].series.count = kept.requests[s].series.count = 0;
        }
    }
}

/* -- classes ---------------------------------------------------------------- */

/* A class's live pools: between two reads one may have been created or destroyed. */
static apr_uint64_t live_pools(const pst_shared_class_t *row)
{
    apr_uint64_t gone = pst_load(&row->class_pools_destroyed) + pst_load(&row->class_pools_left);

    return pst_minus(pst_load(&row->class_pools_created), gone);
}

void pst_growth_classes(const pst_board_t *board, pst_shared_child_t *child, apr_uint64_t now)
{
    static series_t *classes;
    static apr_uint64_t least[PST_CLASS_COUNT];
    apr_uint64_t requests = pst_load(&child->requests_finished), on_demand = pools_on_demand(board), pools;
    apr_uint32_t i;

    if (!classes) {
        classes = room_for(PST_CLASS_COUNT * sizeof(*classes));
    }
    for (i = 0; classes && i < PST_CLASS_COUNT; i++) {
        pst_shared_class_t *row = pst_board_class(board, child, i);
        pst_told_t told;

        if (!__atomic_load_n(&row->in_use, __ATOMIC_RELAXED)) {
            continue;
        }
        pools = live_pools(row);
        least[i] = !classes[i].series.count || pools < least[i] ? pools : least[i];
        add_growth_point(&classes[i], 1, now,
                  without_on_demand(pst_load(&row->class_reserved_bytes), pools, least[i], on_demand), requests);
        judge_series(&told, &classes[i], now);
        pst_told_publish(&row->verdict, &told, NULL, PST_OF_NO_SCOPE);
    }
}
