/* SPDX-License-Identifier: Apache-2.0
 *
 * What is alike.  See pst_alike.h.
 *
 * A point is the mean, times as many as there were at the beginning: one that comes and goes, as who looks at the page
 * does, moves it little.  When there are a good deal more or fewer of them, the series begins anew.
 *
 * One thread: the child's watchdog.
 */
#include "pst_alike.h"
#include "pst_hold.h"

#include <string.h>

#define POINTS 64u              /* of a series; when it is full every two become one, the smaller */
#define OTHERS 10u              /* per cent more or fewer: there are not as many any more */
#define FEW    2u               /* nor do so many make a difference */
#define LEAST  2u               /* one alone is judged by itself */

typedef struct {
    apr_uint64_t begin;         /* time of the first point */
    apr_uint32_t alike;         /* how many there were */
    apr_uint32_t count, each, beats;
    pst_hold_t held;
    pst_trend_point_t points[POINTS];
} series_t;

static series_t all[PST_SCOPE_COUNT];

static int as_many(const series_t *series, apr_uint32_t count)
{
    apr_uint32_t more = count > series->alike ? count - series->alike : series->alike - count;

    return more <= FEW || more * 100 <= series->alike * OTHERS;
}

static void halve_alike(series_t *series)
{
    for (apr_uint32_t i = 0; i < POINTS / 2; i++) {
        const pst_trend_point_t *a = &series->points[2 * i], *b = a + 1;

        series->points[i] = a->size <= b->size ? *a : *b;
    }
    series->count = POINTS / 2;
    series->each *= 2;
}

static void add_alike_point(series_t *series, const pst_trend_point_t *point)
{
    if (series->count && series->beats < series->each) {
        pst_trend_point_t *last = &series->points[series->count - 1];

        *last = point->size < last->size ? *point : *last;
        series->beats++;
        return;
    }
    if (series->count == POINTS) {
        halve_alike(series);
    }
    series->points[series->count++] = *point;
    series->beats = 1;
}

void pst_alike_add(pst_shared_verdict_t *verdict, unsigned which, apr_uint64_t sum, apr_uint32_t count,
                   apr_uint64_t requests, apr_uint64_t now)
{
    series_t *series = &all[which];
    pst_trend_point_t point, points[POINTS], spare[POINTS];
    double work[POINTS];
    pst_trend_t trend;
    pst_told_t told;

    if (count < LEAST || !series->count || !as_many(series, count) || now < series->begin) {
        memset(series, 0, sizeof(*series));
        series->begin = now;
        series->alike = count;
        series->each = 1;
    }
    if (count >= LEAST) {
        point = (pst_trend_point_t){ (double)(now - series->begin) / 1e6, (double)sum / count * series->alike,
                                     (double)requests };
        add_alike_point(series, &point);
    }
    memcpy(points, series->points, series->count * sizeof(points[0]));
    pst_trend_judge(&trend, points, series->count, work, spare);
    pst_told_from(&told, &trend, series->begin);
    pst_hold(&series->held, &told, now);
    pst_told_publish(verdict, &told, NULL, (int)which);
}
