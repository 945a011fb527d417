/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: verdicts on series whose truth is known.
 */
#include "tap.h"
#include "pst_trend.h"

#include <math.h>
#include <stdlib.h>

#define KIB 1024.0
#define MIB (1024 * KIB)
#define MOST 1500

static pst_trend_point_t points[MOST], spare[MOST];
static double work[MOST];
static unsigned count;
static pst_trend_t verdict;

static void start(void)
{
    count = 0;
}

static void point(double time, double size, double requests)
{
    points[count++] = (pst_trend_point_t){ time, size, requests };
}

/* Sizes come in whole nodes. */
static double nodes(double bytes)
{
    return 8192 * floor(bytes / 8192);
}

static double random_to(double limit)
{
    return limit * (rand() / (RAND_MAX + 1.0));
}

static double tooth(double time, double period, double height)
{
    return height * fmod(time, period) / period;
}

static void judge(pst_trend_e expected, const char *what)
{
    pst_trend_judge(&verdict, points, count, work, spare);
    if (!ok(verdict.state == expected, what)) {
        printf("# got %s, expected %s: %.0f a minute, %.1f a request, r2 %.3f, since %.0f, %u points\n",
               pst_trend_word(verdict.state), pst_trend_word(expected), verdict.per_minute, verdict.per_request,
               verdict.fit, verdict.since, count);
    }
}

static void near(double got, double expected, const char *what)
{
    if (!ok(fabs(got - expected) <= 0.1 * fabs(expected), what)) {
        printf("# got %f, expected %f within 10 %%\n", got, expected);
    }
}

static void little(void)
{
    start();
    judge(PST_TREND_LITTLE, "no point");
    for (unsigned i = 0; i < PST_TREND_POINTS - 1; i++) {
        point(i, i * MIB, 0);
    }
    judge(PST_TREND_LITTLE, "a few points of a steep ramp");
    point(count - 1, 90 * MIB, 0);
    judge(PST_TREND_LITTLE, "a point that comes no later counts for nothing");
    point(PST_TREND_POINTS, 9 * MIB, 0);
    point(PST_TREND_POINTS + 1, NAN, 0);
    judge(PST_TREND_GROWING, "enough of them");
}

static void steady(void)
{
    start();
    for (int i = 0; i < 600; i++) {
        point(i, 10 * MIB, i * 20);
    }
    judge(PST_TREND_STEADY, "flat");
    ok(verdict.per_minute == 0 && verdict.since == 0, "flat has no rate");
    for (int size = 1; size <= 64; size *= 4) {
        int wrong = 0;

        for (int seed = 0; seed < 200; seed++) {
            unsigned length = 10 + (unsigned)random_to(590);

            srand((unsigned)seed);
            start();
            for (unsigned i = 0; i < length; i++) {
                point(i, nodes(5 * MIB + random_to(size * 64 * KIB)), i * 7);
            }
            pst_trend_judge(&verdict, points, count, work, spare);
            wrong += verdict.state == PST_TREND_GROWING || verdict.state == PST_TREND_SHRINKING;
        }
        if (!ok(wrong <= 2, "noise, 200 series of 10 to 600 points: at most 1 % are accused")) {
            printf("# %d were, of height %d KiB\n", wrong, size * 64);
        }
    }
}

/* A server that warmed up: later it gives back a part of what it made for its busiest moment. */
static void humps(void)
{
    start();
    for (int i = 0; i < 40; i++) {
        point(i, nodes(MIB + i * 10 * KIB), i * 20);
    }
    judge(PST_TREND_GROWING, "rising for 40 seconds");
    for (int i = 40; i < 46; i++) {
        point(i, nodes(MIB + 292 * KIB), i * 20);
    }
    judge(PST_TREND_STEADY, "then it fell by more than a quarter of that");
    for (int i = 46; i < 200; i++) {
        point(i, nodes(MIB + 292 * KIB), i * 20);
    }
    judge(PST_TREND_STEADY, "and stayed there");
    count = 40;
    for (int i = 40; i < 46; i++) {
        point(i, nodes(MIB + 330 * KIB), i * 20);
    }
    judge(PST_TREND_GROWING, "if it gave back less, it may be a tooth");
    for (int i = 46; i < 56; i++) {
        point(i, nodes(MIB + 330 * KIB), i * 20);
    }
    judge(PST_TREND_ENDED, "unless it stays there");
    count = 40;
    for (int i = 40; i < 200; i++) {
        point(i, nodes(MIB + 292 * KIB), i * 20);
    }
    for (int i = 200; i < 300; i++) {
        point(i, nodes(MIB + 292 * KIB + (i - 200) * 10 * KIB), i * 20);
    }
    judge(PST_TREND_GROWING, "rising again, beyond what it was");
    start();
    for (int i = 0; i < 120; i++) {
        point(i, nodes(MIB + i * 10 * KIB + (i > 50 && i < 60 ? 500 * KIB : 0)), i * 20);
    }
    judge(PST_TREND_GROWING, "a ramp on which something stood for a while");
}

/* Each time it gives back a good part of the rise, but returns to a higher floor: the growth has not ended. */
static void saw_on_ramp(void)
{
    tally_t wrong = { 0, 0 };

    for (int length = 200; length < 400; length++) {
        start();
        for (int i = 0; i < length; i++) {
            point(i, nodes(3 * MIB + i * 10 * KIB + tooth(i, 40, 2 * MIB)), i * 3);
        }
        pst_trend_judge(&verdict, points, count, work, spare);
        tally(&wrong, verdict.state != PST_TREND_GROWING, (unsigned)length);
    }
    none_wrong(&wrong, "a saw on a ramp grows, wherever it is cut");
}

static void saws(void)
{
    static const double periods[] = { 3, 7.3, 20, 61, 130, 240 };
    int tried = 0;
    tally_t wrong = { 0, 0 };

    for (unsigned p = 0; p < sizeof(periods) / sizeof(periods[0]); p++) {
        /* every length with at least two whole teeth */
        for (double length = 2.1 * periods[p] + 12; length < 600; length += 7) {
            start();
            for (int i = 0; i < length; i++) {
                point(i, nodes(3 * MIB + tooth(i, periods[p], 4 * MIB)), i * 3);
            }
            pst_trend_judge(&verdict, points, count, work, spare);
            tried++;
            if (verdict.state == PST_TREND_GROWING || verdict.state == PST_TREND_SHRINKING) {
                printf("# period %.1f, length %.0f: %s, since %.0f\n", periods[p], length, pst_trend_word(verdict.state), verdict.since);
                tally(&wrong, 1, (unsigned)tried);
            }
        }
    }
    none_wrong(&wrong, "saws of many periods, cut at any place, return to their floor");
    ok(tried > 100, "enough of them");
    start();
    for (int i = 0; i < 600; i++) {
        point(i, 3 * MIB + (i % 60 < 5 ? 20 * MIB : 0), i);
    }
    judge(PST_TREND_STEADY, "spikes");
}

static void ramps(void)
{
    start();
    for (int i = 0; i < 600; i++) {
        point(i, nodes(8 * MIB + i * 1000.0), i * 10);
    }
    judge(PST_TREND_GROWING, "a ramp");
    near(verdict.per_minute, 60000, "its rate by time");
    near(verdict.per_request, 100, "its rate by request");
    ok(verdict.fit > 0.99 && verdict.since < 10, "all of it, and well fitted");
    start();
    for (int i = 0; i < 10; i++) {
        point(i, nodes(100 * KIB + i * 40000.0), i);
    }
    judge(PST_TREND_GROWING, "ten seconds of a steep one");
    near(verdict.per_minute, 2400000, "its rate");
    start();
    for (int i = 0; i < 600; i++) {
        point(i, nodes(8 * MIB + i * 120.0), 0);
    }
    judge(PST_TREND_GROWING, "nine nodes in ten minutes");
    near(verdict.per_minute, 7200, "their rate");
    ok(verdict.per_request == 0, "no request, no rate by request");
    start();
    for (int i = 0; i < 600; i++) {
        point(i, nodes(8 * MIB + (i < 250 ? 0 : (i - 250) * 2000.0)), 0);
    }
    judge(PST_TREND_GROWING, "flat, then a ramp");
    near(verdict.per_minute, 120000, "the rate of the ramp alone");
    near(verdict.since, 250, "since the ramp began");
    start();
    srand(3);
    for (int i = 0; i < 600; i++) {
        point(i, nodes(8 * MIB + i * 2000.0 + random_to(300 * KIB)), 0);
    }
    judge(PST_TREND_GROWING, "a ramp in noise");
    near(verdict.per_minute, 120000, "its rate");
    start();
    for (int i = 0; i < 600; i++) {
        point(i, nodes(3 * MIB + tooth(i, 40, 2 * MIB) + i * 3000.0), 0);
    }
    judge(PST_TREND_GROWING, "a ramp under a saw higher than itself");
    near(verdict.per_minute, 180000, "its rate");
    start();
    for (int i = 0; i < 300; i++) {
        point(i, nodes((i < 20 ? 30 * MIB : 9 * MIB) + i * 2000.0), 0);
    }
    judge(PST_TREND_GROWING, "a ramp after a child's heavy start");
    near(verdict.per_minute, 120000, "its rate");
    start();
    for (int i = 0; i < 600; i++) {
        point(i, nodes(20 * MIB - i * 5000.0), 0);
    }
    judge(PST_TREND_SHRINKING, "a ramp down");
    near(verdict.per_minute, -300000, "its rate");
}

static void bursts(void)
{
    double requests = 0;

    start();
    for (int i = 0; i < 600; i++) {
        requests += i % 200 < 10 ? 300 : 0;
        point(i, nodes(4 * MIB + requests * 100), requests);
    }
    judge(PST_TREND_GROWING, "a leak per request, requests in three bursts");
    near(verdict.per_request, 100, "its rate by request");
    requests = 0;
    start();
    for (int i = 0; i < 600; i++) {
        requests += 50;
        point(i, 4 * MIB, requests);
    }
    judge(PST_TREND_STEADY, "requests alone are no growth");
}

static void steps(void)
{
    start();
    for (int i = 0; i < 600; i++) {
        point(i, i < 100 ? 3 * MIB : 9 * MIB, i);
    }
    judge(PST_TREND_STEADY, "a step, then a plateau");
    start();
    for (int i = 0; i < 600; i++) {
        point(i, i < 500 ? 3 * MIB : 9 * MIB, i);
    }
    judge(PST_TREND_STEADY, "a late step");
    start();
    for (int i = 0; i < 30; i++) {
        point(i, i < 4 ? 1 * MIB + i * 300 * KIB : 2 * MIB, i);
    }
    judge(PST_TREND_STEADY, "a start that settles within seconds");
    start();
    for (int i = 0; i < 600; i++) {
        point(i, nodes(3 * MIB + (i < 200 ? 0 : i < 300 ? (i - 200) * 40 * KIB : 4000 * KIB)), i);
    }
    judge(PST_TREND_STEADY, "a ramp that ended long ago");
    start();
    for (int i = 0; i < 600; i++) {
        point(i, nodes(3 * MIB + 5 * MIB * (1 - exp(-i / 60.0))), i);
    }
    judge(PST_TREND_STEADY, "a cache that fills up");
    start();
    for (int i = 0; i < 600; i++) {
        point(i, i < 300 ? 9 * MIB : 3 * MIB, i);
    }
    judge(PST_TREND_STEADY, "a step down");
}

/* What a child takes at its start, or a cache at its first use, does not hide much smaller growth after it. */
static void after_a_step(void)
{
    start();
    for (int i = 0; i < 300; i++) {
        point(i, nodes(368 * KIB + (i < 20 ? 0 : 16 * MIB) + i * 4096.0), i * 10);
    }
    judge(PST_TREND_GROWING, "a ramp after a step that is fifteen times as high");
    near(verdict.per_minute, 245760, "its rate");
    ok(verdict.since >= 19 && verdict.since < 60, "since the step");
    near(verdict.gained, 4096 * (299 - verdict.since), "what it gained");
    for (int i = 0; i < 300; i++) {
        points[i].size = nodes(368 * KIB + (i < 20 ? 0 : 16 * MIB) + (i < 150 ? i : 150) * 4096.0);
    }
    count = 200;
    judge(PST_TREND_ENDED, "which has ended");
    ok(verdict.until >= 130 && verdict.until <= 150, "when");
    count = 300;
}

static void gaps(void)
{
    apr_uint64_t whole = 0xfffff000u, first = whole;

    start();
    srand(5);
    for (int i = 0; i < 600; i++) {
        if ((i < 100 || i > 220) && random_to(1) < 0.6) {
            point(i, nodes(8 * MIB + i * 1500.0), i * 15);
        }
    }
    judge(PST_TREND_GROWING, "a ramp with a hole and many points missing");
    near(verdict.per_minute, 90000, "its rate");
    near(verdict.per_request, 100, "its rate by request");
    start();
    for (int i = 0; i < 300; i++) {
        whole = pst_trend_unwrap(whole, (apr_uint32_t)(first + (apr_uint64_t)i * 40));
        point(i, nodes(8 * MIB + i * 4000.0), (double)whole);
    }
    is_number(whole - first, 299 * 40, "a counter of 32 bits that wraps is made whole");
    judge(PST_TREND_GROWING, "a ramp while the counter wraps");
    near(verdict.per_request, 100, "its rate by request");
    start();
    for (int i = 0; i < 100; i++) {
        point(i * 60, nodes(8 * MIB + i * 30000.0), i < 50 ? i * 600 : (i - 50) * 600);
    }
    judge(PST_TREND_GROWING, "a counter that begins anew loses the points below what it was");
    near(verdict.per_minute, 30000, "and keeps the rate");
}

int main(void)
{
    little();
    steady();
    humps();
    saws();
    saw_on_ramp();
    ramps();
    bursts();
    steps();
    after_a_step();
    gaps();
    is_text(pst_trend_word(77), "?", "a state that is none");
    return done();
}
