/* SPDX-License-Identifier: Apache-2.0
 *
 * Small charts made of characters: eighths of blocks where the locale is UTF-8, ASCII elsewhere. Pure.
 */
#ifndef POOLSTAT_CHART_H
#define POOLSTAT_CHART_H

#include <apr.h>

/** A series fitted to the width of a chart: each column has the largest of its values, so that peaks stay. */
typedef struct poolstat_series_t {
    apr_uint64_t values[256];
    unsigned columns;               /**< at most 256 */
    apr_uint64_t low, high;         /**< over all values; the floor and the ceiling of the chart */
} poolstat_series_t;

/**
 * @param columns the most columns; fewer values stay as they are
 * @param floor   the chart begins at the lowest value; else at 0
 */
void poolstat_series(poolstat_series_t *to, const apr_uint64_t *values, unsigned count, unsigned columns, int floor);

/** Row `row`, counted from the bottom, of a chart `rows` high. @return to, of at least 3 * columns + 1 bytes */
char *poolstat_chart_row(char *to, const poolstat_series_t *series, unsigned row, unsigned rows, int utf8);

/** Is the locale UTF-8? */
int poolstat_utf8(void);

#endif /* POOLSTAT_CHART_H */
