/* SPDX-License-Identifier: Apache-2.0
 *
 * A series of bounded length.  See pst_series.h.
 */
#include "pst_series.h"

#include <string.h>

void pst_series_begin(pst_series_t *series, apr_uint64_t now)
{
    *series = (pst_series_t){ .begin = now, .each = 1 };
}

static void halve_series(pst_series_t *series, pst_trend_point_t *points, pst_series_e rule)
{
    series->count /= 2;
    series->each *= 2;
    for (apr_uint32_t i = 0; i < series->count; i++) {
        const pst_trend_point_t *a = &points[2 * i], *b = a + 1;

        points[i] = rule == PST_SERIES_FIRST || a->size <= b->size ? *a : *b;
    }
}

void pst_series_add(pst_series_t *series, pst_trend_point_t *points, unsigned room, const pst_trend_point_t *at,
                    pst_series_e rule)
{
    if (series->count && series->beats < series->each) {
        pst_trend_point_t *last = &points[series->count - 1];

        if (rule == PST_SERIES_FLOOR && at->size < last->size) {
            *last = *at;
        }
        series->beats++;
        return;
    }
    if (series->count == room) {
        halve_series(series, points, rule);
    }
    points[series->count++] = *at;
    series->beats = 1;
}

double pst_series_seconds(const pst_series_t *series, apr_uint64_t time)
{
    return (double)((apr_int64_t)time - (apr_int64_t)series->begin) / 1e6;
}

void pst_series_judge(pst_trend_t *verdict, const pst_series_t *series, const pst_trend_point_t *points)
{
    pst_trend_point_t copy[PST_SERIES_MOST], spare[PST_SERIES_MOST];
    unsigned count = series->count < PST_SERIES_MOST ? series->count : PST_SERIES_MOST;
    double work[PST_SERIES_MOST];

    memcpy(copy, points, count * sizeof(copy[0]));
    pst_trend_judge(verdict, copy, count, work, spare);
}
