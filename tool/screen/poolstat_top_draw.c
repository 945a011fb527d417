/* SPDX-License-Identifier: Apache-2.0
 *
 * The screens of poolstat top.  All text passes poolstat_text(); nothing is written beyond a line's
 * end, whatever the terminal's size.
 */
#include "poolstat_top.h"
#include "pst_array.h"
#include "poolstat_chart.h"
#include "poolstat_heads.h"
#include "pst_format.h"
#include "pst_place.h"
#include "pst_trend.h"
#include "pst_view_tree.h"
#include "pst_snapshot_figures.h"

#include <apr_strings.h>
#include <ncurses.h>
#include <string.h>

#define LINE 4096
#define SPARK_LEAST 14          /* columns of the small charts next to children */
#define SPARK_MOST  24
#define FACT_LINES  3           /* the most that a long text takes */
#define CHART_ROWS 6
#define CLASSES 5

/* A line, cut at the right edge; lines below the screen are dropped. */
static void put_line(int y, const char *text, attr_t how)
{
    char cut[LINE];

    if (y < 0 || y >= LINES || COLS < 1) {
        return;
    }
    poolstat_fit(cut, sizeof(cut), text, (unsigned)COLS, 0);
    attrset(how);
    mvaddstr(y, 0, cut);
    attrset(A_NORMAL);
}

/* The same in several lines, at most that many. @return the line after it */
static int put_lines(int y, const char *text, attr_t how, int most)
{
    char cut[LINE];

    for (int i = 0; i < most && poolstat_line(cut, sizeof(cut), &text, (unsigned)COLS); i++) {
        put_line(y++, cut, how);
    }
    return y;
}

static unsigned spark_columns(void)
{
    unsigned columns = COLS / 5;

    if (columns < SPARK_LEAST) {
        return SPARK_LEAST;
    }
    return columns < SPARK_MOST ? columns : SPARK_MOST;
}

/* `held` of a child over its record, oldest first. @return how many, at most `room` */
static unsigned history_of(const top_t *top, const pst_child_row_t *child, apr_uint64_t *values, unsigned room)
{
    const pst_board_t *board = &top->session.board.board;
    pst_history_t history;
    unsigned count;

    if (!board->history_size) {
        return 0;
    }
    pst_history_room(&history, board, top->drawing);
    if (!pst_history_find(&history.about, board, child->head.owner) || !pst_history_read(&history, board)) {
        return 0;
    }
    count = history.fine_count < room ? history.fine_count : room;
    for (unsigned i = 0; i < count; i++) {
        values[i] = history.fine[history.fine_count - count + i].held;
    }
    return count;
}

static void put_spark(const top_t *top, int y, const pst_child_row_t *child, attr_t how)
{
    apr_uint64_t values[10 * SPARK_MOST];
    poolstat_series_t series;
    char text[3 * SPARK_MOST + 1];
    unsigned columns = spark_columns();

    poolstat_series(&series, values, history_of(top, child, values, 10 * columns), columns, 1);
    attrset(how);
    mvaddstr(y, COLS - (int)columns, poolstat_chart_row(text, &series, 0, 1, top->utf8));
    attrset(A_NORMAL);
}

/* A chart with its bounds next to it. @return the line after it */
static int put_chart(const top_t *top, int y, const char *title, const apr_uint64_t *values, unsigned count)
{
    unsigned columns = COLS > 24 ? (unsigned)COLS - 14 : 10;
    poolstat_series_t series;
    char row[3 * 256 + 1], text[LINE], size[PST_FORMAT_LEN];

    put_line(y++, title, A_BOLD);
    if (!count) {
        put_line(y, "  nothing recorded", A_DIM);
        return y + 1;
    }
    poolstat_series(&series, values, count, columns, 1);
    for (unsigned i = CHART_ROWS; i-- > 0; y++) {
        int is_edge = i == CHART_ROWS - 1 || i == 0;

        apr_snprintf(text, sizeof(text), "%10s %c %s",
                     is_edge ? pst_format_size(size, i ? series.high : series.low) : "", '|',
                     poolstat_chart_row(row, &series, i, CHART_ROWS, top->utf8));
        put_line(y, text, A_NORMAL);
    }
    return y;
}

/* The parts of `held` as a bar, each with its own letter; a part that exists is at least one letter wide. */
static int put_bar(int y, const pst_child_row_t *child)
{
    static const struct { char letter; pst_metric_e metric; } parts[] = {
        { 'P', PST_M_process_reserved_bytes }, { 'C', PST_M_connections_reserved_bytes },
        { 'R', PST_M_requests_reserved_bytes }, { 'B', PST_M_child_bucket_bytes }, { 'F', PST_M_child_retained_bytes }
    };
    char bar[LINE], text[LINE], size[PST_FORMAT_LEN];
    unsigned width = COLS > 20 && COLS < LINE - 2 ? (unsigned)COLS - 2 : 20, at = 0;
    apr_size_t n = 0;
    double all = 0;

    for (unsigned i = 0; i < PST_ITEMS(parts); i++) {
        all += (double)pst_known(pst_child_figure(child, parts[i].metric));
    }
    text[0] = '\0';
    for (unsigned i = 0; i < PST_ITEMS(parts); i++) {
        apr_uint64_t value = pst_child_figure(child, parts[i].metric);
        unsigned wide = all > 0 ? (unsigned)((double)pst_known(value) / all * width) : 0;

        for (wide += pst_known(value) && !wide; wide && at < width; wide--) {
            bar[at++] = parts[i].letter;
        }
        n += (apr_size_t)apr_snprintf(text + n, sizeof(text) - n, "%s%c", i ? "   " : "", parts[i].letter);
        apr_snprintf(text + n, sizeof(text) - n, " %s %s", pst_metrics[parts[i].metric].label,
                     pst_format_size(size, value));
        n += poolstat_tie(text + n);
    }
    bar[at] = '\0';
    put_line(y++, bar, A_REVERSE);
    return put_lines(y, text, A_NORMAL, LINES / 3);
}

/* Choose the visible rows of a list, around the selected one. */
static void scroll_to(top_t *top, int which, unsigned rows, unsigned count)
{
    unsigned *first = &top->first[which], selected = top->selected[which];

    top->rows = rows;
    if (selected < *first) {
        *first = selected;
    }
    if (rows && selected >= *first + rows) {
        *first = selected - rows + 1;
    }
    if (*first && *first + rows > count) {
        *first = count > rows ? count - rows : 0;
    }
}

/* Highlight what is marked in a row on the screen. */
static void put_marks(int y, const poolstat_grid_t *grid, unsigned row, attr_t how)
{
    unsigned x = 0;

    for (unsigned i = 0; i < grid->column_count && y >= 0 && y < LINES; i++) {
        const poolstat_column_t *c = &grid->columns[i];

        if (c->width && grid->rows[row][i].mark && x < (unsigned)COLS) {
            mvchgat(y, (int)x, (int)c->width, how | A_BOLD, (short)grid->rows[row][i].mark, NULL);
        }
        x += c->width ? c->width + 2 : 0;
    }
}

/* A grid with its headings; the heading that rows are sorted by is highlighted, and so is the selected row. */
static int put_grid(const top_t *top, int y, poolstat_grid_t *grid, unsigned selected, unsigned width)
{
    char text[LINE];

    poolstat_grid_fit(grid, width);
    put_line(y, poolstat_grid_heading(grid, text, sizeof(text)), A_BOLD | A_UNDERLINE);
    for (unsigned i = 0, x = 0; i < grid->column_count; i++) {
        const poolstat_column_t *c = &grid->columns[i];

        if (c->width && c->sort == top->session.given.filter.sort && x < (unsigned)COLS) {
            mvchgat(y, (int)x, (int)c->width, A_REVERSE, 0, NULL);
        }
        x += c->width ? c->width + 2 : 0;
    }
    y++;
    for (unsigned i = 0; i < grid->row_count; i++, y++) {
        put_line(y, poolstat_grid_row(grid, i, text, sizeof(text)), i == selected ? A_REVERSE : A_NORMAL);
        put_marks(y, grid, i, i == selected ? A_REVERSE : A_NORMAL);
    }
    return y;
}

/* At most a third of the screen, followed by an empty line. @return where the rest begins */
static int draw_heads(const top_t *top)
{
    char text[LINE];
    const pst_snapshot_t *snapshot = &top->session.snapshot;
    int most = LINES / 3, y;

    y = put_lines(0, poolstat_head_server(text, sizeof(text), snapshot, &top->session.board), A_BOLD, most);
    y = put_lines(y, poolstat_head_sums(text, sizeof(text), snapshot), A_NORMAL, most - y);
    y = put_lines(y, poolstat_head_counts(text, sizeof(text), snapshot), A_NORMAL, most - y);
    if (snapshot->findings->count) {
        poolstat_head_findings(text, sizeof(text), snapshot->findings, "d tells more");
        y = put_lines(y, text, A_BOLD | COLOR_PAIR(poolstat_mark_of(snapshot->findings->findings[0].severity)),
                      most - y);
    }
    return y + 1;
}

static void draw_children(top_t *top)
{
    const pst_snapshot_t *snapshot = &top->session.snapshot;
    int y = draw_heads(top), has_sparks = COLS >= 60;
    unsigned rows = LINES > y + 3 ? (unsigned)(LINES - y - 3) : 0;
    poolstat_grid_t grid;

    scroll_to(top, 0, rows, snapshot->child_count);
    poolstat_grid_children(&grid, snapshot, &top->session.board, top->first[0], rows, top->drawing);
    put_grid(top, y, &grid, top->selected[0] - top->first[0], (unsigned)COLS - (has_sparks ? spark_columns() + 2 : 0));
    if (has_sparks) {
        char title[64];

        apr_snprintf(title, sizeof(title), "%s, recorded", pst_metrics[PST_M_held_bytes].label);
        mvaddnstr(y, COLS - (int)spark_columns(), title, (int)spark_columns());
        for (unsigned i = 0; i < grid.row_count; i++) {
            put_spark(top, y + 1 + (int)i, &snapshot->children[top->first[0] + i], A_NORMAL);
        }
    }
}

/* The classes that reserve most. @return the line after them */
static int put_classes(const top_t *top, int y, const pst_child_row_t *child)
{
    char text[LINE], size[PST_FORMAT_LEN], place_text[PST_PLACE_LEN], where[POOLSTAT_TEXT], tag[POOLSTAT_TEXT];

    put_line(y++, "Largest classes of pools", A_BOLD);
    for (unsigned i = 0; i < child->class_count && i < CLASSES; i++) {
        const pst_class_row_t *class = &child->classes[i];
        pst_place_t place = { .module = NULL };

        if (class->row.creator) {
            pst_place_of(&place, &top->session.snapshot, class->row.creator);
            if (!place.function && class->row.function[0]) {
                place.function = class->row.function;
            }
        }
        apr_snprintf(text, sizeof(text), "%10s %8" APR_UINT64_T_FMT "  %-24s %s",
                     pst_format_size(size, class->row.class_reserved_bytes), class->pools,
                     poolstat_text(tag, sizeof(tag), class->row.tag[0] ? class->row.tag : "(no tag)"),
                     class->row.creator ? poolstat_text(where, sizeof(where), pst_place_text(place_text, &place)) : "");
        put_line(y++, text, A_NORMAL);
    }
    return y + 1;
}

/* @return to, or a word */
static const char *process_verdict(char *to, apr_size_t size, const pst_child_row_t *child)
{
    return *poolstat_growth(to, size, &child->head.verdict) ? to : pst_trend_word(child->head.verdict.state);
}

static void draw_child(top_t *top)
{
    const pst_snapshot_t *snapshot = &top->session.snapshot;
    const pst_child_row_t *child = top_child(top);
    char text[LINE], age[PST_FORMAT_LEN], reason[POOLSTAT_TEXT], growth[64];
    const char *state;
    apr_uint64_t values[1024];
    poolstat_grid_t grid;
    unsigned rows;
    int y = 0;

    if (!child) {
        apr_snprintf(text, sizeof(text), "Child %u is gone.", (unsigned)top->pid);
        put_line(0, text, A_BOLD);
        return;
    }
    state = poolstat_state(&top->session.board, &child->head);
    apr_snprintf(text, sizeof(text), "Child %u, generation %u, age %s; process scope: %s; %s%s%s %s",
                 (unsigned)child->head.owner, (unsigned)child->head.generation,
                 pst_format_age(age, pst_view_age(snapshot, child->head.started)),
                 process_verdict(growth, sizeof(growth), child), state, *state ? "; " : "",
                 pst_level_word(child->head.level), poolstat_text(reason, sizeof(reason), child->head.reason));
    y = put_lines(y, text, A_BOLD, LINES / 4 + 1);
    y = put_bar(y, child) + 1;
    if (LINES >= 24) {
        char title[64];

        apr_snprintf(title, sizeof(title), "%s, as recorded", pst_metrics[PST_M_held_bytes].label);
        y = put_chart(top, y, title, values, history_of(top, child, values, 1024)) + 1;
    }
    if (LINES >= 34) {
        y = put_classes(top, y, child);
    }
    rows = LINES > y + 3 ? (unsigned)(LINES - y - 3) : 0;
    scroll_to(top, 1, rows, child->shown);
    if (!child->shown) {
        put_line(y, "No connections.", A_DIM);
        return;
    }
    rows = child->shown - top->first[1] < rows ? child->shown - top->first[1] : rows;
    poolstat_grid_connections(&grid, snapshot, snapshot->rows + child->first + top->first[1], rows, top->drawing);
    put_grid(top, y, &grid, top->selected[1] - top->first[1], (unsigned)COLS);
}

/* "Label: text", the text escaped, in at most as many lines as a fact may take. @return the next line */
static int put_fact(int y, const char *label, const char *text)
{
    char line[LINE], part[POOLSTAT_TEXT], safe[POOLSTAT_TEXT];
    const char *left = poolstat_text(safe, sizeof(safe), text);
    unsigned columns = COLS > 24 ? (unsigned)COLS - 13 : 12;

    for (int i = 0; i < FACT_LINES && (poolstat_line(part, sizeof(part), &left, columns) || !i); i++) {
        apr_snprintf(line, sizeof(line), "%-12s %s", i ? "" : label, part);
        put_line(y++, line, A_NORMAL);
    }
    return y;
}

static char *format_figure(char *to, pst_metric_e metric, apr_uint64_t value)
{
    return pst_metrics[metric].unit == PST_BYTES ? pst_format_size(to, value) : pst_format_count(to, value);
}

/* The figures of a connection, next to those of its request. */
static int put_figures(int y, const pst_row_t *row)
{
    char text[LINE], whole[PST_FORMAT_LEN], request[PST_FORMAT_LEN];

    apr_snprintf(text, sizeof(text), "%-12s %14s %14s", "", "connection", row->slot.has_request ? "request" : "");
    put_line(y++, text, A_BOLD);
    for (unsigned i = 0; i < pst_row_metrics.count; i++) {
        pst_metric_e metric = pst_row_metrics.metrics[i];
        int both = 0;

        for (unsigned u = 0; u < pst_usage_metrics.count; u++) {
            both |= row->slot.has_request && pst_usage_metrics.metrics[u] == metric;
        }
        apr_snprintf(text, sizeof(text), "%-12s %14s %14s", pst_metrics[metric].label,
                     format_figure(whole, metric, pst_row_figure(row, metric)),
                     both ? format_figure(request, metric, pst_request_figure(row, metric)) : "");
        put_line(y++, text, A_NORMAL);
    }
    return y;
}

static void draw_connection(const top_t *top)
{
    const pst_snapshot_t *snapshot = &top->session.snapshot;
    const pst_row_t *row = top_connection(top);
    const pst_shared_slot_t *slot;
    char text[LINE], age[PST_FORMAT_LEN];
    int y = 0;

    if (!row) {
        apr_snprintf(text, sizeof(text), "Connection %" APR_UINT64_T_FMT " of child %u is gone.", top->id,
                     (unsigned)top->pid);
        put_line(0, text, A_BOLD);
        return;
    }
    slot = &row->slot;
    apr_snprintf(text, sizeof(text), "Connection %" APR_UINT64_T_FMT " of child %u: %s, %s, age %s", slot->id,
                 (unsigned)row->pid, pst_kind_word(slot->kind), pst_state_word(slot->state),
                 pst_format_age(age, pst_view_age(snapshot, slot->opened)));
    y = put_lines(y, text, A_BOLD, FACT_LINES);
    y = put_fact(y, "Client", slot->client);
    y = put_fact(y, "Vhost", slot->vhost);
    y = put_fact(y, "Protocol", slot->protocol);
    y = put_fact(y, "Request", slot->has_request ? slot->line : "(none)");
    if (slot->has_request) {
        y = put_fact(y, "Handler", slot->handler);
        y = put_fact(y, "Age", pst_format_age(age, pst_view_age(snapshot, slot->request_started)));
    }
    poolstat_growth(text, sizeof(text), &slot->verdict);
    y = put_fact(y, "Growth", *text ? text : pst_trend_word(slot->verdict.state)) + 1;
    y = put_figures(y, row) + 1;
    if (LINES >= y + CHART_ROWS + 3) {
        apr_snprintf(text, sizeof(text), "%s, as seen here", pst_metrics[PST_M_reserved_bytes].label);
        put_chart(top, y, text, top->seen, top->seen_count);
    }
}

/* A page of the text: as much as fits the screen. There may be fewer findings by now. */
static void draw_text(top_t *top)
{
    static top_page_t text;
    unsigned rows = LINES > 4 ? (unsigned)LINES - 3 : 1, first;

    if (top->text == TOP_HELP) {
        top_help(&text, (unsigned)COLS);
    }
    else {
        top_findings(&text, &top->session.snapshot, (unsigned)COLS);
    }
    top->pages = (text.count + rows - 1) / rows;
    top->page = top->page < top->pages ? top->page : top->pages;
    first = (top->page - 1) * rows;
    put_line(0, top->text == TOP_HELP ? "poolstat top" : "Findings", A_BOLD);
    for (unsigned i = 0; i < rows && first + i < text.count; i++) {
        put_line((int)i + 1, text.lines[first + i], A_NORMAL);
    }
    apr_snprintf(top->message, sizeof(top->message), top->page < top->pages ? "Page %u of %u; any key goes on."
                 : "Any key goes back.", top->page, top->pages);
}

/* What keys do here, the most useful first: as many as fit, none cut. */
static void put_keys(int y, const char *const *keys)
{
    char text[LINE] = "";
    apr_size_t n = 0;

    for (unsigned i = 0; keys[i] && (!i || n + 2 + strlen(keys[i]) <= (apr_size_t)COLS); i++) {
        n += (apr_size_t)apr_snprintf(text + n, sizeof(text) - n, "%s%s", i ? "  " : "", keys[i]);
    }
    put_line(y, text, A_REVERSE);
}

/* The message, in the lines above the keys: the reason is at its end, after a name of any length. */
static void put_message(const char *text)
{
    char line[LINE];
    const char *left = text;
    int count = 0, most = LINES / 2;

    while (count < most && poolstat_line(line, sizeof(line), &left, (unsigned)COLS)) {
        count++;
    }
    put_lines(LINES - 1 - count, text, A_BOLD, count);
}

static void draw_bottom(const top_t *top)
{
    static const char *const keys[][8] = {
        [TOP_CHILDREN] = { "? help", "q quit", "Enter child", "sort: r u p o b t e a c i", "d doctor", "space pause",
                           "+ - interval", NULL },
        [TOP_CHILD] = { "? help", "q quit", "Enter connection", "Esc back", "sort: r u p o b t e a c i", "d doctor",
                        "space pause", NULL },
        [TOP_CONNECTION] = { "? help", "q quit", "Esc back", "d doctor", "space pause", "+ - interval", NULL }
    };
    static const char *const text_keys[] = { "q quit", NULL };

    if (LINES > 2) {
        const char *state = top->paused ? "paused" : "";

        put_message(top->message[0] ? top->message : state);
    }
    put_keys(LINES - 1, top->text ? text_keys : keys[top->screen]);
}

void top_draw(top_t *top)
{
    apr_pool_clear(top->drawing);
    erase();
    if (top->text) {
        draw_text(top);
    }
    else if (top->screen == TOP_CHILDREN) {
        draw_children(top);
    }
    else if (top->screen == TOP_CHILD) {
        draw_child(top);
    }
    else {
        draw_connection(top);
    }
    draw_bottom(top);
    refresh();
}
