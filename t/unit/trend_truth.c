/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: what verdicts claim compared with the truth, over 10,000 made-up series. Whatever is said to grow, or to have
 * grown, gained at least the rate times the time, within what noise and one step can hide; a flat series is not said
 * to grow; growth that ended is said to have ended, and then the series is steady; growth that continues is reported,
 * with its true rate.
 */
#include "tap.h"
#include "pst_trend.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define KIB   1024.0
#define NODE  8192.0
#define RING  600u
#define MOST  2400u
#define EACH  1250u             /* series of each kind */

typedef enum { FLAT, STEP, SAW, STAIRS, BURST, WARM_UP, RAMP, BY_REQUESTS, KINDS } kind_e;

static const char *const names[KINDS] = {
    "flat, with noise", "one step", "saws", "staircases", "bursts that ended", "warm-up", "slow ramps under noise",
    "by requests that come and go"
};

typedef struct series_t {
    double truth[MOST];         /* what was never given back, up to each moment */
    pst_trend_point_t points[MOST];
    unsigned count;
    double hidden;              /* bytes: what noise, a tooth and a step can hide */
    unsigned begins, ends;      /* where it grows; ends == count: it continues */
    double period;              /* seconds: of a saw */
    double gap;                 /* seconds: the longest between two nodes while it grows */
} series_t;

static series_t series;
static uint64_t seed;

/* The same everywhere: 0 up to limit. */
static double any(double limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return limit * (double)(seed >> 33) / 2147483648.0;
}

static double between(double least, double most)
{
    return least + any(most - least);
}

static double nodes(double bytes)
{
    return NODE * floor(bytes / NODE);
}

/* `size` is what is really held, in whole nodes; noise is added to it, and comes and goes. */
static void make(kind_e kind)
{
    double base = nodes(between(300 * KIB, 8000 * KIB)), rate = between(200, 20000), noise = 0, requests = 0, period = 0, height = 0;
    double each = between(0.5, 40);     /* requests a second */
    double lull = between(20, 90), busy = between(10, 60), charged = 0;

    series.count = (unsigned)between(30, kind == BURST ? 1500 : 1000);
    series.begins = 0;
    series.ends = series.count;
    series.gap = 1;
    if (kind == FLAT || kind == RAMP) {
        noise = between(1, 30) * NODE;
    }
    if (kind == SAW) {
        period = between(3, series.count / 3.0);
        height = between(64 * KIB, 4000 * KIB);
    }
    if (kind == STAIRS) {
        period = between(3, 40);
        height = nodes(between(NODE, 20 * NODE));
        rate = height / period;
        series.begins = (unsigned)any(60);
    }
    if (kind == STEP) {
        series.begins = (unsigned)any(series.count);
        height = nodes(between(NODE, 4000 * KIB));
    }
    if (kind == BURST) {
        series.begins = (unsigned)any(60);
        series.ends = series.begins + (unsigned)between(15, 600);
        series.ends = series.ends < series.count ? series.ends : series.count;
    }
    if (kind == WARM_UP) {
        series.ends = (unsigned)between(2, 7);
        rate = 730000.0 / series.ends;
    }
    if (kind == RAMP) {
        rate = between(300, 3000);
        series.begins = (unsigned)any(60);
    }
    for (unsigned i = 0; i < series.count; i++) {
        double grown = i < series.begins ? 0 : i < series.ends ? i - series.begins : series.ends - series.begins;
        double size, above = any(noise);

        if (kind == FLAT || kind == SAW) {
            grown = 0;
        }
        else if (kind == STEP) {
            grown = i < series.begins ? 0 : height;
        }
        else if (kind == STAIRS) {
            grown = height * floor(grown / period);
        }
        else if (kind == BY_REQUESTS) {
            requests += fmod(i, lull + busy) < busy ? each : 0;
            charged = requests * 1500;
            grown = charged;
        }
        else {
            grown *= rate;
        }
        size = base + nodes(grown);
        series.truth[i] = size;
        above += kind == SAW ? height * fmod(i, period) / period : 0;
        requests += kind == BY_REQUESTS ? 0 : each;
        series.points[i] = (pst_trend_point_t){ i, nodes(size + above), floor(requests) };
    }
    series.period = period;
    series.hidden = 2 * NODE + noise + (kind == SAW || kind == STAIRS ? height : 0);
    series.gap = kind == STAIRS ? period + 1 : kind == BY_REQUESTS ? lull + 2 + NODE / (1500 * each) : NODE / rate + 1;
}

/* ---- what it is checked against ---- */

static struct {
    unsigned judged, growing, ended, claims, accused, late, missed, wrong_rate, wrong_end;
} seen[KINDS];

static void complain(kind_e kind, const char *what, unsigned from, unsigned to, const pst_trend_t *verdict)
{
    printf("# %s: %s: points %u to %u of %u, grows from %u to %u: %s by %.0f a minute, gained %.0f, since %.0f until %.0f\n",
           names[kind], what, from, to, series.count, series.begins, series.ends, pst_trend_word(verdict->state), verdict->per_minute,
           verdict->gained, verdict->since, verdict->until);
}

/* Compare rate times time, and the claimed gain, with the truth. */
static void weigh(kind_e kind, const pst_trend_t *verdict, unsigned from, unsigned to)
{
    double lasted = verdict->until - verdict->since, true_gain = series.truth[to] - series.truth[(unsigned)verdict->since];
    double claimed = verdict->per_minute / 60 * lasted;

    if (claimed > verdict->gained + 1 || claimed > 1.05 * true_gain + series.hidden || verdict->gained > 1.05 * true_gain + series.hidden) {
        seen[kind].claims++;
        complain(kind, "claims more than there is", from, to, verdict);
    }
    if (verdict->since < from || verdict->until > to || lasted <= 0) {
        seen[kind].claims++;
        complain(kind, "times that are none", from, to, verdict);
    }
}

static void expect_growing(kind_e kind, const pst_trend_t *verdict, unsigned from, unsigned to)
{
    double true_rate = 60 * (series.truth[to] - series.truth[from > series.begins ? from : series.begins])
                       / (to - (from > series.begins ? from : series.begins));

    if (verdict->state != PST_TREND_GROWING) {
        seen[kind].missed++;
    }
    else if (fabs(verdict->per_minute - true_rate) > 0.35 * true_rate) {
        seen[kind].wrong_rate++;
    }
}

static void hold(kind_e kind, unsigned to)
{
    static pst_trend_point_t points[RING], spare[RING];
    static double work[RING];
    unsigned from = to + 1 > RING ? to + 1 - RING : 0, begins = from > series.begins ? from : series.begins;
    double rose = to > begins ? to - begins : 0, gained = series.truth[to] - series.truth[from];
    pst_trend_t verdict;

    memcpy(points, series.points + from, (to - from + 1) * sizeof(points[0]));
    pst_trend_judge(&verdict, points, to - from + 1, work, spare);
    seen[kind].judged++;
    seen[kind].growing += verdict.state == PST_TREND_GROWING;
    seen[kind].ended += verdict.state == PST_TREND_ENDED;
    if (verdict.state == PST_TREND_GROWING || verdict.state == PST_TREND_ENDED) {
        weigh(kind, &verdict, from, to);
    }
    /* two whole teeth, wherever the record begins, tell a saw from a ramp; ten seconds tell a warm-up */
    if ((kind == FLAT || kind == STEP || (kind == SAW && to - from > 3.1 * series.period + 12) || (kind == WARM_UP && to >= 9))
        && (verdict.state == PST_TREND_GROWING || (kind != SAW && verdict.state == PST_TREND_ENDED))) {
        seen[kind].accused++;
    }
    if ((kind == STAIRS || kind == RAMP || kind == BY_REQUESTS) && rose > 10 * series.gap && rose > 60 && gained > 4 * series.hidden + 8 * NODE) {
        expect_growing(kind, &verdict, from, to);
    }
    if (kind == BURST && to > series.ends) {
        double since = to - series.ends, lasted = series.ends - (double)begins;

        if (since > fmax(3 * series.gap + 2, fmax(12, lasted / 8 + 2)) && verdict.state == PST_TREND_GROWING) {
            seen[kind].late++;
            complain(kind, "still said to grow", from, to, &verdict);
        }
        if (verdict.state == PST_TREND_ENDED && verdict.until > series.ends) {
            seen[kind].wrong_end++;
            complain(kind, "ended later than it did", from, to, &verdict);
        }
        if (since > fmax(lasted, 60) + 2 && verdict.state != PST_TREND_STEADY) {
            seen[kind].late++;
            complain(kind, "still told", from, to, &verdict);
        }
    }
}

static void none(unsigned count, kind_e kind, const char *what)
{
    char text[160];

    snprintf(text, sizeof(text), "%s: %s", names[kind], what);
    is_number(count, 0, text);
}

static void few(unsigned count, unsigned of, unsigned percent, kind_e kind, const char *what)
{
    char text[160];

    snprintf(text, sizeof(text), "%s: %s, in %u %% at most", names[kind], what, percent);
    if (!ok(count * 100 <= of * percent, text)) {
        printf("# in %u of %u\n", count, of);
    }
}

/* ---- the server that was said to grow for half an hour after its growth had ended ---- */

static pst_trend_e at_minute(unsigned minutes, pst_trend_t *verdict)
{
    static pst_trend_point_t points[64], spare[64];
    static double work[64];

    for (unsigned i = 0; i <= minutes; i++) {
        double t = 60.0 * i, busy = t < 768 ? t : 768;

        points[i].time = t;
        points[i].requests = floor(busy * 87.4) + (t < 2500 ? 0 : (t - 2500) * 31);
        points[i].size = 548864 + nodes(busy * 30760) + (t < 2510 ? 0 : 49152);
    }
    pst_trend_judge(verdict, points, minutes + 1, work, spare);
    return verdict->state;
}

static void burst_then_idle(void)
{
    pst_trend_t verdict;

    ok(at_minute(12, &verdict) == PST_TREND_GROWING, "repositories opened for twelve minutes: growing");
    ok(at_minute(16, &verdict) == PST_TREND_ENDED && verdict.until >= 720 && verdict.until <= 780,
       "idle since: it grew, until then");
    ok(verdict.gained > 22e6 && verdict.gained < 24e6, "by so much");
    for (unsigned minute = 27; minute <= 50; minute++) {
        if (at_minute(minute, &verdict) != PST_TREND_STEADY) {
            printf("# minute %u: %s\n", minute, pst_trend_word(verdict.state));
            none(1, BURST, "idle for long, then 7,500 requests and 48 KiB: steady");
            return;
        }
    }
    ok(1, "idle for long, then 7,500 requests and 48 KiB: steady");
}

/* Two children of one server at one moment: a cache that fills within the first minute, then repositories that are
 * opened less and less often, until both are idle. One point per minute, the second child 41 seconds after the
 * first. */
static void sibling(pst_trend_t *verdict, unsigned minutes, double end, double opened, double each, double back_at)
{
    static pst_trend_point_t points[64], spare[64];
    static double work[64];

    for (unsigned i = 0; i <= minutes; i++) {
        double t = i ? 60.0 * i - 19 : 0, busy = fmin(t, end);

        points[i].time = t;
        points[i].requests = floor(busy * (40 + busy / 17)) + (i > 16 ? 2 * (i - 16) : 0) + (t < back_at ? 0 : (t - back_at) * 15);
        points[i].size = 548864 + nodes(i ? 16900000 + opened * (1 - exp(-busy / 420)) : 0) + (t < back_at ? 0 : nodes(each * 5));
    }
    pst_trend_judge(verdict, points, minutes + 1, work, spare);
}

static void siblings(void)
{
    pst_trend_t one, other;

    sibling(&one, 12, 790, 7600000, 0, 1e9);
    sibling(&other, 12, 800, 6500000, 0, 1e9);
    ok(one.state == PST_TREND_GROWING && other.state == PST_TREND_GROWING, "siblings, while they are busy: both grow");
    ok(fabs(one.per_minute - other.per_minute) < 0.25 * one.per_minute, "by about as much");
    sibling(&one, 22, 790, 7600000, 0, 1e9);
    sibling(&other, 22, 800, 6500000, 0, 1e9);
    ok(one.state == PST_TREND_ENDED && other.state == PST_TREND_ENDED, "nine minutes after it ended: both grew");
    ok(one.until > 700 && one.until <= 821 && other.until > 700 && other.until <= 821, "until then, to the point");
    ok(one.gained <= 7600000 && other.gained <= 6500000, "by no more than they did");
    for (unsigned minute = 30; minute <= 60; minute++) {
        sibling(&one, minute, 790, 7600000, 9800, 2500);
        sibling(&other, minute, 800, 6500000, 9800, 2500);
        if (one.state != PST_TREND_STEADY || other.state != PST_TREND_STEADY) {
            printf("# minute %u: %s, %s\n", minute, pst_trend_word(one.state), pst_trend_word(other.state));
            none(1, BURST, "siblings, idle for long, then five new repositories: steady");
            return;
        }
    }
    ok(1, "siblings, idle for long, then five new repositories: steady");
}

int main(void)
{
    for (unsigned k = 0; k < KINDS; k++) {
        kind_e kind = (kind_e)k;

        for (unsigned i = 0; i < EACH; i++) {
            seed = 1000003u * k + i;
            make(kind);
            for (int look = 0; look < 3; look++) {
                hold(kind, (unsigned)between(5, series.count));
            }
            hold(kind, series.count - 1);
        }
        printf("# %s: %u verdicts, %u growing, %u ended, %u missed, %u wrong rate\n", names[k], seen[k].judged, seen[k].growing,
               seen[k].ended, seen[k].missed, seen[k].wrong_rate);
        none(seen[k].claims, kind, "claims no more than there is");
        /* a saw of nearly whole seconds is seen a little higher at each tooth: the samples do rise, by less than a tooth */
        few(seen[k].accused, seen[k].judged, kind == SAW ? 2 : kind == FLAT, kind, "said to grow");
        none(seen[k].late, kind, "said for no longer than it may be");
        none(seen[k].wrong_end, kind, "ended no later than it did");
        few(seen[k].missed, seen[k].judged, 1, kind, "not said to grow though it does");
        few(seen[k].wrong_rate, seen[k].judged, 1, kind, "by another rate");
    }
    burst_then_idle();
    siblings();
    return done();
}
