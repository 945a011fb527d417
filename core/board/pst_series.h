/* SPDX-License-Identifier: Apache-2.0
 *
 * A series of points of bounded length, whatever its age: when it is full, every two points become one, and from then
 * on a point covers twice the time. It uses no shared memory; only results go on the board.
 *
 * Pure; a series belongs to one thread. All zeros is an empty series.
 *
 * Called by: watchdog, parent
 */
#ifndef PST_SERIES_H
#define PST_SERIES_H

#include "pst_trend.h"

/** The maximum length: pst_series_judge() keeps its points on the stack. Even. */
#define PST_SERIES_MOST 64u

/** How the points that become one are merged. */
typedef enum {
    PST_SERIES_FLOOR = 0,       /**< the smallest: for series judged by their floor */
    PST_SERIES_FIRST            /**< the first: the value at that time */
} pst_series_e;

/** Everything except the points, which the owner keeps. */
typedef struct pst_series_t {
    apr_uint64_t begin;         /**< time of the first point; those of points count from it */
    apr_uint32_t count;         /**< points */
    apr_uint32_t each;          /**< beats that a point covers */
    apr_uint32_t beats;         /**< of the last point, so far */
} pst_series_t;

/** Start over. */
void pst_series_begin(pst_series_t *series, apr_uint64_t now);

/** Add a beat. @param points room for `room`, an even number, at most PST_SERIES_MOST @param at the current value */
void pst_series_add(pst_series_t *series, pst_trend_point_t *points, unsigned room, const pst_trend_point_t *at,
                    pst_series_e rule);

/** Seconds from its start to a time. */
double pst_series_seconds(const pst_series_t *series, apr_uint64_t time);

/** Does it grow? Its points are not changed. */
void pst_series_judge(pst_trend_t *verdict, const pst_series_t *series, const pst_trend_point_t *points);

#endif /* PST_SERIES_H */
