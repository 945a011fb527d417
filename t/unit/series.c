/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: a series of bounded length keeps its beginning, its end and its shape, whatever its age.
 */
#include "tap.h"
#include "pst_series.h"

#define ROOM 16u

static pst_trend_point_t points[ROOM];

static void add(pst_series_t *series, double time, double size, pst_series_e rule)
{
    const pst_trend_point_t at = { time, size, time };

    pst_series_add(series, points, ROOM, &at, rule);
}

static void of_floors(void)
{
    pst_series_t series;

    pst_series_begin(&series, 1000000);
    for (int i = 0; i < 16; i++) {
        add(&series, i, i % 2 ? 50 : 100 + i, PST_SERIES_FLOOR);
    }
    is_number(series.count, ROOM, "full");
    is_number(series.each, 1, "a beat a point");
    add(&series, 16, 7, PST_SERIES_FLOOR);
    is_number(series.count, ROOM / 2 + 1, "one more: half of them, and it");
    is_number(series.each, 2, "two beats a point");
    ok(points[0].size == 50 && points[0].time == 1, "of two the smaller");
    add(&series, 17, 3, PST_SERIES_FLOOR);
    is_number(series.count, ROOM / 2 + 1, "the second beat of a point makes no other");
    ok(points[ROOM / 2].size == 3, "but it is the smaller");
    add(&series, 18, 9, PST_SERIES_FLOOR);
    is_number(series.count, ROOM / 2 + 2, "the third does");
    for (int i = 19; i < 100000; i++) {
        add(&series, i, i, PST_SERIES_FLOOR);
    }
    ok(series.count <= ROOM && series.count > ROOM / 2, "bounded for ever");
    is_number(series.each, 8192, "each for as many as it takes");
}

static void of_firsts(void)
{
    pst_series_t series;
    int even = 1;

    pst_series_begin(&series, 1000000);
    for (int i = 0; i < 1000; i++) {
        add(&series, i, 1000 - i, PST_SERIES_FIRST);
    }
    ok(points[0].time == 0 && points[0].size == 1000, "what it was at the beginning stays");
    for (unsigned i = 1; i < series.count; i++) {
        even &= points[i].time - points[i - 1].time == series.each;
    }
    ok(even, "points lie as far apart as they stand for");
}

static void judged(void)
{
    pst_series_t series;
    pst_trend_t trend;

    pst_series_begin(&series, 5000000);
    for (int i = 0; i < 40; i++) {
        add(&series, i, 100000 + 8192.0 * i, PST_SERIES_FLOOR);
    }
    pst_series_judge(&trend, &series, points);
    is_number(trend.state, PST_TREND_GROWING, "what grows is said to");
    ok(trend.per_minute > 480000 && trend.per_minute < 500000, "by its rate");
    ok(pst_series_seconds(&series, 6500000) == 1.5 && pst_series_seconds(&series, 4000000) == -1, "seconds from its beginning");
}

int main(void)
{
    of_floors();
    of_firsts();
    judged();
    return done();
}
