/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of children and of connections, in columns that fit a width: the most important ones are taken
 * first, then those that still have room.  Headings come from the metric table.
 */
#ifndef POOLSTAT_GRID_H
#define POOLSTAT_GRID_H

#include "poolstat_colour.h"
#include "poolstat_look.h"
#include "poolstat_text.h"

#define POOLSTAT_GRID_COLUMNS 20   /* at least as many as the widest grid has */
#define POOLSTAT_CELL 256

typedef struct poolstat_cell_t {
    char text[POOLSTAT_CELL];   /**< escaped */
    poolstat_mark_e mark;
} poolstat_cell_t;

typedef struct poolstat_column_t {
    char heading[32];
    int  is_text;               /**< aligned left; figures are aligned right */
    int  rank;                  /**< 0 always stays; of the others the smallest is taken first */
    unsigned width;             /**< as wide as its widest cell; 0: left out */
    pst_sort_e sort;            /**< the order that sorts by this column; PST_SORT_COUNT: none */
} poolstat_column_t;

typedef struct poolstat_grid_t {
    poolstat_column_t columns[POOLSTAT_GRID_COLUMNS];
    unsigned column_count;
    poolstat_cell_t (*rows)[POOLSTAT_GRID_COLUMNS];
    unsigned row_count;
    pst_sort_e sort;            /**< how the rows are sorted: that column is important */
    int colours;                /**< write marks as colours; 0 unless set after the grid was made */
} poolstat_grid_t;

/** How fast something grows, for a column: "+1.2 MiB/min"; "steady", "shrinking"; "" while that is not known.
 *  @return to */
char *poolstat_growth(char *to, apr_size_t size, const pst_shared_verdict_t *verdict);

/** A row per child from `from` on, at most `limit`. */
void poolstat_grid_children(poolstat_grid_t *grid, const pst_snapshot_t *snapshot,
                            const poolstat_board_t *board, unsigned from, unsigned limit, apr_pool_t *pool);

/** A row per connection. */
void poolstat_grid_connections(poolstat_grid_t *grid, const pst_snapshot_t *snapshot,
                               pst_row_t *const *rows, unsigned count, apr_pool_t *pool);

/** A row per URL, at most `limit`. */
void poolstat_grid_urls(poolstat_grid_t *grid, const pst_snapshot_t *snapshot, unsigned limit, apr_pool_t *pool);

/** Choose columns and widths. @param width of the terminal; 0: unlimited */
void poolstat_grid_fit(poolstat_grid_t *grid, unsigned width);

/** The line of headings, and that of row i; without trailing blanks. @return to */
char *poolstat_grid_heading(const poolstat_grid_t *grid, char *to, apr_size_t size);
char *poolstat_grid_row(const poolstat_grid_t *grid, unsigned i, char *to, apr_size_t size);

#endif /* POOLSTAT_GRID_H */
