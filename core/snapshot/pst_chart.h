/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts: histories prepared for drawing. A series too long for its picture is cut into columns;
 * each keeps its lowest and its highest point, in order of time, so that peaks stay peaks and a
 * sawtooth still returns to its floor.
 */
#ifndef PST_CHART_H
#define PST_CHART_H

#include "pst_history.h"
#include "pst_snapshot.h"

#define PST_CHARTS     12       /**< children that get a chart: the first in the requested order */
#define PST_CHART_GONE 8        /**< children that are gone and listed: the last ones */

typedef struct pst_chart_t {
    apr_uint32_t child;         /**< index in the snapshot */
    pst_history_point_t *points;
    apr_uint32_t count;
    pst_history_point_t *day;   /**< one point a minute; only where a single child is shown */
    apr_uint32_t day_count;
} pst_chart_t;

typedef struct pst_charts_t {
    pst_chart_t charts[PST_CHARTS];
    unsigned count;
    pst_history_about_t gone[PST_CHART_GONE];   /**< latest end first */
    unsigned gone_count;
} pst_charts_t;

/**
 * Take the charts of the children from `from` on. Any process, no lock.
 * @param charts filled in; points are of pool
 */
void pst_charts_take(pst_charts_t *charts, const pst_board_t *board, const pst_snapshot_t *snapshot,
                     apr_uint32_t from, apr_pool_t *pool);

/** Cut points down to at most 2 * columns, in place. Pure. @return how many are left */
apr_uint32_t pst_chart_thin(pst_history_point_t *points, apr_uint32_t count, apr_uint32_t columns);

#endif /* PST_CHART_H */
