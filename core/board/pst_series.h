/* SPDX-License-Identifier: Apache-2.0
 *
 * A series of points of bounded length, whatever its age: when it is full, every two become one, and from then on a
 * point stands for twice the time.  It costs no shared memory; what is made of it goes onto the board.
 *
 * Pure; a series belongs to one thread. Zeros are an empty one.
 *
 * Called by: watchdog, parent
 */
#ifndef PST_SERIES_H
#define PST_SERIES_H

#include "pst_trend.h"

/** The longest there may be: pst_series_judge() has its points on the stack. Even. */
#define PST_SERIES_MOST 64u

/** What becomes of those that one point stands for. */
typedef enum {
    PST_SERIES_FLOOR = 0,       /**< the smallest: what is judged by its floor */
    PST_SERIES_FIRST            /**< the first: what it was then */
} pst_series_e;

/** All but the points, which lie with who keeps it. */
typedef struct pst_series_t {
    apr_uint64_t begin;         /**< time of the first point; those of points count from it */
    apr_uint32_t count;         /**< points */
    apr_uint32_t each;          /**< beats that a point stands for */
    apr_uint32_t beats;         /**< of the last point, so far */
} pst_series_t;

/** It begins anew. */
void pst_series_begin(pst_series_t *series, apr_uint64_t now);

/** A beat more. @param points room for `room`, an even number, PST_SERIES_MOST at most @param at what it is now */
void pst_series_add(pst_series_t *series, pst_trend_point_t *points, unsigned room, const pst_trend_point_t *at,
                    pst_series_e rule);

/** Seconds from its beginning to a time. */
double pst_series_seconds(const pst_series_t *series, apr_uint64_t time);

/** Does it grow? Its points stay as they are. */
void pst_series_judge(pst_trend_t *verdict, const pst_series_t *series, const pst_trend_point_t *points);

#endif /* PST_SERIES_H */
