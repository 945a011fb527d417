/* SPDX-License-Identifier: Apache-2.0
 *
 * Did it grow with what is new, or by repetition?  See pst_share.h.
 */
#include "pst_share.h"
#include "pst_figure.h"

#include <math.h>
#include <string.h>

#define QUIET_REQUESTS 20       /* repeated requests in intervals without new ones: fewer say nothing */
#define QUIET_PART     20       /* nor do less than such a part of all that were repeated */
#define TOLD_APART     0.05     /* two rates are told apart if so much of what each counts is not the other's */
#define MOSTLY         0.75     /* of what was gained came with what is new: it explains the growth */

typedef struct stretch_t {
    const pst_history_point_t *points;
    apr_uint32_t from, to;      /* from < to */
} stretch_t;

/* @return 0 if no two points lie between these moments */
static int find_stretch(stretch_t *stretch, const pst_history_point_t *points, apr_uint32_t count, apr_uint64_t since,
                        apr_uint64_t until)
{
    stretch->points = points;
    stretch->from = 0;
    while (stretch->from + 1 < count && points[stretch->from + 1].time <= since) {
        stretch->from++;
    }
    stretch->to = stretch->from;
    while (stretch->to + 1 < count && points[stretch->to].time < until) {
        stretch->to++;
    }
    return stretch->to > stretch->from;
}

static double newly(const stretch_t *stretch, apr_uint32_t from, apr_uint32_t to)
{
    return (double)pst_minus(stretch->points[to].requests_new, stretch->points[from].requests_new);
}

static double again(const stretch_t *stretch, apr_uint32_t from, apr_uint32_t to)
{
    double all = (double)pst_minus(stretch->points[to].requests_finished, stretch->points[from].requests_finished);

    return fmax(all - newly(stretch, from, to), 0);
}

static void share_out(pst_shared_share_t *share, const stretch_t *stretch, double gained, double gained_new)
{
    gained_new = fmin(fmax(gained_new, 0), gained);
    share->known = 1;
    share->gained_new = (float)gained_new;
    share->gained_again = (float)(gained - gained_new);
    share->requests_new = (uint32_t)fmin(newly(stretch, stretch->from, stretch->to), 4e9);
    share->requests_again = (uint32_t)fmin(again(stretch, stretch->from, stretch->to), 4e9);
    share->only_new = gained > 0 && gained_new >= MOSTLY * gained;
}

void pst_share_process(pst_shared_share_t *share, const pst_history_point_t *points, apr_uint32_t count,
                       apr_uint64_t since, apr_uint64_t until, double gained)
{
    stretch_t stretch;

    memset(share, 0, sizeof(*share));
    if (find_stretch(&stretch, points, count, since, until)) {
        share_out(share, &stretch, gained,
                  (double)points[stretch.to].process_new - (double)points[stretch.from].process_new);
    }
}

/* ---- the heap ---- */

/* Of the interval before point i and of those around it: the heap is looked at now and then, and a request may take a
 * while. */
static int served_new(const stretch_t *stretch, apr_uint32_t i)
{
    apr_uint32_t first = i > stretch->from + 1 ? i - 2 : stretch->from, last = i < stretch->to ? i + 1 : i;

    for (apr_uint32_t at = first; at <= last; at++) {
        if (stretch->points[at].requests_new_open) {
            return 1;
        }
    }
    return newly(stretch, first, last) > 0;
}

typedef struct sums_t {
    double quiet_again, quiet_gained;           /* of intervals in which nothing new was served */
    double nn, na, aa, ng, ag;                  /* of all: products of new, repeated, gained */
} sums_t;

/* Up to a point the floor is the least that is seen from there on; gone through backwards. */
static void add_up(sums_t *sums, const stretch_t *stretch)
{
    double above = (double)stretch->points[stretch->to].heap_in_use;

    memset(sums, 0, sizeof(*sums));
    for (apr_uint32_t i = stretch->to; i > stretch->from; i--) {
        double floor = fmin((double)stretch->points[i - 1].heap_in_use, above), gained = above - floor;
        double n = newly(stretch, i - 1, i) + (double)stretch->points[i].requests_new_open,
               a = again(stretch, i - 1, i);

        if (!served_new(stretch, i)) {
            sums->quiet_again += a;
            sums->quiet_gained += gained;
        }
        sums->nn += n * n;
        sums->na += n * a;
        sums->aa += a * a;
        sums->ng += n * gained;
        sums->ag += a * gained;
        above = floor;
    }
}

void pst_share_heap(pst_shared_share_t *share, const pst_history_point_t *points, apr_uint32_t count,
                    apr_uint64_t since, apr_uint64_t until, double gained)
{
    stretch_t stretch;
    double all_new, all_again, apart;
    sums_t sums;

    memset(share, 0, sizeof(*share));
    if (!find_stretch(&stretch, points, count, since, until)) {
        return;
    }
    add_up(&sums, &stretch);
    all_new = newly(&stretch, stretch.from, stretch.to);
    all_again = again(&stretch, stretch.from, stretch.to);
    apart = sums.nn * sums.aa - sums.na * sums.na;
    if (all_new <= 0) {
        share_out(share, &stretch, gained, 0);
    }
    else if (sums.quiet_again >= QUIET_REQUESTS && sums.quiet_again * QUIET_PART >= all_again) {
        share_out(share, &stretch, gained, gained - sums.quiet_gained / sums.quiet_again * all_again);
    }
    else if (all_again > 0 && apart > TOLD_APART * sums.nn * sums.aa) {
        share_out(share, &stretch, gained, (sums.ng * sums.aa - sums.ag * sums.na) / apart * all_new);
    }
    else if (all_again <= 0) {
        share_out(share, &stretch, gained, gained);
    }
}
