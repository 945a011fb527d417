/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts.  See pst_trend.h.
 *
 * The floor at the end of a series is not known: there it is the series itself,
 * and a saw's last, unfinished tooth looks like a ramp.  So the series is split where it last released a large
 * amount. The part before is settled. The part after, the tail, counts only if it stands out from all earlier
 * releases: it rose higher, or has been rising for longer.
 */
#include "pst_trend.h"

#include <math.h>

#define BINS      6             /* the floor must rise in all but one of this many parts */
#define EVEN      0.25          /* of its fair share, at least */
#define FIT       0.80          /* r² of the line, at least */
#define FIT_WHOLE 0.97          /* a line as good as this needs no later start */
#define FELL      0.25          /* part of the rise, at least, that counts as a large release */
#define STARTS    48u           /* number of starting points tried */
#define LEVEL     0.02          /* part of the rise: the floor is level while it moves by no more */
#define LEVEL_MOST (2.0 * PST_TREND_RISE)   /* nor by more than that */
#define HEAD      0.01          /* part of the rise: growth has not started before it rose by that */
#define GAPS      2             /* a level stretch this many times as long as the longest before is an end */
#define TOOTH     0.10          /* part of the rise, at least, for a release to be more than noise */
#define PART      8             /* and is at least this part of the rise */
#define SECONDS   10            /* and lasts at least this long */
#define REQUESTS  20            /* or sees this many requests */
#define AGAIN     4u            /* how often a level stretch after a rise is examined more closely */
#define TOLD_MOST 900           /* seconds: ended growth is reported no longer than this */
#define TOLD_LEAST 60

typedef struct rise_t {
    int good;
    double slope;               /* bytes per second, or per request */
    double fit;
    unsigned begin, end;        /* points */
} rise_t;

typedef double (*axis_fn)(const pst_trend_point_t *point);

static double by_time(const pst_trend_point_t *point)
{
    return point->time;
}

static double point_requests(const pst_trend_point_t *point)
{
    return point->requests;
}

static unsigned clean_points(pst_trend_point_t *points, unsigned count)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++) {
        const pst_trend_point_t *p = &points[i];

        if (!isfinite(p->time) || !isfinite(p->size) || !isfinite(p->requests)) {
            continue;
        }
        if (kept && (p->time <= points[kept - 1].time || p->requests < points[kept - 1].requests)) {
            continue;
        }
        points[kept++] = *p;
    }
    return kept;
}

/* -- a line through the floor --------------------------------------------- */

typedef struct line_t {
    double slope, fit, error;   /* error: sum of squared deviations from the line */
} line_t;

/* Least squares over [from, to], relative to its first point so that large numbers lose no precision. */
static line_t line_through(const pst_trend_point_t *p, const double *floor, axis_fn axis, unsigned from, unsigned to)
{
    double n = to - from + 1, x0 = axis(&p[from]), y0 = floor[from], mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
    line_t line = { 0, 0, 0 };

    for (unsigned i = from; i <= to; i++) {
        mx += axis(&p[i]) - x0;
        my += floor[i] - y0;
    }
    mx /= n;
    my /= n;
    for (unsigned i = from; i <= to; i++) {
        double dx = axis(&p[i]) - x0 - mx, dy = floor[i] - y0 - my;

        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    if (xx > 0 && yy > 0) {
        line.slope = xy / xx;
        line.fit = xy * xy / (xx * yy);
        line.error = yy * (1 - line.fit);
    }
    return line;
}

static double error_of_level(const double *floor, unsigned from, unsigned to)
{
    double sum = 0, squares = 0, n = to - from;

    for (unsigned i = from; i < to; i++) {
        double y = floor[i] - floor[from];

        sum += y;
        squares += y * y;
    }
    return n > 0 ? squares - sum * sum / n : 0;
}

/*
 * Where does the rise begin? Where "level until here, a line from here" fits best, unless one line fits all of it.
 */
static unsigned find_beginning(const pst_trend_point_t *p, const double *floor, axis_fn axis, unsigned from,
                               unsigned to, line_t *line)
{
    unsigned best = from, step = (to - from) / STARTS + 1;
    double least;

    *line = line_through(p, floor, axis, from, to);
    if (line->fit >= FIT_WHOLE) {
        return from;
    }
    least = line->error;
    for (unsigned i = from + step; i + PST_TREND_POINTS - 1 <= to && floor[to] - floor[i] >= PST_TREND_RISE;
         i += step) {
        line_t later = line_through(p, floor, axis, i, to);
        double error = later.error + error_of_level(floor, from, i);

        if (error < least) {
            least = error;
            best = i;
            *line = later;
        }
    }
    return best;
}

/* In how many parts of the axis does the floor rise? The last two must not both be level: it may have ended. */
static int rises_evenly(const pst_trend_point_t *p, const double *floor, axis_fn axis, unsigned from, unsigned to)
{
    double first = axis(&p[from]), width = (axis(&p[to]) - first) / BINS;
    double share = EVEN * (floor[to] - floor[from]) / BINS, was = floor[from];
    int risen = 0, last_two = 0;
    unsigned i = from;

    for (int bin = 1; bin <= BINS; bin++) {
        while (i < to && axis(&p[i + 1]) <= (bin == BINS ? axis(&p[to]) : first + width * bin)) {
            i++;
        }
        if (floor[i] - was >= share) {
            risen++;
            last_two += bin > BINS - 2;
        }
        was = floor[i];
    }
    return risen >= BINS - 1 && last_two;
}

static rise_t judge_stretch(const pst_trend_point_t *p, const double *floor, axis_fn axis, unsigned from, unsigned to)
{
    rise_t rise = { 0, 0, 0, 0, 0 };
    unsigned begin;
    double risen;
    line_t line;

    if (to < from + PST_TREND_POINTS - 1 || floor[to] - floor[from] < PST_TREND_RISE
        || axis(&p[to]) <= axis(&p[from])) {
        return rise;
    }
    begin = find_beginning(p, floor, axis, from, to, &line);
    rise.slope = line.slope;
    rise.fit = line.fit;
    rise.good = line.fit >= FIT && line.slope > 0 && rises_evenly(p, floor, axis, begin, to);
    risen = HEAD * (floor[to] - floor[begin]);
    rise.begin = begin;
    while (begin + 1 < to && floor[begin + 1] - floor[rise.begin] <= risen) {
        begin++;
    }
    rise.begin = begin;
    rise.end = to;
    return rise;
}

/* -- the floor and what is above it ---------------------------------------- */

typedef struct parts_t {
    unsigned settled;           /* the last point whose floor is final */
    int higher;                 /* the tail rose higher than any release */
    int longer;                 /* or has been rising for longer */
    double given_back;          /* the largest release */
    int teeth;                  /* how often that much, or half of it, was released */
} parts_t;

static parts_t part_points(const pst_trend_point_t *p, unsigned count, double *floor)
{
    parts_t parts = { count - 1, 0, 0, 0, 0 };
    double given_back = 0, longest = 0, gap = (p[count - 1].time - p[0].time) / (count - 1);
    unsigned last = count, begin = count;

    floor[count - 1] = p[count - 1].size;
    for (unsigned i = count - 1; i-- > 0;) {
        floor[i] = p[i].size < floor[i + 1] ? p[i].size : floor[i + 1];
        given_back = fmax(given_back, p[i].size - floor[i]);
    }
    if (given_back <= 0) {
        return parts;
    }
    for (unsigned i = 0; i < count; i++) {
        if (p[i].size - floor[i] < given_back / 2) {
            begin = count;
            continue;
        }
        if (begin == count) {
            begin = i;
            parts.teeth++;
        }
        last = i;
        longest = fmax(longest, p[i].time - p[begin].time + gap);
    }
    parts.given_back = given_back;
    parts.settled = last + 1;
    for (unsigned i = last + 1; i < count; i++) {
        if (p[i].size < p[parts.settled].size) {
            parts.settled = i;
        }
    }
    parts.higher = p[count - 1].size - p[parts.settled].size > 1.5 * given_back;
    /* the upper half of a tooth was measured: twice that is the tooth, and twice that again is no longer a tooth */
    parts.longer = p[count - 1].time - p[parts.settled].time > 4 * longest;
    return parts;
}

static rise_t judge_rise(const pst_trend_point_t *p, unsigned count, const double *floor, const parts_t *parts,
                         axis_fn axis)
{
    rise_t rise = judge_stretch(p, floor, axis, 0, parts->higher ? count - 1 : parts->settled);

    if (!rise.good && (parts->higher || parts->longer)) {
        rise = judge_stretch(p, floor, axis, parts->settled, count - 1);
    }
    return rise;
}

/* Was this part of the rise released? */
static int gave_back(const parts_t *parts, double rise, double share)
{
    return parts->given_back > 0 && parts->given_back >= share * (rise + parts->given_back);
}

/*
 * The settled part rose, and the tail does not continue it: it ended. Decided by the tail's length if that is a large
 * part of the whole; at once if a large part of the rise was released for the first time: the rest may be released as
 * well.  A saw on a ramp has more teeth than one, comes back to a higher floor each time, and rises at once.
 */
static int ended(const pst_trend_point_t *p, unsigned count, const double *floor, const parts_t *parts)
{
    double rise = floor[parts->settled] - floor[0], more = p[count - 1].size - floor[parts->settled];
    double took = p[parts->settled].time - p[0].time, since = p[count - 1].time - p[parts->settled].time;

    if (parts->given_back <= 0 || took <= 0 || more >= rise / 2) {
        return 0;
    }
    return (since >= took / 3 && more < EVEN * rise * since / took)
           || (parts->teeth == 1 && gave_back(parts, rise, FELL));
}

/* ---- an end ---- */

/* The stretch in which the floor rose, and the longest time it was level before, within and after it. */
typedef struct reach_t {
    unsigned begin, end;        /* points: at the level of the first point for the last time, of the last for the first
                                   */
    double gap, gap_requests;
} reach_t;

static reach_t reach_of(const pst_trend_point_t *p, unsigned count, const double *floor)
{
    double slack = fmin(LEVEL * (floor[count - 1] - floor[0]), LEVEL_MOST);
    reach_t reach = { 0, count - 1, 0, 0 };
    unsigned moved;

    while (reach.begin + 1 < count && floor[reach.begin + 1] <= floor[0]) {
        reach.begin++;
    }
    while (reach.end > reach.begin && floor[reach.end - 1] >= floor[count - 1] - slack) {
        reach.end--;
    }
    moved = reach.begin;
    for (unsigned i = reach.begin + 1; i <= reach.end; i++) {
        if (floor[i] > floor[moved]) {
            reach.gap = fmax(reach.gap, p[i].time - p[moved].time);
            reach.gap_requests = fmax(reach.gap_requests, p[i].requests - p[moved].requests);
            moved = i;
        }
    }
    return reach;
}

/* Level for longer than it ever was while it rose, by the clock or by requests that were served meanwhile. A tooth on
 * top of it was growth for as long as it lasted. */
static int is_over(const pst_trend_point_t *p, unsigned count, const double *floor, const parts_t *parts,
                   const reach_t *reach)
{
    int tooth = gave_back(parts, floor[count - 1] - floor[0], TOOTH) && parts->settled > reach->end;
    const pst_trend_point_t *last = &p[count - 1], *end = &p[tooth ? parts->settled : reach->end],
                            *begin = &p[reach->begin];
    double level = last->time - end->time, served = last->requests - end->requests;
    double rose = (end->time - begin->time) / PART, rose_requests = (end->requests - begin->requests) / PART;

    if (level <= SECONDS) {
        return 0;
    }
    return (level > GAPS * reach->gap && level > rose)
           || (served > GAPS * reach->gap_requests && served > rose_requests && served >= REQUESTS);
}

/* The gain up to a point after the last final one: as the line continues, but no more than is really there. */
static double gained_until(const pst_trend_point_t *p, const double *floor, const rise_t *rise, axis_fn axis,
                           unsigned until)
{
    double known = floor[rise->end] - floor[rise->begin], there = floor[until] - floor[rise->begin];

    return fmax(known, fmin(there, rise->slope * (axis(&p[until]) - axis(&p[rise->begin]))));
}

/* Report a rise: never more than was gained. */
static void tell_rise(pst_trend_t *verdict, const pst_trend_point_t *p, const double *floor, const rise_t *time,
                      const rise_t *requests, unsigned until)
{
    const rise_t *rise = time->good ? time : requests;
    double lasted, served;

    verdict->since = p[rise->begin].time;
    verdict->until = p[until].time;
    verdict->level = floor[rise->begin];
    verdict->gained = gained_until(p, floor, rise, time->good ? by_time : point_requests, until);
    verdict->level += verdict->gained;
    lasted = verdict->until - verdict->since;
    served = p[until].requests - p[rise->begin].requests;
    verdict->per_minute = 60 * verdict->gained / lasted;
    if (time->good) {
        verdict->per_minute = fmin(verdict->per_minute, 60 * time->slope);
    }
    if (requests->good && served > 0) {
        verdict->per_request = fmin(requests->slope, verdict->gained / served);
    }
    verdict->fit = rise->fit;
    if (requests->good) {
        verdict->fit = fmax(verdict->fit, requests->fit);
    }
}

/* It grew up to a point and is level afterwards. */
static void judge_ended(pst_trend_t *verdict, const pst_trend_point_t *p, unsigned count, const double *floor,
                        const parts_t *parts, const reach_t *reach)
{
    rise_t time = judge_stretch(p, floor, by_time, 0, reach->end);
    rise_t requests = judge_stretch(p, floor, point_requests, 0, reach->end);
    double told;

    if ((!time.good && !requests.good) || (parts->teeth == 1 && gave_back(parts, floor[count - 1] - floor[0], FELL))) {
        return;
    }
    tell_rise(verdict, p, floor, &time, &requests, reach->end);
    told = fmin(fmax(verdict->until - verdict->since, TOLD_LEAST), TOLD_MOST);
    if (p[count - 1].time - verdict->until <= told) {
        verdict->state = PST_TREND_ENDED;
    }
    else {
        *verdict = (pst_trend_t){ .state = PST_TREND_STEADY };
    }
}

/* @return 1 if it is over: then what comes after it, from that point on, may grow again, by less than this did */
static int judge_once(pst_trend_t *verdict, const pst_trend_point_t *p, unsigned count, double *floor, unsigned *end)
{
    parts_t parts = part_points(p, count, floor);
    reach_t reach = reach_of(p, count, floor);
    rise_t time, requests;

    if (is_over(p, count, floor, &parts, &reach)) {
        judge_ended(verdict, p, count, floor, &parts, &reach);
        *end = reach.end;
        return reach.end > 0;
    }
    time = judge_rise(p, count, floor, &parts, by_time);
    requests = judge_rise(p, count, floor, &parts, point_requests);
    if ((time.good || requests.good) && !ended(p, count, floor, &parts)) {
        verdict->state = PST_TREND_GROWING;
        tell_rise(verdict, p, floor, &time, &requests, count - 1);
    }
    return 0;
}

static void judge_growing(pst_trend_t *verdict, const pst_trend_point_t *p, unsigned count, double *floor)
{
    pst_trend_t later = *verdict;
    unsigned end = 0;

    for (unsigned i = 0; i < AGAIN && judge_once(&later, p, count, floor, &end); i++) {
        if (verdict->state == PST_TREND_STEADY) {
            *verdict = later;
        }
        later = (pst_trend_t){ .state = PST_TREND_STEADY };
        p += end;
        count -= end;
        if (count < PST_TREND_POINTS) {
            return;
        }
    }
    if (later.state == PST_TREND_GROWING || verdict->state == PST_TREND_STEADY) {
        *verdict = later;
    }
}

/* Shrinking is ongoing growth seen backwards in time. */
static void judge_shrinking(pst_trend_t *verdict, const pst_trend_point_t *p, unsigned count, double *floor,
                            pst_trend_point_t *back)
{
    double end = p[count - 1].time, span = end - p[0].time;
    parts_t parts;
    rise_t rise;

    for (unsigned i = 0; i < count; i++) {
        const pst_trend_point_t *from = &p[count - 1 - i];

        back[i] = (pst_trend_point_t){ end - from->time, from->size, 0 };
    }
    parts = part_points(back, count, floor);
    rise = judge_rise(back, count, floor, &parts, by_time);
    if (rise.good && back[rise.begin].time <= span / 4) {
        verdict->state = PST_TREND_SHRINKING;
        verdict->per_minute = -60 * rise.slope;
        verdict->fit = rise.fit;
        verdict->since = p[0].time;
        verdict->until = end;
        verdict->gained = p[count - 1].size - p[0].size;
        verdict->level = p[count - 1].size;
    }
}

void pst_trend_judge(pst_trend_t *verdict, pst_trend_point_t *points, unsigned count, double *work,
                     pst_trend_point_t *work_points)
{
    *verdict = (pst_trend_t){ .state = PST_TREND_LITTLE };
    count = clean_points(points, count);
    if (count < PST_TREND_POINTS) {
        return;
    }
    verdict->state = PST_TREND_STEADY;
    judge_growing(verdict, points, count, work);
    if (verdict->state == PST_TREND_STEADY && points[0].size - points[count - 1].size >= PST_TREND_RISE) {
        judge_shrinking(verdict, points, count, work, work_points);
    }
}

const char *pst_trend_word(unsigned state)
{
    static const char *const words[PST_TREND_COUNT] = {
        [PST_TREND_LITTLE] = "too little data", [PST_TREND_STEADY] = "steady",
        [PST_TREND_GROWING] = "growing", [PST_TREND_SHRINKING] = "shrinking", [PST_TREND_ENDED] = "grew"
    };

    return state < PST_TREND_COUNT ? words[state] : "?";
}
