/* SPDX-License-Identifier: Apache-2.0
 *
 * The page.  See pst_view_page.h.  The markup is in web/page.html; this file has the order of the
 * sections, which figures get a column, and where links lead.
 * One function per section, in the order of the page: a new section is a new
 * function and a line in pst_view_page().
 */
#include <apr_strings.h>
#include "pst_format.h"
#include "pst_view_books.h"
#include "pst_view_doctor.h"
#include "pst_view_generations.h"
#include "pst_view_checks.h"
#include "pst_view_misuses.h"
#include "pst_view_losses.h"
#include "pst_view_relatives.h"
#include "pst_view_segments.h"
#include "pst_view_urls.h"
#include "pst_view_growth.h"
#include "pst_view_largest.h"
#include "pst_view_page.h"
#include "pst_view_heap.h"
#include "pst_view_holders.h"
#include "pst_view_places.h"
#include "pst_view_release.h"
#include "pst_view_tree.h"
#include "pst_piece.h"
#include "pst_web.h"
#include "pst_snapshot_figures.h"
#include "pst_array.h"

/* A column: its figure, and how to sort by it, or -1. */
typedef struct column_t {
    pst_metric_e metric;
    int sort;
} column_t;

static const pst_metric_e tiles[] = {
    PST_M_pss_bytes, PST_M_held_bytes, PST_M_reserved_bytes, PST_M_used_bytes, PST_M_slack_bytes, PST_M_pools,
    PST_M_children, PST_M_connections_open, PST_M_requests_finished
};

/* What held consists of: the law of conservation. */
static const pst_metric_e scopes[] = {
    PST_M_process_reserved_bytes, PST_M_connections_reserved_bytes, PST_M_requests_reserved_bytes,
    PST_M_child_bucket_bytes, PST_M_child_retained_bytes
};

static const column_t child_columns[] = {
    { PST_M_held_bytes, -1 }, { PST_M_reserved_bytes, PST_SORT_RESERVED }, { PST_M_used_bytes, PST_SORT_USED },
    { PST_M_slack_bytes, -1 }, { PST_M_process_reserved_bytes, -1 }, { PST_M_connections_reserved_bytes, -1 },
    { PST_M_requests_reserved_bytes, -1 }, { PST_M_child_bucket_bytes, PST_SORT_BUCKETS },
    { PST_M_child_retained_bytes, PST_SORT_RETAINED }, { PST_M_child_peak_bytes, PST_SORT_PEAK },
    { PST_M_pools, PST_SORT_POOLS }, { PST_M_connections_open, -1 }, { PST_M_requests_finished, PST_SORT_REQUESTS }
};

static const column_t row_columns[] = {
    { PST_M_reserved_bytes, PST_SORT_RESERVED }, { PST_M_used_bytes, PST_SORT_USED },
    { PST_M_slack_bytes, -1 }, { PST_M_peak_bytes, PST_SORT_PEAK }, { PST_M_pools, PST_SORT_POOLS },
    { PST_M_bucket_bytes, PST_SORT_BUCKETS }, { PST_M_retained_bytes, PST_SORT_RETAINED },
    { PST_M_requests, PST_SORT_REQUESTS }
};

static const pst_metric_e request_columns[] = {
    PST_M_reserved_bytes, PST_M_peak_bytes, PST_M_pools
};

/* connection, state and age, request, besides the figures */
#define ROW_COLUMNS (3 + PST_ITEMS(row_columns) + PST_ITEMS(request_columns))

/* ---- links: the same page with one thing changed ---- */

static const char *sort_link(const pst_page_t *page, pst_sort_e sort)
{
    pst_args_t args = *page->args;

    args.filter.sort = sort;
    args.from = args.children_from = 0;
    return pst_args_query(&args, page->pool);
}

static const char *refresh_link(const pst_page_t *page, apr_uint32_t seconds)
{
    pst_args_t args = *page->args;

    args.refresh = seconds;
    return pst_args_query(&args, page->pool);
}

/* ---- top ---- */

static void print_refresh(pst_emit_t *emit, const pst_page_t *page)
{
    static const apr_uint32_t choices[] = { 0, 2, 10, 60 };

    for (unsigned i = 0; i < PST_ITEMS(choices); i++) {
        int on = choices[i] == page->args->refresh;

        PIECE(emit, on ? &pst_web_refresh_on : &pst_web_refresh_off,
              TEXT("href", refresh_link(page, choices[i])),
              TEXT("label", choices[i] ? apr_psprintf(page->pool, "%u s", (unsigned)choices[i]) : "off"));
    }
}

static void print_top(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    const char *again = pst_args_query(page->args, page->pool);
    pst_args_t plain = *page->args;
    const char *text;
    char held[PST_FORMAT_LEN], time[PST_FORMAT_LEN];

    PIECE(emit, &pst_web_top, TEXT("held", pst_format_size(held, pst_total_figure(&snapshot->total, PST_M_held_bytes))),
          NUMBER("children", snapshot->total.children), TEXT("base", page->base),
          TEXT("server", snapshot->about.server), TEXT("mpm", snapshot->about.mpm),
          TEXT("module", snapshot->about.module), TEXT("time", pst_format_time(time, snapshot->taken)));
    print_refresh(emit, page);
    plain.refresh = 0;
    text = pst_args_query(&plain, page->pool);
    plain.rows = PST_ARGS_ROWS;
    plain.from = plain.children_from = 0;
    PIECE(emit, &pst_web_top_end, TEXT("again", again), TEXT("base", page->base),
          TEXT("text", text[1] ? apr_pstrcat(page->pool, "&", text + 1, NULL) : ""),
          TEXT("json", pst_args_query(&plain, page->pool)));
}

/* ---- notes: what a reader must know before believing the figures ---- */

static void print_notes(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    const pst_shared_child_t *worst = NULL;
    apr_uint32_t less = 0;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        const pst_shared_child_t *head = &snapshot->children[i].head;

        if (head->level != PST_LEVEL_FULL) {
            less++;
            worst = worst && worst->level <= head->level ? worst : head;
        }
    }
    if (worst) {
        PIECE(emit, &pst_web_note_level, NUMBER("count", less), NUMBER("children", snapshot->child_count),
              TEXT("level", pst_level_word(worst->level)), TEXT("reason", worst->reason),
              TEXT("meaning", worst->level == PST_LEVEL_HOOKS ? "exact where a hook runs, older between"
                                                              : "counts only: their bytes are not known"));
    }
    if (snapshot->total.unslotted_connections) {
        PIECE(emit, &pst_web_note_unslotted, NUMBER("count", snapshot->total.unslotted_connections));
    }
    if (snapshot->about.homeless) {
        PIECE(emit, &pst_web_note_homeless, NUMBER("count", snapshot->about.homeless));
    }
    if (snapshot->about.history_by == PST_HISTORY_BY_MONITOR) {
        pst_emit_piece(emit, &pst_web_note_monitor, NULL, 0);
    }
}

/* ---- total ---- */

static apr_uint64_t figure_of_child(const void *of, pst_metric_e metric)
{
    return pst_known(pst_child_figure(of, metric));
}

static apr_uint64_t figure_of_all(const void *of, pst_metric_e metric)
{
    return pst_known(pst_total_figure(of, metric));
}

/* A bar's segments, one per scope, on a scale where `whole` is all of it: each ends at the sum so far. */
static void print_segments(pst_emit_t *emit, apr_uint64_t (*figure)(const void *, pst_metric_e), const void *of,
                           apr_uint64_t whole)
{
    apr_uint64_t eighths = 0;
    unsigned x = 0;

    for (unsigned i = 0; i < PST_ITEMS(scopes); i++) {
        unsigned end;

        eighths += figure(of, scopes[i]) / 8;
        end = pst_permille(eighths, whole / 8);
        if (end > x) {
            PIECE(emit, &pst_web_segment, TEXT("key", pst_metrics[scopes[i]].key), NUMBER("x", x),
                  NUMBER("width", end - x));
        }
        x = end;
    }
}

static apr_uint64_t scopes_sum(apr_uint64_t (*figure)(const void *, pst_metric_e), const void *of)
{
    apr_uint64_t sum = 0;

    for (unsigned i = 0; i < PST_ITEMS(scopes); i++) {
        /* five figures of at most INT64_MAX: an eighth of each, and the sum cannot wrap */
        sum += figure(of, scopes[i]) / 8;
    }
    return sum > (apr_uint64_t)INT64_MAX / 8 ? (apr_uint64_t)INT64_MAX : sum * 8;
}

static void print_page_total(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_total_t *total = &page->snapshot->total;

    pst_emit_piece(emit, &pst_web_total, NULL, 0);
    pst_emit_cell(emit, &pst_web_tile);
    for (unsigned i = 0; i < PST_ITEMS(tiles); i++) {
        pst_emit_figure(emit, pst_metrics[tiles[i]].key, tiles[i], pst_total_figure(total, tiles[i]));
    }
    pst_emit_piece(emit, &pst_web_total_bar, NULL, 0);
    print_segments(emit, figure_of_all, total, scopes_sum(figure_of_all, total));
    pst_emit_piece(emit, &pst_web_total_legend, NULL, 0);
    pst_emit_cell(emit, &pst_web_legend);
    for (unsigned i = 0; i < PST_ITEMS(scopes); i++) {
        pst_emit_figure(emit, pst_metrics[scopes[i]].key, scopes[i], pst_total_figure(total, scopes[i]));
    }
    pst_emit_piece(emit, &pst_web_total_end, NULL, 0);
}

/* ---- live ---- */

/* The child that is drawn at first: the first one, but a child must not become the first only by serving this page. */
static apr_uint32_t drawn_first(const pst_snapshot_t *snapshot)
{
    const pst_child_row_t *first = snapshot->child_count ? snapshot->children : NULL;

    for (apr_uint32_t i = 1; i < snapshot->child_count && snapshot->sort == PST_SORT_RESERVED; i++) {
        const pst_child_row_t *child = &snapshot->children[i];

        if (pst_minus(child->reserved_bytes, child->own_reserved_bytes)
            > pst_minus(first->reserved_bytes, first->own_reserved_bytes)) {
            first = child;
        }
    }
    return first ? first->head.owner : 0;
}

/* A place for chart.js to draw in, and what it cannot know: where to ask, and for which child first. */
static void print_live(pst_emit_t *emit, const pst_page_t *page)
{
    apr_uint32_t wanted = page->args->filter.pid ? page->args->filter.pid : drawn_first(page->snapshot);

    PIECE(emit, &pst_web_live, TEXT("base", page->base),
          NUMBER("pid", wanted));
    pst_emit_cell(emit, &pst_web_live_key);
    for (unsigned i = 0; i < PST_ITEMS(scopes); i++) {
        pst_emit_figure(emit, pst_metrics[scopes[i]].key, scopes[i], 0);
    }
    pst_emit_piece(emit, &pst_web_live_end, NULL, 0);
}

/* ---- filter ---- */

static void print_option(pst_emit_t *emit, const char *word, int on)
{
    PIECE(emit, on ? &pst_web_option_on : &pst_web_option_off, TEXT("value", word));
}

static void print_filter(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_filter_t *filter = &page->args->filter;

    PIECE(emit, &pst_web_filter,
          TEXT("pid", filter->pid ? apr_psprintf(page->pool, "%u", (unsigned)filter->pid) : ""));
    for (int i = 0; i < PST_KIND_COUNT; i++) {
        print_option(emit, pst_kind_word((unsigned)i), i == filter->kind);
    }
    PIECE(emit, &pst_web_filter_vhost, TEXT("vhost", filter->vhost ? filter->vhost : ""));
    for (unsigned i = 0; i < PST_SORT_COUNT; i++) {
        print_option(emit, pst_sort_word(i), i == (unsigned)filter->sort);
    }
    pst_emit_piece(emit, &pst_web_filter_level, NULL, 0);
    for (unsigned i = 0; i < PST_SHOW_COUNT; i++) {
        print_option(emit, pst_show_word(i), i == (unsigned)page->args->level);
    }
    pst_emit_piece(emit, &pst_web_filter_end, NULL, 0);
}

/* ---- tables ---- */

static void print_page_heading(pst_emit_t *emit, const pst_page_t *page, const column_t *column)
{
    if (column->sort < 0) {
        pst_emit_heading(emit, &pst_web_head_plain, column->metric, "");
        return;
    }
    pst_emit_heading(emit, column->sort == (int)page->args->filter.sort ? &pst_web_head_current
                                                                        : &pst_web_head_link,
                     column->metric, sort_link(page, (pst_sort_e)column->sort));
}

/* Where we are, and links to the other pages, if there is more than one. */
static void print_pages(pst_emit_t *emit, const pst_page_t *page, const char *what, apr_uint32_t from,
                        apr_uint32_t count, apr_uint32_t of, int of_children)
{
    pst_args_t args = *page->args;
    apr_uint32_t *at = of_children ? &args.children_from : &args.from;

    if (count == of) {
        return;
    }
    PIECE(emit, &pst_web_pages, TEXT("what", what), NUMBER("first", count ? from + 1 : from),
          NUMBER("last", from + count), NUMBER("of", of));
    if (from) {
        *at = 0;
        PIECE(emit, &pst_web_pages_link, TEXT("label", "first"), TEXT("href", pst_args_query(&args, page->pool)));
        *at = from > args.rows ? from - args.rows : 0;
        PIECE(emit, &pst_web_pages_link, TEXT("label", "previous"),
              TEXT("href", pst_args_query(&args, page->pool)));
    }
    if (from + count < of) {
        *at = from + count;
        PIECE(emit, &pst_web_pages_link, TEXT("label", "next"), TEXT("href", pst_args_query(&args, page->pool)));
    }
    pst_emit_piece(emit, &pst_web_pages_end, NULL, 0);
}

/* The figures after the usual columns if a level is requested; times are in the titles of the figures taken then. */
static int is_more(const pst_page_t *page, pst_metric_e metric)
{
    for (unsigned i = 0; i < PST_ITEMS(child_columns); i++) {
        if (child_columns[i].metric == metric) {
            return 0;
        }
    }
    return page->args->level > PST_SHOW_INFO && pst_metrics[metric].show <= page->args->level
           && pst_metrics[metric].kind != PST_TIME;
}

static void print_page_more(pst_emit_t *emit, const pst_page_t *page, const pst_child_row_t *child)
{
    for (unsigned i = 0; i < pst_child_metrics.count; i++) {
        pst_metric_e metric = pst_child_metrics.metrics[i];

        if (!is_more(page, metric)) {
            continue;
        }
        if (child) {
            pst_emit_figure(emit, pst_metrics[metric].key, metric, pst_child_figure(child, metric));
        }
        else {
            pst_emit_heading(emit, &pst_web_head_plain, metric, "");
        }
    }
}

static void print_page_child(pst_emit_t *emit, const pst_page_t *page, const pst_child_row_t *child, apr_uint64_t whole)
{
    char age[PST_FORMAT_LEN];

    PIECE(emit, child->head.level == PST_LEVEL_FULL ? &pst_web_child_open : &pst_web_child_open_level,
          TEXT("href", pst_args_pid_query(page->args, child->head.owner, page->pool)), NUMBER("pid", child->head.owner),
          NUMBER("generation", child->head.generation), TEXT("level", pst_level_word(child->head.level)),
          TEXT("reason", child->head.reason));
    print_segments(emit, figure_of_child, child, whole);
    pst_emit_piece(emit, &pst_web_child_figures, NULL, 0);
    pst_emit_cell(emit, &pst_web_cell);
    for (unsigned i = 0; i < PST_ITEMS(child_columns); i++) {
        pst_metric_e metric = child_columns[i].metric;

        pst_emit_figure(emit, pst_metrics[metric].key, metric, pst_child_figure(child, metric));
    }
    print_page_more(emit, page, child);
    pst_format_age(age, pst_view_age(page->snapshot, child->head.started));
    PIECE(emit, &pst_web_child_close, TEXT("age", age));
}

static void print_page_children(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    apr_uint32_t from = page->args->children_from < snapshot->child_count ? page->args->children_from
                                                                          : snapshot->child_count;
    apr_uint32_t left = snapshot->child_count - from;
    apr_uint32_t count = left < page->args->rows ? left : page->args->rows;
    apr_uint64_t largest = 0;

    PIECE(emit, &pst_web_children, TEXT("href", sort_link(page, PST_SORT_PID)));
    for (unsigned i = 0; i < PST_ITEMS(child_columns); i++) {
        print_page_heading(emit, page, &child_columns[i]);
    }
    print_page_more(emit, page, NULL);
    pst_emit_piece(emit, &pst_web_children_rows, NULL, 0);
    for (apr_uint32_t i = 0; i < count; i++) {
        apr_uint64_t sum = scopes_sum(figure_of_child, &snapshot->children[from + i]);

        largest = sum > largest ? sum : largest;
    }
    for (apr_uint32_t i = 0; i < count && emit->status == APR_SUCCESS; i++) {
        print_page_child(emit, page, &snapshot->children[from + i], largest);
    }
    if (!snapshot->child_count) {
        pst_emit_piece(emit, &pst_web_children_none, NULL, 0);
    }
    pst_emit_piece(emit, &pst_web_children_end, NULL, 0);
    print_pages(emit, page, "Pages of children", from, count, snapshot->child_count, 1);
    pst_emit_piece(emit, &pst_web_section_end, NULL, 0);
}

/* ---- connections ---- */

/* One child's rows of the window: the first, and how many follow by the `next` of make_groups(). */
typedef struct group_t {
    apr_uint32_t first, last, listed;
} group_t;

static void print_connection_headings(pst_emit_t *emit, const pst_page_t *page)
{
    for (unsigned i = 0; i < PST_ITEMS(row_columns); i++) {
        print_page_heading(emit, page, &row_columns[i]);
    }
    for (unsigned i = 0; i < PST_ITEMS(request_columns); i++) {
        pst_emit_heading(emit, &pst_web_head_plain, request_columns[i], "");
    }
    pst_emit_piece(emit, &pst_web_connections_rows, NULL, 0);
}

static void print_row_texts(pst_emit_t *emit, const pst_page_t *page, const pst_row_t *row)
{
    const pst_shared_slot_t *slot = &row->slot;
    char age[PST_FORMAT_LEN];

    pst_format_age(age, pst_view_age(page->snapshot, slot->opened));
    PIECE(emit, slot->master ? &pst_web_row_open_master : &pst_web_row_open, NUMBER("id", slot->id),
          TEXT("kind", pst_kind_word(slot->kind)), NUMBER("master", slot->master), TEXT("client", slot->client),
          TEXT("state", pst_state_word(slot->state)), TEXT("age", age));
    pst_format_age(age, pst_view_age(page->snapshot, slot->request_started));
    PIECE(emit, slot->has_request ? &pst_web_row_request : &pst_web_row_idle, TEXT("line", slot->line),
          TEXT("vhost", slot->vhost), TEXT("protocol", slot->protocol), TEXT("age", age),
          TEXT("handler", slot->handler[0] ? slot->handler : "no handler yet"));
}

static void print_page_row(pst_emit_t *emit, const pst_page_t *page, const pst_row_t *row, apr_uint64_t largest)
{
    print_row_texts(emit, page, row);
    pst_emit_share(emit, pst_permille(row->slot.usage.reserved_bytes, largest));
    for (unsigned i = 0; i < PST_ITEMS(row_columns); i++) {
        pst_metric_e metric = row_columns[i].metric;

        pst_emit_cell(emit, metric == PST_M_reserved_bytes ? &pst_web_cell_bar : &pst_web_cell);
        pst_emit_figure(emit, pst_metrics[metric].key, metric, pst_row_figure(row, metric));
    }
    if (row->slot.has_request) {
        pst_emit_cell(emit, &pst_web_cell_request);
        for (unsigned i = 0; i < PST_ITEMS(request_columns); i++) {
            pst_metric_e metric = request_columns[i];

            pst_emit_figure(emit, pst_metrics[metric].key, metric, pst_request_figure(row, metric));
        }
    }
    else {
        PIECE(emit, &pst_web_request_none, NUMBER("figures", PST_ITEMS(request_columns)));
    }
    pst_emit_piece(emit, &pst_web_row_close, NULL, 0);
}

/* One child's rows of the window, in the window's order. */
static void print_group(pst_emit_t *emit, const pst_page_t *page, const group_t *group, const apr_uint32_t *next,
                        apr_uint64_t largest)
{
    const pst_window_t *window = page->window;
    const pst_child_row_t *child = &page->snapshot->children[window->rows[group->first]->child];
    apr_uint32_t at = group->first;
    char reserved[PST_FORMAT_LEN];

    PIECE(emit, &pst_web_group_open, NUMBER("columns", ROW_COLUMNS),
          TEXT("href", pst_args_pid_query(page->args, child->head.owner, page->pool)), NUMBER("pid", child->head.owner),
          NUMBER("generation", child->head.generation), NUMBER("listed", group->listed), NUMBER("rows", child->rows),
          TEXT("reserved", pst_format_size(reserved, child->reserved_bytes)));
    for (apr_uint32_t i = 0; i < group->listed && emit->status == APR_SUCCESS; i++) {
        print_page_row(emit, page, window->rows[at], largest);
        at = next[at];
    }
    pst_emit_piece(emit, &pst_web_group_close, NULL, 0);
}

/* Chain each child's rows, so that no group has to search all rows for its own. */
static void make_groups(group_t *groups, apr_uint32_t *next, const pst_window_t *window)
{
    for (apr_uint32_t i = 0; i < window->count; i++) {
        group_t *group = &groups[window->rows[i]->child];

        if (group->listed++) {
            next[group->last] = i;
        }
        else {
            group->first = i;
        }
        group->last = i;
    }
}

/* Grouped by child; the group that has the first row comes first. */
static void print_page_connections(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_window_t *window = page->window;
    group_t *groups = apr_pcalloc(page->pool, (page->snapshot->child_count + 1) * sizeof(*groups));
    apr_uint32_t *next = apr_palloc(page->pool, (window->count + 1) * sizeof(*next));
    apr_uint64_t largest = 0;

    PIECE(emit, page->args->filter.sort == PST_SORT_RESERVED ? &pst_web_connections : &pst_web_connections_sorted,
          TEXT("sort", pst_sort_word(page->args->filter.sort)));
    PIECE(emit, &pst_web_connections_table, TEXT("client", sort_link(page, PST_SORT_CLIENT)),
          TEXT("age", sort_link(page, PST_SORT_AGE)), NUMBER("figures", PST_ITEMS(row_columns)),
          NUMBER("request_figures", PST_ITEMS(request_columns)));
    print_connection_headings(emit, page);
    for (apr_uint32_t i = 0; i < window->count; i++) {
        apr_uint64_t reserved = window->rows[i]->slot.usage.reserved_bytes;

        largest = reserved > largest ? reserved : largest;
    }
    make_groups(groups, next, window);
    for (apr_uint32_t i = 0; i < window->count && emit->status == APR_SUCCESS; i++) {
        const group_t *group = &groups[window->rows[i]->child];

        if (group->first == i) {
            print_group(emit, page, group, next, largest);
        }
    }
    if (!window->count) {
        PIECE(emit, &pst_web_connections_none, NUMBER("columns", ROW_COLUMNS));
    }
    pst_emit_piece(emit, &pst_web_connections_end, NULL, 0);
    print_pages(emit, page, "Pages of connections", window->from, window->count, window->of, 0);
    pst_emit_piece(emit, &pst_web_section_end, NULL, 0);
}

apr_status_t pst_view_page(pst_emit_t *emit, const pst_page_t *page)
{
    print_top(emit, page);
    print_notes(emit, page);
    pst_view_doctor(emit, page);
    pst_view_misuses(emit, page);
    pst_view_holders(emit, page);
    pst_view_suspects(emit, page);
    print_page_total(emit, page);
    print_live(emit, page);
    print_filter(emit, page);
    print_page_children(emit, page);
    pst_view_books(emit, page);
    pst_view_losses(emit, page);
    pst_view_relatives(emit, page);
    pst_view_charts(emit, page);
    pst_view_generations(emit, page);
    pst_view_segments(emit, page);
    pst_view_places(emit, page);
    pst_view_urls(emit, page);
    pst_view_largest(emit, page);
    pst_view_heap(emit, page);
    pst_view_checks(emit, page);
    pst_view_release(emit, page);
    print_page_connections(emit, page);
    pst_emit_piece(emit, &pst_web_bottom, NULL, 0);
    return emit->status;
}
