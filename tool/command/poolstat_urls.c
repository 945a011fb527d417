/* SPDX-License-Identifier: Apache-2.0
 *
 * poolstat urls: what was requested and what it took, a row for each URL.
 */
#include "poolstat.h"
#include "poolstat_foreign.h"
#include "poolstat_grid.h"
#include "pst_snapshot_urls.h"

#include <apr_strings.h>

#define URLS 20                 /* unless --limit says otherwise */
#define LINE 4096

static void print_url_grid(const pst_snapshot_t *snapshot, unsigned count, apr_pool_t *pool)
{
    const pst_urls_t *urls = &snapshot->urls;
    unsigned width = poolstat_terminal();
    poolstat_grid_t grid;
    char text[LINE];

    poolstat_grid_urls(&grid, snapshot, count, pool);
    poolstat_grid_fit(&grid, width);
    grid.colours = poolstat_colours();
    puts(poolstat_grid_heading(&grid, text, sizeof(text)));
    for (unsigned i = 0; i < grid.row_count; i++) {
        puts(poolstat_grid_row(&grid, i, text, sizeof(text)));
    }
    apr_snprintf(text, sizeof(text), "%u of %u URLs; %" APR_UINT64_T_FMT " requests in all%s", grid.row_count,
                 (unsigned)urls->count - 1, urls->urls[0].requests,
                 urls->of_lives ? ", also of children that are gone" : "");
    poolstat_print(text, 0, width);
}

static int print_urls(const poolstat_board_t *board, poolstat_options_t *options, apr_pool_t *pool)
{
    pst_snapshot_t snapshot;
    apr_status_t rv = poolstat_look(&snapshot, board, &options->filter, pool);

    if (rv != APR_SUCCESS) {
        return poolstat_read_failed(rv);
    }
    if (snapshot.urls.count < 2) {
        puts("No request has finished yet.");
        return POOLSTAT_OK;
    }
    print_url_grid(&snapshot, options->has_limit ? options->limit : URLS, pool);
    return POOLSTAT_OK;
}

int poolstat_urls(poolstat_options_t *options)
{
    return poolstat_with_board(options, print_urls);
}
