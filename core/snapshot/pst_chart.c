/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts.  See pst_chart.h.
 */
#include "pst_chart.h"

#include <apr_strings.h>
#include <string.h>

/* Two points each: 600 points of a single child stay as they are. */
#define COLUMNS_ONE  300
#define COLUMNS_MANY 60

static apr_uint64_t height(const pst_history_point_t *point)
{
    return point->process + point->connections + point->requests + point->buckets;
}

apr_uint32_t pst_chart_thin(pst_history_point_t *points, apr_uint32_t count, apr_uint32_t columns)
{
    apr_uint32_t kept = 0;

    if (count <= 2 * columns) {
        return count;
    }
    for (apr_uint32_t c = 0; c < columns; c++) {
        apr_uint32_t begin = (apr_uint32_t)((apr_uint64_t)count * c / columns);
        apr_uint32_t end = (apr_uint32_t)((apr_uint64_t)count * (c + 1) / columns), low = begin, high = begin;

        for (apr_uint32_t i = begin + 1; i < end; i++) {
            low = height(&points[i]) < height(&points[low]) ? i : low;
            high = height(&points[i]) > height(&points[high]) ? i : high;
        }
        {
            pst_history_point_t first = points[low < high ? low : high], second = points[low < high ? high : low];

            points[kept++] = first;
            points[kept++] = second;
        }
    }
    return kept;
}

static void take_chart(pst_charts_t *charts, const pst_board_t *board, apr_uint32_t pid, apr_uint32_t child,
                       pst_history_t *history, int alone, apr_pool_t *pool)
{
    pst_chart_t *chart = &charts->charts[charts->count];
    apr_uint32_t columns = alone ? COLUMNS_ONE : COLUMNS_MANY;

    if (!pst_history_find(&history->about, board, pid) || !pst_history_read(history, board)
        || history->fine_count < 2) {
        return;
    }
    memset(chart, 0, sizeof(*chart));
    chart->child = child;
    chart->count = pst_chart_thin(history->fine, history->fine_count, columns);
    chart->points = apr_pmemdup(pool, history->fine, chart->count * sizeof(*chart->points));
    if (alone && history->coarse_count > 2) {
        chart->day_count = pst_chart_thin(history->coarse, history->coarse_count, columns);
        chart->day = apr_pmemdup(pool, history->coarse, chart->day_count * sizeof(*chart->day));
    }
    charts->count++;
}

/* Keep the children that ended last, latest first. */
static void note_gone(pst_charts_t *charts, const pst_history_about_t *about)
{
    unsigned at = charts->gone_count;

    while (at && charts->gone[at - 1].ended < about->ended) {
        at--;
    }
    if (at == PST_CHART_GONE) {
        return;
    }
    charts->gone_count += charts->gone_count < PST_CHART_GONE;
    memmove(&charts->gone[at + 1], &charts->gone[at], (charts->gone_count - at - 1) * sizeof(*about));
    charts->gone[at] = *about;
}

void pst_charts_take(pst_charts_t *charts, const pst_board_t *board, const pst_snapshot_t *snapshot,
                     apr_uint32_t from, apr_pool_t *pool)
{
    int alone = snapshot->child_count == 1;
    pst_history_about_t about;
    pst_history_t history;

    charts->count = charts->gone_count = 0;
    if (!board->history_size) {
        return;
    }
    pst_history_room(&history, board, pool);
    for (apr_uint32_t i = from; i < snapshot->child_count && charts->count < PST_CHARTS; i++) {
        take_chart(charts, board, snapshot->children[i].head.owner, i, &history, alone, pool);
    }
    for (apr_uint32_t i = 0, count = pst_board_claimed(board); i < count; i++) {
        if (pst_history_about(&about, board, i) && !about.alive && about.points) {
            note_gone(charts, &about);
        }
    }
}
