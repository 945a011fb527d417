/* SPDX-License-Identifier: Apache-2.0
 *
 * Did it grow with what is new, or by repetition?  See pst_share.h.
 */
#include "pst_share.h"
#include "pst_figure.h"

#include <math.h>
#include <string.h>

#define QUIET_REQUESTS 20       /* repeated requests in intervals without new ones: fewer are not enough */
#define QUIET_PART     20       /* nor is a smaller part than this of all repeated ones */
#define FIT_STEPS      10       /* looks at the heap: fewer do not determine two rates */
#define TOLD_APART     0.10     /* part of the gain: maximum standard error of what came with new requests */
#define MOSTLY         0.75     /* this part of the gain came with new requests: they explain the growth */

typedef struct stretch_t {
    const pst_history_point_t *points;
    apr_uint32_t from, to;      /* from < to */
} stretch_t;

/* @return 0 if there are no two points between these moments */
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

/* Between two looks at the heap, which may be some points apart: what was served, and the rise of the floor. */
typedef struct step_t {
    double newly, again, gained;
    int quiet;                          /* nothing new was served, nor just before: a request may take a while */
} step_t;

static step_t stretch_step(const stretch_t *stretch, apr_uint32_t from, apr_uint32_t to, double gained)
{
    apr_uint32_t before = from > stretch->from ? from - 1 : from;
    step_t step = { newly(stretch, from, to), again(stretch, from, to), gained, newly(stretch, before, to) <= 0 };

    for (apr_uint32_t i = from; i <= to; i++) {
        step.quiet &= !stretch->points[i].requests_new_open;
    }
    return step;
}

typedef struct sums_t {
    double steps, quiet_again, quiet_gained;
    double nn, na, aa, ng, ag, gg;              /* products of new, repeated, gained */
} sums_t;

static void add_step(sums_t *sums, const step_t *step)
{
    sums->steps++;
    if (step->quiet) {
        sums->quiet_again += step->again;
        sums->quiet_gained += step->gained;
    }
    sums->nn += step->newly * step->newly;
    sums->na += step->newly * step->again;
    sums->aa += step->again * step->again;
    sums->ng += step->newly * step->gained;
    sums->ag += step->again * step->gained;
    sums->gg += step->gained * step->gained;
}

/* The last point, going back from this one, at which the heap was queried; or the very first. */
static apr_uint32_t asked_at(const stretch_t *stretch, apr_uint32_t i)
{
    while (i > stretch->from && stretch->points[i].heap_read == stretch->points[i - 1].heap_read) {
        i--;
    }
    return i;
}

/* The floor at a point is the lowest value from there on: so go through backwards. */
static void sum_stretch(sums_t *sums, const stretch_t *stretch)
{
    apr_uint32_t to = asked_at(stretch, stretch->to);
    double above = (double)stretch->points[to].heap_in_use;

    memset(sums, 0, sizeof(*sums));
    while (to > stretch->from) {
        apr_uint32_t from = asked_at(stretch, to - 1);
        double floor = fmin((double)stretch->points[from].heap_in_use, above);
        step_t step = stretch_step(stretch, from, to, above - floor);

        add_step(sums, &step);
        above = floor;
        to = from;
    }
}

/* The best fitting rates for new and for repeated requests. @return 0 if they cannot be separated well enough */
static int fit_rates(double *gained_new, const sums_t *sums, double all_new, double gained)
{
    double apart = sums->nn * sums->aa - sums->na * sums->na, each_new, each_again, missed, error;

    if (sums->steps < FIT_STEPS || apart <= 1e-9 * sums->nn * sums->aa) {
        return 0;
    }
    each_new = (sums->ng * sums->aa - sums->ag * sums->na) / apart;
    each_again = (sums->ag * sums->nn - sums->ng * sums->na) / apart;
    missed = fmax(sums->gg - each_new * sums->ng - each_again * sums->ag, 0);
    error = sqrt(missed / (sums->steps - 2) * sums->aa / apart) * all_new;
    *gained_new = each_new * all_new;
    return error <= TOLD_APART * gained;
}

void pst_share_heap(pst_shared_share_t *share, const pst_history_point_t *points, apr_uint32_t count,
                    apr_uint64_t since, apr_uint64_t until, double gained)
{
    double all_new, all_again, gained_new;
    stretch_t stretch;
    sums_t sums;

    memset(share, 0, sizeof(*share));
    if (!find_stretch(&stretch, points, count, since, until)) {
        return;
    }
    sum_stretch(&sums, &stretch);
    all_new = newly(&stretch, stretch.from, stretch.to);
    all_again = again(&stretch, stretch.from, stretch.to);
    if (all_new <= 0) {
        share_out(share, &stretch, gained, 0);
    }
    else if (all_again <= 0) {
        share_out(share, &stretch, gained, gained);
    }
    else if (sums.quiet_again >= QUIET_REQUESTS && sums.quiet_again * QUIET_PART >= all_again) {
        share_out(share, &stretch, gained, gained - sums.quiet_gained / sums.quiet_again * all_again);
    }
    else if (fit_rates(&gained_new, &sums, all_new, gained)) {
        share_out(share, &stretch, gained, gained_new);
    }
}
