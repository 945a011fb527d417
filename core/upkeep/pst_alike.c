/* SPDX-License-Identifier: Apache-2.0
 *
 * Similar objects. See pst_alike.h.
 *
 * A point is the mean times their initial number: one that comes and goes, like a viewer of the page, changes it
 * little. When their number changes considerably, the series starts over.
 *
 * One thread: the child's watchdog.
 */
#include "pst_alike.h"
#include "pst_hold.h"
#include "pst_series.h"

#include <string.h>

#define OTHERS 10u              /* per cent more or fewer: the number has changed */
#define FEW    2u               /* but a change by this many does not count */
/* Bytes handed out are known exactly: so a much smaller rise counts than for whole nodes. In prefork each child has
 * one connection, and the doctor adds them up. */
#define FINER  8.0

typedef struct {
    pst_series_t series;
    apr_uint32_t alike;         /* their number at its start */
    pst_hold_t held;
    pst_trend_point_t points[PST_SERIES_MOST];
} alike_t;

static alike_t all[PST_SCOPE_COUNT];

static int as_many(const alike_t *of, apr_uint32_t count)
{
    apr_uint32_t more = count > of->alike ? count - of->alike : of->alike - count;

    return more <= FEW || more * 100 <= of->alike * OTHERS;
}

void pst_alike_add(pst_shared_verdict_t *verdict, unsigned which, apr_uint64_t sum, apr_uint32_t count,
                   apr_uint64_t requests, apr_uint64_t now)
{
    alike_t *of = &all[which];
    pst_trend_point_t point;
    pst_trend_t trend;
    pst_told_t told;

    if (!count || !of->series.count || !as_many(of, count) || now < of->series.begin) {
        memset(of, 0, sizeof(*of));
        pst_series_begin(&of->series, now);
        of->alike = count;
    }
    if (count) {
        point = (pst_trend_point_t){ pst_series_seconds(&of->series, now), FINER * (double)sum / count * of->alike,
                                     (double)requests };
        pst_series_add(&of->series, of->points, PST_SERIES_MOST, &point, PST_SERIES_FLOOR);
    }
    pst_series_judge(&trend, &of->series, of->points);
    trend.per_minute /= FINER;
    trend.per_request /= FINER;
    trend.gained /= FINER;
    trend.level /= FINER;
    pst_told_from(&told, &trend, of->series.begin);
    pst_hold(&of->held, &told, now);
    pst_told_publish(verdict, &told, NULL, (int)which);
}
