/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_grid.h.
 */
#include "poolstat_grid.h"
#include "pst_format.h"
#include "pst_trend.h"
#include "pst_view_tree.h"

#include <apr_strings.h>
#include <string.h>

/* The last column is a text, which takes what is left, and at least this part of the width: request lines tell most. */
#define LEAST_TEXT(width) ((width) / 4 > 12 ? (width) / 4 : 12)

static poolstat_cell_t *cell(poolstat_grid_t *grid, const char *heading, int is_text, int rank, pst_sort_e sort,
                             unsigned row, unsigned *column)
{
    poolstat_column_t *c = &grid->columns[*column];

    apr_cpystrn(c->heading, heading, sizeof(c->heading));
    c->is_text = is_text;
    c->rank = rank;
    c->sort = sort;
    return &grid->rows[row][(*column)++];
}

static void put_text(poolstat_grid_t *grid, const char *heading, int rank, pst_sort_e sort, unsigned row,
                     unsigned *column, const char *text)
{
    poolstat_text(cell(grid, heading, 1, rank, sort, row, column)->text, POOLSTAT_CELL, text);
}

static void put_count(poolstat_grid_t *grid, const char *heading, int rank, pst_sort_e sort, unsigned row,
                      unsigned *column, apr_uint64_t value)
{
    pst_format_digits(cell(grid, heading, 0, rank, sort, row, column)->text, value);
}

static void put_age(poolstat_grid_t *grid, int rank, unsigned row, unsigned *column, apr_uint64_t usec)
{
    pst_format_age(cell(grid, "Age", 0, rank, PST_SORT_AGE, row, column)->text, usec);
}

/* A figure of the table: its heading and how it is written are the table's. */
static void put_figure(poolstat_grid_t *grid, pst_metric_e metric, int rank, pst_sort_e sort, unsigned row,
                       unsigned *column, apr_uint64_t value)
{
    char *to = cell(grid, pst_metrics[metric].label, 0, rank, sort, row, column)->text;

    if (pst_metrics[metric].unit == PST_BYTES) {
        pst_format_size(to, value);
    }
    else {
        pst_format_count(to, value);
    }
}

static apr_status_t make(poolstat_grid_t *grid, unsigned rows, apr_pool_t *pool)
{
    memset(grid, 0, sizeof(*grid));
    grid->rows = apr_pcalloc(pool, (rows + 1) * sizeof(*grid->rows));
    return grid->rows ? APR_SUCCESS : APR_ENOMEM;
}

/* What stands beside a child that does not simply run. */
static const char *remark(const poolstat_board_t *board, const pst_child_row_t *child)
{
    const char *state = poolstat_state(board, &child->head);

    return *state ? state : child->head.verdict.state == PST_TREND_GROWING ? pst_trend_word(PST_TREND_GROWING)
         : child->head.level == PST_LEVEL_FULL ? "" : pst_level_word(child->head.level);
}

/* Which figures, how important, and by which order they sort. */
static const struct {
    pst_metric_e metric;
    int rank;
    pst_sort_e sort;
} child_figures[] = {
    { PST_M_pss_bytes, 2, PST_SORT_COUNT },
    { PST_M_held_bytes, 1, PST_SORT_COUNT },
    { PST_M_reserved_bytes, 0, PST_SORT_RESERVED },
    { PST_M_process_reserved_bytes, 4, PST_SORT_COUNT },
    { PST_M_connections_reserved_bytes, 6, PST_SORT_COUNT },
    { PST_M_requests_reserved_bytes, 5, PST_SORT_COUNT },
    { PST_M_child_bucket_bytes, 8, PST_SORT_BUCKETS },
    { PST_M_child_retained_bytes, 2, PST_SORT_RETAINED },
    { PST_M_child_peak_bytes, 7, PST_SORT_PEAK },
    { PST_M_pools, 9, PST_SORT_POOLS },
    { PST_M_connections_open, 3, PST_SORT_COUNT },
    { PST_M_requests_finished, 8, PST_SORT_REQUESTS }
};

apr_status_t poolstat_grid_children(poolstat_grid_t *grid, const pst_snapshot_t *snapshot, const poolstat_board_t *board,
                                    unsigned from, unsigned limit, apr_pool_t *pool)
{
    unsigned count = from < snapshot->child_count ? snapshot->child_count - from : 0, column = 0;
    apr_status_t rv;

    count = count < limit ? count : limit;
    rv = make(grid, count, pool);
    for (unsigned i = 0; rv == APR_SUCCESS && i < count; i++) {
        const pst_child_row_t *child = &snapshot->children[from + i];

        column = 0;
        put_count(grid, "Pid", 0, PST_SORT_PID, i, &column, child->head.owner);
        put_count(grid, "Gen", 9, PST_SORT_COUNT, i, &column, child->head.generation);
        put_age(grid, 7, i, &column, pst_view_age(snapshot, child->head.started));
        for (unsigned f = 0; f < sizeof(child_figures) / sizeof(child_figures[0]); f++) {
            pst_metric_e metric = child_figures[f].metric;

            put_figure(grid, metric, child_figures[f].rank, child_figures[f].sort, i, &column,
                       pst_child_figure(child, metric));
        }
        put_text(grid, "State", 0, PST_SORT_COUNT, i, &column, remark(board, child));
    }
    grid->row_count = count;
    grid->column_count = column;
    return rv;
}

apr_status_t poolstat_grid_connections(poolstat_grid_t *grid, const pst_snapshot_t *snapshot,
                                       pst_row_t *const *rows, unsigned count, apr_pool_t *pool)
{
    unsigned column = 0;
    apr_status_t rv = make(grid, count, pool);

    for (unsigned i = 0; rv == APR_SUCCESS && i < count; i++) {
        const pst_row_t *row = rows[i];
        const pst_shared_slot_t *slot = &row->slot;

        column = 0;
        put_count(grid, "Pid", 1, PST_SORT_PID, i, &column, row->pid);
        put_count(grid, "Id", 1, PST_SORT_COUNT, i, &column, slot->id);
        put_text(grid, "Kind", 8, PST_SORT_COUNT, i, &column, pst_kind_word(slot->kind));
        put_text(grid, "State", 4, PST_SORT_COUNT, i, &column, pst_state_word(slot->state));
        put_age(grid, 7, i, &column, pst_view_age(snapshot, slot->opened));
        put_figure(grid, PST_M_reserved_bytes, 0, PST_SORT_RESERVED, i, &column, slot->usage.reserved_bytes);
        put_figure(grid, PST_M_requests_reserved_bytes, 3, PST_SORT_COUNT, i, &column, slot->request.reserved_bytes);
        put_figure(grid, PST_M_used_bytes, 8, PST_SORT_USED, i, &column, row->used_bytes);
        put_figure(grid, PST_M_peak_bytes, 5, PST_SORT_PEAK, i, &column, slot->usage.peak_bytes);
        put_figure(grid, PST_M_bucket_bytes, 6, PST_SORT_BUCKETS, i, &column, slot->bucket_bytes);
        put_figure(grid, PST_M_pools, 9, PST_SORT_POOLS, i, &column, slot->usage.pools);
        put_figure(grid, PST_M_requests, 9, PST_SORT_REQUESTS, i, &column, slot->requests);
        put_text(grid, "Client", 2, PST_SORT_CLIENT, i, &column, slot->client);
        put_text(grid, "Vhost", 10, PST_SORT_COUNT, i, &column, slot->vhost);
        put_text(grid, "Request", 0, PST_SORT_COUNT, i, &column, slot->line);
    }
    grid->row_count = count;
    grid->column_count = column;
    return rv;
}

static unsigned widest(const poolstat_grid_t *grid, unsigned column)
{
    unsigned width = poolstat_columns(grid->columns[column].heading);

    for (unsigned i = 0; i < grid->row_count; i++) {
        unsigned w = poolstat_columns(grid->rows[i][column].text);

        width = w > width ? w : width;
    }
    return width;
}

/* Two blanks between columns. */
static unsigned total_width(const poolstat_grid_t *grid)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < grid->column_count; i++) {
        sum += grid->columns[i].width ? grid->columns[i].width + 2 : 0;
    }
    return sum ? sum - 2 : 0;
}

static poolstat_column_t *least_important(poolstat_grid_t *grid)
{
    poolstat_column_t *least = NULL;

    for (unsigned i = 0; i < grid->column_count; i++) {
        poolstat_column_t *c = &grid->columns[i];

        if (c->width && c->rank && (!least || c->rank >= least->rank)) {
            least = c;
        }
    }
    return least;
}

void poolstat_grid_fit(poolstat_grid_t *grid, unsigned width)
{
    poolstat_column_t *last = grid->column_count ? &grid->columns[grid->column_count - 1] : NULL, *least;
    unsigned wanted, all;

    for (unsigned i = 0; i < grid->column_count; i++) {
        grid->columns[i].width = widest(grid, i);
    }
    if (!last || !width) {
        return;
    }
    wanted = last->width;
    last->width = wanted < LEAST_TEXT(width) ? wanted : LEAST_TEXT(width);
    while (total_width(grid) > width && (least = least_important(grid)) != NULL) {
        least->width = 0;
    }
    all = total_width(grid);
    if (all < width) {
        last->width += wanted - last->width < width - all ? wanted - last->width : width - all;
    }
    else if (all > width && last->width) {
        last->width = all - width < last->width ? last->width - (all - width) : 1;
    }
}

static char *line(const poolstat_grid_t *grid, const poolstat_cell_t *cells, char *to, apr_size_t size)
{
    apr_size_t n = 0;
    int begun = 0;

    to[0] = '\0';
    for (unsigned i = 0; i < grid->column_count; i++) {
        const poolstat_column_t *c = &grid->columns[i];

        if (!c->width || n + 3 >= size) {
            continue;
        }
        if (begun) {
            memcpy(to + n, "  ", 3);
            n += 2;
        }
        n += poolstat_fit(to + n, size - n, cells ? cells[i].text : c->heading, c->width, !c->is_text);
        begun = 1;
    }
    while (n && to[n - 1] == ' ') {
        to[--n] = '\0';
    }
    return to;
}

char *poolstat_grid_heading(const poolstat_grid_t *grid, char *to, apr_size_t size)
{
    return line(grid, NULL, to, size);
}

char *poolstat_grid_row(const poolstat_grid_t *grid, unsigned i, char *to, apr_size_t size)
{
    return line(grid, grid->rows[i], to, size);
}
