/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts: does a series of sizes grow?  Pure arithmetic over points supplied by the caller; any process, any
 * thread; no allocation, no clock.
 *
 * Memory that comes and goes is not growth. So the verdict is on the series' floor, not the series itself: at each
 * moment the smallest size seen from then on, that is, what was never released. Sawtooth patterns and noise leave the
 * floor flat; a ramp below them lifts it. A verdict of growth needs the floor to rise evenly, over time or with
 * requests: one step, or several that have ended, is not growth.
 *
 * The rate never overstates: the gain is at least the rate times the time it took. Growth that has stopped counts as
 * ended, whether or not the memory is released: its floor has been level for twice as long as ever before since it
 * began.
 *
 * Called by: any
 */
#ifndef PST_TREND_H
#define PST_TREND_H

#include <apr.h>

typedef enum {
    PST_TREND_LITTLE = 0,       /**< too little data: fewer than PST_TREND_POINTS points */
    PST_TREND_STEADY,
    PST_TREND_GROWING,
    PST_TREND_SHRINKING,
    PST_TREND_ENDED,            /**< it grew, and no longer does; steady again once it has been level for as long as
                                     it grew */
    PST_TREND_COUNT
} pst_trend_e;

/** Fewer points than this mean nothing. */
#define PST_TREND_POINTS 8
/** Less than this is not growth: four of APR's smallest nodes. Bytes. */
#define PST_TREND_RISE   32768

typedef struct pst_trend_point_t {
    double time;                /**< seconds, from any origin; points not later than the one before are left out */
    double size;                /**< bytes */
    double requests;            /**< finished so far, never decreasing; constant if not known */
} pst_trend_point_t;

typedef struct pst_trend_t {
    pst_trend_e state;
    double per_minute;          /**< bytes, negative if it shrinks; 0 if steady; if ended, the rate while it grew */
    double per_request;         /**< bytes; 0 unless it grows evenly with requests */
    double fit;                 /**< r² of the line through the floor, 0 to 1 */
    double since;               /**< the time of the point at which it began; 0 if steady */
    double until;               /**< the time of the last point or, if ended, of the point at which it ended; 0 if
                                     steady */
    double gained;              /**< bytes gained by the floor from since to until */
    double level;               /**< the floor at until */
} pst_trend_t;

/**
 * Judge.
 * @param points in order of time; those left out are removed, the rest are unchanged
 * @param count  how many
 * @param work   room for count numbers and as many points
 */
void pst_trend_judge(pst_trend_t *verdict, pst_trend_point_t *points, unsigned count, double *work,
                     pst_trend_point_t *work_points);

/** Restore a counter kept in 32 bits, which wraps: the value that follows `before` and has the low bits of `now`. */
static APR_INLINE apr_uint64_t pst_trend_unwrap(apr_uint64_t before, apr_uint32_t now)
{
    return before + (apr_uint32_t)(now - (apr_uint32_t)before);
}

/** The word for a state, as all views print it; "?" if out of range. */
const char *pst_trend_word(unsigned state);

#endif /* PST_TREND_H */
