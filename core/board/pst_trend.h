/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts: does a series of sizes grow?  Pure arithmetic over points that the
 * caller brings along; any process, any thread; no allocation, no clock.
 *
 * Memory that comes and goes again is no growth.  So what is judged is not the
 * series but its floor: at each moment the smallest size seen from then on, i.e. what
 * was never given back.  Teeth of a saw and noise leave the floor flat; a ramp below
 * them lifts it.  A verdict needs the floor to rise evenly, in time or by
 * requests: one step, or several that ended, are none.
 *
 * The rate never claims more than there is: what was gained is at least the rate times the time over which it was. What
 * no longer grows has ended, whether or not it is given back: its floor has been level for twice as long as ever since
 * it began.
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
    PST_TREND_ENDED,            /**< it grew, and no longer does; steady again once that was for as long as it grew */
    PST_TREND_COUNT
} pst_trend_e;

/** Fewer points than that say nothing. */
#define PST_TREND_POINTS 8
/** Less than that is no growth: four of APR's smallest nodes. Bytes. */
#define PST_TREND_RISE   32768

typedef struct pst_trend_point_t {
    double time;                /**< seconds, from whenever; points that do not come later than the one before are left
                                     out */
    double size;                /**< bytes */
    double requests;            /**< finished so far, never less than before; all the same where that is not known */
} pst_trend_point_t;

typedef struct pst_trend_t {
    pst_trend_e state;
    double per_minute;          /**< bytes, below 0 where it shrinks; 0 if steady; of what ended, while it grew */
    double per_request;         /**< bytes; 0 unless it grows evenly by requests */
    double fit;                 /**< r² of the line through the floor, 0 to 1 */
    double since;               /**< the time of the point at which it began; 0 if steady */
    double until;               /**< the time of the last point or, of what ended, of the one at which it did; 0 if
                                     steady */
    double gained;              /**< bytes from since to until: of the floor, that is */
    double level;               /**< the floor until */
} pst_trend_t;

/**
 * Judge.
 * @param points in the order of time; those left out are removed, the rest stay as they are
 * @param count  how many
 * @param work   room for count numbers and as many points
 */
void pst_trend_judge(pst_trend_t *verdict, pst_trend_point_t *points, unsigned count, double *work,
                     pst_trend_point_t *work_points);

/** A counter kept in 32 bits, which wraps, made whole: what follows `before` and has the low bits of `now`. */
static APR_INLINE apr_uint64_t pst_trend_unwrap(apr_uint64_t before, apr_uint32_t now)
{
    return before + (apr_uint32_t)(now - (apr_uint32_t)before);
}

/** The word for a state, as all views print it; "?" if out of range. */
const char *pst_trend_word(unsigned state);

#endif /* PST_TREND_H */
