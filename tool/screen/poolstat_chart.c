/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_chart.h.
 */
#include "poolstat_chart.h"

#include <langinfo.h>
#include <string.h>

int poolstat_utf8(void)
{
    return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

void poolstat_series(poolstat_series_t *to, const apr_uint64_t *values, unsigned count, unsigned columns, int floor)
{
    unsigned most = sizeof(to->values) / sizeof(to->values[0]);

    memset(to, 0, sizeof(*to));
    columns = columns < most ? columns : most;
    to->columns = count < columns ? count : columns;
    for (unsigned i = 0; i < to->columns; i++) {
        unsigned from = (unsigned)((apr_uint64_t)i * count / to->columns);
        unsigned end = (unsigned)((apr_uint64_t)(i + 1) * count / to->columns);

        for (unsigned v = from; v < end; v++) {
            to->values[i] = values[v] > to->values[i] ? values[v] : to->values[i];
        }
    }
    to->low = floor && to->columns ? to->values[0] : 0;
    for (unsigned i = 0; i < to->columns; i++) {
        to->low = to->values[i] < to->low ? to->values[i] : to->low;
        to->high = to->values[i] > to->high ? to->values[i] : to->high;
    }
}

/* How full a cell is, 0 to 8: a value is between 1 and 8 * rows eighths high, so that every value is visible. */
static unsigned eighths(const poolstat_series_t *series, apr_uint64_t value, unsigned row, unsigned rows)
{
    double span = (double)(series->high - series->low);
    double level = series->high > 0 ? 0.5 : 0.0, share = span > 0 ? (double)(value - series->low) / span : level;
    unsigned high = 1 + (unsigned)(share * (8 * rows - 1) + 0.5), below = 8 * row;

    if (high <= below) {
        return 0;
    }
    return high - below < 8 ? high - below : 8;
}

char *poolstat_chart_row(char *to, const poolstat_series_t *series, unsigned row, unsigned rows, int utf8)
{
    static const char ascii[] = " ..::-=+#";
    char *at = to;

    for (unsigned i = 0; i < series->columns; i++) {
        unsigned full = eighths(series, series->values[i], row, rows);

        if (!utf8 || !full) {
            *at++ = ascii[full];
            continue;
        }
        memcpy(at, "\xe2\x96\x80", 3);      /* U+2580; U+2581 and on are an eighth, two eighths, ... */
        at[2] = (char)(0x80 + full);
        at += 3;
    }
    *at = '\0';
    return to;
}
