/* SPDX-License-Identifier: Apache-2.0
 *
 * Growth.  See pst_growth.h.
 *
 * A connection's series has SERIES points whatever its age: when it is full,
 * every two become one (the smaller: the floor is what counts) and from then on a point
 * stands for twice the time.  It costs no shared memory; the board gets the verdict.
 *
 * One thread of one process: the history's writer.
 */
#include "pst_growth.h"
#include "pst_account.h"
#include "pst_history.h"
#include "pst_trend.h"

#include <stdlib.h>
#include <string.h>

#define SERIES 32

/* The fine ring is judged again after so many points: at each while it is short. */
#define SHORT       60
#define FINE_EVERY  5
/* A day of minutes says nothing new before it is longer than the fine ring. */
#define COARSE_FROM 20

/* -- the process scope ------------------------------------------------------ */

static struct {
    pst_history_t history;
    pst_trend_point_t *points, *spare;
    double *work;
    apr_uint32_t room;
} own;

static int make_room(const pst_board_t *board)
{
    apr_uint32_t most = board->fine_count > board->coarse_count ? board->fine_count : board->coarse_count;

    if (own.room == most) {
        return 1;
    }
    if (own.room) {
        free(own.points), free(own.spare), free(own.work), free(own.history.fine), free(own.history.coarse);
    }
    own.points = calloc(most + 1, sizeof(*own.points));
    own.spare = calloc(most + 1, sizeof(*own.spare));
    own.work = calloc(most + 1, sizeof(*own.work));
    own.history.fine = calloc(board->fine_count + 1, sizeof(*own.history.fine));
    own.history.coarse = calloc(board->coarse_count + 1, sizeof(*own.history.coarse));
    own.room = own.points && own.spare && own.work && own.history.fine && own.history.coarse ? most : 0;
    return own.room != 0;
}

/* Times are relative to the first point, so that seconds have room for their fractions. */
static void judge_points(pst_trend_t *trend, const pst_history_point_t *points, apr_uint32_t count)
{
    for (apr_uint32_t i = 0; i < count; i++) {
        own.points[i].time = (double)((apr_int64_t)points[i].time - (apr_int64_t)points[0].time) / 1e6;
        own.points[i].size = (double)points[i].process;
        own.points[i].requests = (double)points[i].requests_finished;
    }
    pst_trend_judge(trend, own.points, count, own.work, own.spare);
}

static void publish(pst_shared_verdict_t *to, const pst_trend_t *trend, apr_uint64_t begin, apr_uint32_t of, int scope)
{
    int moves = trend->state == PST_TREND_GROWING || trend->state == PST_TREND_SHRINKING;

    to->scope = (uint8_t)scope;
    to->fit = (uint16_t)(trend->fit * 1000 + 0.5);
    to->per_minute = (float)trend->per_minute;
    to->per_request = (float)trend->per_request;
    pst_store(&to->since, moves ? begin + (apr_uint64_t)(trend->since * 1e6) : 0);
    __atomic_store_n(&to->of, of, __ATOMIC_RELAXED);
    __atomic_store_n(&to->state, (uint8_t)trend->state, __ATOMIC_RELEASE);
}

void pst_growth_process(const pst_board_t *board, pst_shared_child_t *child, int coarse)
{
    pst_trend_t fine, day = { .state = PST_TREND_LITTLE };
    pst_history_t *history = &own.history;
    int index = pst_board_index(board, child);

    if (index < 0 || !make_room(board) || !pst_history_about(&history->about, board, (apr_uint32_t)index)
        || (history->about.points > SHORT && !coarse && history->about.written % FINE_EVERY)) {
        return;
    }
    if (!pst_history_read(history, board) || !history->fine_count) {
        return;
    }
    judge_points(&fine, history->fine, history->fine_count);
    if (history->coarse_count >= COARSE_FROM) {
        judge_points(&day, history->coarse, history->coarse_count);
    }
    if (fine.state != PST_TREND_GROWING && (day.state == PST_TREND_GROWING || day.state == PST_TREND_SHRINKING)) {
        publish(&child->verdict, &day, history->coarse[0].time, 0, PST_SCOPE_PROCESS);
        return;
    }
    if (fine.state == PST_TREND_GROWING && day.state == PST_TREND_GROWING) {
        /* the rate of the last minutes, since when the day tells */
        double begin = (double)history->coarse[0].time - (double)history->fine[0].time;

        fine.since = day.since + begin / 1e6 < fine.since ? day.since + begin / 1e6 : fine.since;
        if (fine.since < 0) {
            publish(&child->verdict, &fine, 0, 0, PST_SCOPE_PROCESS);
            pst_store(&child->verdict.since, history->fine[0].time - (apr_uint64_t)(-fine.since * 1e6));
            return;
        }
    }
    publish(&child->verdict, &fine, history->fine[0].time, 0, PST_SCOPE_PROCESS);
}

/* -- connections and their requests ----------------------------------------- */

typedef struct series_t {
    apr_uint64_t of;            /* id of the connection, beginning of the request */
    apr_uint64_t begin;         /* time of the first point */
    apr_uint32_t count;
    apr_uint32_t each;          /* beats that a point stands for */
    apr_uint32_t beats;         /* of the last point, so far */
    pst_trend_point_t points[SERIES];
} series_t;

/* By slot; untouched ones cost no memory. */
static struct {
    series_t *connections, *requests;
    apr_uint32_t slots;
} kept;

static int keep_series(apr_uint32_t slots)
{
    if (kept.slots == slots) {
        return 1;
    }
    free(kept.connections), free(kept.requests);
    kept.connections = calloc(slots, sizeof(*kept.connections));
    kept.requests = calloc(slots, sizeof(*kept.requests));
    kept.slots = kept.connections && kept.requests ? slots : 0;
    return kept.slots != 0;
}

static void halve(series_t *series)
{
    for (apr_uint32_t i = 0; i < SERIES / 2; i++) {
        const pst_trend_point_t *a = &series->points[2 * i], *b = a + 1;

        series->points[i] = a->size <= b->size ? *a : *b;
    }
    series->count = SERIES / 2;
    series->each *= 2;
}

static void add_point(series_t *series, apr_uint64_t of, apr_uint64_t now, apr_uint64_t size, apr_uint64_t requests)
{
    pst_trend_point_t point;

    if (!series->count || series->of != of || now < series->begin) {
        series->of = of;
        series->begin = now;
        series->count = series->beats = 0;
        series->each = 1;
    }
    point.time = (double)(now - series->begin) / 1e6;
    point.size = (double)size;
    point.requests = (double)requests;
    if (series->count && series->beats < series->each) {
        if (point.size < series->points[series->count - 1].size) {
            series->points[series->count - 1] = point;
        }
        series->beats++;
        return;
    }
    if (series->count == SERIES) {
        halve(series);
    }
    series->points[series->count++] = point;
    series->beats = 1;
}

static void judge_series(pst_trend_t *trend, series_t *series)
{
    pst_trend_point_t points[SERIES], spare[SERIES];
    double work[SERIES];

    memcpy(points, series->points, series->count * sizeof(points[0]));
    pst_trend_judge(trend, points, series->count, work, spare);
}

static void watch_slot(pst_shared_slot_t *slot, series_t *connection, series_t *request, apr_uint64_t now)
{
    apr_uint64_t id = pst_load(&slot->id), whole = pst_load(&slot->usage.reserved_bytes), of_request = 0;
    pst_trend_t trend, requests_trend = { .state = PST_TREND_LITTLE };

    if (__atomic_load_n(&slot->has_request, __ATOMIC_RELAXED)) {
        of_request = pst_load(&slot->request.reserved_bytes);
        add_point(request, pst_load(&slot->request_started), now, of_request, 0);
        judge_series(&requests_trend, request);
    }
    else {
        request->count = 0;
    }
    add_point(connection, id, now, whole > of_request ? whole - of_request : 0, pst_load(&slot->requests));
    judge_series(&trend, connection);
    if (trend.state != PST_TREND_GROWING && requests_trend.state == PST_TREND_GROWING) {
        publish(&slot->verdict, &requests_trend, request->begin, (apr_uint32_t)id, PST_SCOPE_REQUEST);
    }
    else {
        publish(&slot->verdict, &trend, connection->begin, (apr_uint32_t)id, PST_SCOPE_CONNECTION);
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
            watch_slot(slot, &kept.connections[s], &kept.requests[s], now);
        }
        else if (kept.connections[s].count) {
            kept.connections[s].count = kept.requests[s].count = 0;
        }
    }
}
