/* SPDX-License-Identifier: Apache-2.0
 *
 * See poolstat_grid.h.
 */
#include "poolstat_grid.h"
#include "pst_array.h"
#include "pst_format.h"
#include "pst_trend.h"
#include "pst_view_tree.h"
#include "pst_snapshot_figures.h"
#include "pst_snapshot_urls.h"

#include <apr_strings.h>
#include <string.h>

/* The last column is a text, which takes the remaining width, and at least this part of it: request lines tell most. */
#define LEAST_TEXT(width) ((width) / 4 > 12 ? (width) / 4 : 12)
#define RANK_LAST 12

static poolstat_cell_t *cell(poolstat_grid_t *grid, const char *heading, int is_text, int rank, pst_sort_e sort,
                             unsigned row, unsigned *column)
{
    poolstat_column_t *c = &grid->columns[*column];

    apr_cpystrn(c->heading, heading, sizeof(c->heading));
    c->is_text = is_text;
    c->rank = rank > 1 && sort == grid->sort && sort != PST_SORT_RESERVED ? 1 : rank;   /* sorted by that by default */
    c->sort = sort;
    return &grid->rows[row][(*column)++];
}

static poolstat_cell_t *put_text(poolstat_grid_t *grid, const char *heading, int rank, pst_sort_e sort, unsigned row,
                                 unsigned *column, const char *text)
{
    poolstat_cell_t *to = cell(grid, heading, 1, rank, sort, row, column);

    poolstat_text(to->text, POOLSTAT_CELL, text);
    return to;
}

static void put_count(poolstat_grid_t *grid, const char *heading, int rank, pst_sort_e sort, unsigned row,
                      unsigned *column, apr_uint64_t value)
{
    pst_format_digits(cell(grid, heading, 0, rank, sort, row, column)->text, value);
}

/* As everywhere, but compact: "3 min 05 s" is "3m05s", "5 d 3 h" is "5d3h". */
static void put_age(poolstat_grid_t *grid, int rank, unsigned row, unsigned *column, apr_uint64_t usec)
{
    char *to = cell(grid, "Age", 0, rank, PST_SORT_AGE, row, column)->text, age[PST_FORMAT_LEN];

    pst_format_age(age, usec);
    for (const char *from = age; *from; from++) {
        if (!strchr(" in", *from)) {
            *to++ = *from;
        }
    }
    *to = '\0';
}

/* A figure of the metric table, which has its heading and its format. */
static void put_grid_figure(poolstat_grid_t *grid, pst_metric_e metric, int rank, pst_sort_e sort, unsigned row,
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

static void make(poolstat_grid_t *grid, unsigned rows, pst_sort_e sort, apr_pool_t *pool)
{
    memset(grid, 0, sizeof(*grid));
    grid->sort = sort;
    grid->rows = apr_pcalloc(pool, (rows + 1) * sizeof(*grid->rows));
}

char *poolstat_growth(char *to, apr_size_t size, const pst_shared_verdict_t *verdict)
{
    float rate = verdict->per_minute;
    char text[PST_FORMAT_LEN];

    if (verdict->state == PST_TREND_GROWING) {
        apr_snprintf(to, size, "+%s/min", pst_format_size(text, rate > 0 && rate < 1e18f ? (apr_uint64_t)rate : 0));
    }
    else {
        apr_cpystrn(to, verdict->state == PST_TREND_LITTLE ? "" : pst_trend_word(verdict->state), size);
    }
    return to;
}

/* How fast its connections, or their requests, grow: the shown ones added up. */
static pst_shared_verdict_t connections_verdict(const pst_snapshot_t *snapshot, const pst_child_row_t *child)
{
    pst_shared_verdict_t sum = { .state = PST_TREND_LITTLE };

    for (apr_uint32_t i = 0; i < child->shown; i++) {
        const pst_shared_verdict_t *verdict = &snapshot->rows[child->first + i]->slot.verdict;

        if (verdict->state == PST_TREND_GROWING) {
            sum.state = PST_TREND_GROWING;
            sum.per_minute += verdict->per_minute;
        }
    }
    return sum;
}

/* What grows in a child outside of pools, and the word for it. @return NULL: nothing */
static const pst_shared_verdict_t *outside_verdict(const pst_child_row_t *child, const char **what)
{
    const pst_shared_child_t *head = &child->head;
    const struct {
        const pst_shared_verdict_t *of;
        const char *word;
    } parts[] = {
        { &head->heap_verdict, "heap " }, { &head->mapped_verdict, "mapped " }, { &head->stack_verdict, "stacks " }
    };

    for (unsigned i = 0; i < PST_ITEMS(parts); i++) {
        if (parts[i].of->state == PST_TREND_GROWING) {
            *what = parts[i].word;
            return parts[i].of;
        }
    }
    return NULL;
}

/* What grows: the process scope (only the child's end frees it), else memory outside of pools, else connections. */
static void put_growth(poolstat_grid_t *grid, int rank, unsigned row, unsigned *column, const pst_snapshot_t *snapshot,
                       const pst_child_row_t *child)
{
    const pst_shared_verdict_t *of = &child->head.verdict;
    pst_shared_verdict_t connections;
    const char *what = "", *where = "";
    const pst_shared_verdict_t *outside = outside_verdict(child, &where);
    char rate[48], text[64];

    if (of->state != PST_TREND_GROWING && outside) {
        of = outside;
        what = where;
    }
    else if (of->state != PST_TREND_GROWING) {
        connections = connections_verdict(snapshot, child);
        if (connections.state == PST_TREND_GROWING) {
            of = &connections;
            what = "conn. ";
        }
    }
    apr_snprintf(text, sizeof(text), "%s%s", what, poolstat_growth(rate, sizeof(rate), of));
    put_text(grid, "Growth", rank, PST_SORT_COUNT, row, column, text)->mark =
        of->state == PST_TREND_GROWING ? POOLSTAT_MARKED : POOLSTAT_PLAIN;
}

static void put_state(poolstat_grid_t *grid, unsigned row, unsigned *column, const poolstat_board_t *board,
                      const pst_child_row_t *child)
{
    const char *state = poolstat_state(board, &child->head);
    poolstat_mark_e mark = *state && child->head.ended_how != PST_END_ORDERLY ? POOLSTAT_BAD : POOLSTAT_PLAIN;

    if (!*state) {
        mark = child->head.level == PST_LEVEL_FULL ? POOLSTAT_PLAIN : POOLSTAT_MARKED;
        state = mark ? pst_level_word(child->head.level) : "runs";
    }
    put_text(grid, "State", 0, PST_SORT_COUNT, row, column, state)->mark = mark;
}

/* The figures, how important they are, and the sort order each one belongs to. */
static const struct {
    pst_metric_e metric;
    int rank;
    pst_sort_e sort;
} child_figures[] = {
    { PST_M_rss_bytes, 5, PST_SORT_COUNT },
    { PST_M_pss_bytes, 2, PST_SORT_COUNT },
    { PST_M_held_bytes, 0, PST_SORT_COUNT },
    { PST_M_child_retained_bytes, 2, PST_SORT_RETAINED },
    { PST_M_reserved_bytes, 6, PST_SORT_RESERVED },
    { PST_M_process_reserved_bytes, 7, PST_SORT_COUNT },
    { PST_M_connections_reserved_bytes, 8, PST_SORT_COUNT },
    { PST_M_requests_reserved_bytes, 8, PST_SORT_COUNT },
    { PST_M_child_bucket_bytes, 10, PST_SORT_BUCKETS },
    { PST_M_child_peak_bytes, 9, PST_SORT_PEAK },
    { PST_M_pools, 11, PST_SORT_POOLS },
    { PST_M_connections_open, 4, PST_SORT_COUNT },
    { PST_M_requests_finished, 10, PST_SORT_REQUESTS }
};

void poolstat_grid_children(poolstat_grid_t *grid, const pst_snapshot_t *snapshot,
                            const poolstat_board_t *board, unsigned from, unsigned limit, apr_pool_t *pool)
{
    unsigned count = from < snapshot->child_count ? snapshot->child_count - from : 0, column = 0;

    count = count < limit ? count : limit;
    make(grid, count, snapshot->sort, pool);
    for (unsigned i = 0; i < count; i++) {
        const pst_child_row_t *child = &snapshot->children[from + i];

        column = 0;
        put_count(grid, "Pid", 0, PST_SORT_PID, i, &column, child->head.owner);
        put_count(grid, "Gen", 12, PST_SORT_COUNT, i, &column, child->head.generation);
        put_age(grid, 3, i, &column, pst_view_age(snapshot, child->head.started));
        for (unsigned f = 0; f < PST_ITEMS(child_figures); f++) {
            pst_metric_e metric = child_figures[f].metric;

            put_grid_figure(grid, metric, child_figures[f].rank, child_figures[f].sort, i, &column,
                            pst_child_figure(child, metric));
        }
        put_growth(grid, 1, i, &column, snapshot, child);
        put_state(grid, i, &column, board, child);
    }
    grid->row_count = count;
    grid->column_count = column;
}

void poolstat_grid_connections(poolstat_grid_t *grid, const pst_snapshot_t *snapshot,
                               pst_row_t *const *rows, unsigned count, apr_pool_t *pool)
{
    unsigned column = 0;
    int growth_rank = RANK_LAST;
    char text[64];

    make(grid, count, snapshot->sort, pool);
    for (unsigned i = 0; i < count; i++) {
        growth_rank = rows[i]->slot.verdict.state == PST_TREND_GROWING ? 1 : growth_rank;
    }
    for (unsigned i = 0; i < count; i++) {
        const pst_row_t *row = rows[i];
        const pst_shared_slot_t *slot = &row->slot;

        column = 0;
        put_count(grid, "Pid", 1, PST_SORT_PID, i, &column, row->pid);
        put_count(grid, "Id", 1, PST_SORT_COUNT, i, &column, slot->id);
        put_text(grid, "Kind", 8, PST_SORT_COUNT, i, &column, pst_kind_word(slot->kind));
        put_text(grid, "State", 4, PST_SORT_COUNT, i, &column, pst_state_word(slot->state));
        put_age(grid, 7, i, &column, pst_view_age(snapshot, slot->opened));
        put_grid_figure(grid, PST_M_reserved_bytes, 0, PST_SORT_RESERVED, i, &column, slot->usage.reserved_bytes);
        put_grid_figure(grid, PST_M_requests_reserved_bytes, 3, PST_SORT_COUNT, i, &column,
                        slot->request.reserved_bytes);
        put_grid_figure(grid, PST_M_used_bytes, 8, PST_SORT_USED, i, &column, row->used_bytes);
        put_grid_figure(grid, PST_M_peak_bytes, 5, PST_SORT_PEAK, i, &column, slot->usage.peak_bytes);
        put_grid_figure(grid, PST_M_bucket_bytes, 6, PST_SORT_BUCKETS, i, &column, slot->bucket_bytes);
        put_grid_figure(grid, PST_M_retained_bytes, 9, PST_SORT_RETAINED, i, &column, slot->retained_bytes);
        put_grid_figure(grid, PST_M_pools, 9, PST_SORT_POOLS, i, &column, slot->usage.pools);
        put_grid_figure(grid, PST_M_requests, 9, PST_SORT_REQUESTS, i, &column, slot->requests);
        put_text(grid, "Growth", growth_rank, PST_SORT_COUNT, i, &column,
                 poolstat_growth(text, sizeof(text), &slot->verdict))
            ->mark = slot->verdict.state == PST_TREND_GROWING ? POOLSTAT_MARKED : POOLSTAT_PLAIN;
        put_text(grid, "Client", 2, PST_SORT_CLIENT, i, &column, slot->client);
        put_text(grid, "Vhost", 10, PST_SORT_COUNT, i, &column, slot->vhost);
        put_text(grid, "Request", 0, PST_SORT_COUNT, i, &column, slot->line);
    }
    grid->row_count = count;
    grid->column_count = column;
}

/* Figures of the metric table and their importance: readers look for the request. */
static const struct {
    pst_metric_e metric;
    int rank;
} url_figures[] = {
    { PST_M_url_requests, 0 }, { PST_M_url_sum_bytes, 1 }, { PST_M_url_mean_bytes, 0 }, { PST_M_url_largest_bytes, 2 },
    { PST_M_url_sampled_bytes, 3 }, { PST_M_url_script_mean_bytes, 5 }, { PST_M_url_script_largest_bytes, 4 },
    { PST_M_url_missed_bytes, 7 }
};

void poolstat_grid_urls(poolstat_grid_t *grid, const pst_snapshot_t *snapshot, unsigned limit, apr_pool_t *pool)
{
    const pst_urls_t *urls = &snapshot->urls;
    unsigned count = urls->count ? urls->count - 1 : 0, column = 0;

    count = count < limit ? count : limit;
    make(grid, count, PST_SORT_COUNT, pool);
    for (unsigned i = 0; i < count; i++) {
        const pst_shared_url_t *row = &urls->urls[i + 1];

        column = 0;
        for (unsigned f = 0; f < PST_ITEMS(url_figures); f++) {
            put_grid_figure(grid, url_figures[f].metric, url_figures[f].rank, PST_SORT_COUNT, i, &column,
                            pst_url_figure(snapshot, row, url_figures[f].metric));
        }
        put_text(grid, "Handler", 8, PST_SORT_COUNT, i, &column, row->handler);
        put_text(grid, "Vhost", 6, PST_SORT_COUNT, i, &column, row->vhost);
        put_text(grid, "Path", 0, PST_SORT_COUNT, i, &column, row->path);
    }
    grid->row_count = count;
    grid->column_count = column;
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

void poolstat_grid_fit(poolstat_grid_t *grid, unsigned width)
{
    poolstat_column_t *last = grid->column_count ? &grid->columns[grid->column_count - 1] : NULL;
    unsigned wanted[POOLSTAT_GRID_COLUMNS], all;

    for (unsigned i = 0; i < grid->column_count; i++) {
        wanted[i] = widest(grid, i);
        grid->columns[i].width = !width || !grid->columns[i].rank ? wanted[i] : 0;
    }
    if (!last || !width) {
        return;
    }
    last->width = last->width < LEAST_TEXT(width) ? last->width : LEAST_TEXT(width);
    for (int rank = 1; rank <= RANK_LAST; rank++) {
        for (unsigned i = 0; i < grid->column_count; i++) {
            poolstat_column_t *c = &grid->columns[i];

            if (c->rank == rank && total_width(grid) + wanted[i] + 2 <= width) {
                c->width = wanted[i];
            }
        }
    }
    all = total_width(grid);
    if (all < width) {
        unsigned more = wanted[grid->column_count - 1] - last->width;

        last->width += more < width - all ? more : width - all;
    }
    else if (all > width && last->width) {
        last->width = all - width < last->width ? last->width - (all - width) : 1;
    }
}

/* A text, marked; its padding is not. @return bytes written */
static apr_size_t put_marked(char *to, apr_size_t size, const poolstat_cell_t *from, const poolstat_column_t *column)
{
    char text[POOLSTAT_CELL * 2];
    apr_size_t len = poolstat_fit(text, sizeof(text), from->text, column->width, !column->is_text), trimmed = len, n;

    while (trimmed && text[trimmed - 1] == ' ') {
        trimmed--;
    }
    n = (apr_size_t)apr_snprintf(to, size, "%s%.*s%s", poolstat_mark_on(from->mark), (int)trimmed, text,
                                 poolstat_mark_off(from->mark));
    return n + (apr_size_t)apr_snprintf(to + n, size - n, "%*s", (int)(len - trimmed), "");
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
        n += cells && grid->colours && cells[i].mark
            ? put_marked(to + n, size - n, &cells[i], c)
            : poolstat_fit(to + n, size - n, cells ? cells[i].text : c->heading, c->width, !c->is_text);
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
