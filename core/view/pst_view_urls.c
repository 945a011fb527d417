/* SPDX-License-Identifier: Apache-2.0
 *
 * By URL.  See pst_view_urls.h; the page's markup is in web/urls.html.
 */
#include "pst_view_urls.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_snapshot_urls.h"
#include "pst_web.h"

static const pst_metric_e columns[] = {
    PST_M_url_requests, PST_M_url_sum_bytes, PST_M_url_mean_bytes, PST_M_url_largest_bytes, PST_M_url_sampled_bytes,
    PST_M_url_script_requests, PST_M_url_script_mean_bytes, PST_M_url_script_largest_bytes
};
static const pst_metric_e bounds[] = { PST_M_url_missed_requests, PST_M_url_missed_bytes };

static apr_uint32_t fewer(apr_uint32_t a, apr_uint32_t b)
{
    return a < b ? a : b;
}

static void print_url_figures(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_shared_url_t *row,
                          const pst_metric_e *metrics, unsigned count, int long_keys)
{
    for (unsigned i = 0; i < count; i++) {
        pst_emit_figure(emit, long_keys ? pst_metrics[metrics[i]].key : pst_metric_short_key(metrics[i]), metrics[i],
                        pst_url_figure(snapshot, row, metrics[i]));
    }
}

/* ---- the page ---- */

static void print_url_headings(pst_emit_t *emit, int missed)
{
    for (unsigned i = 0; i < PST_ITEMS(columns); i++) {
        pst_emit_heading(emit, &pst_web_head_plain, columns[i], "");
    }
    if (missed) {
        pst_emit_heading(emit, &pst_web_head_plain, PST_M_url_missed_bytes, "");
    }
    pst_emit_piece(emit, &pst_web_urls_rows, NULL, 0);
}

static void print_url_cells(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_shared_url_t *row, int missed)
{
    pst_emit_cell(emit, &pst_web_cell);
    print_url_figures(emit, snapshot, row, columns, PST_ITEMS(columns), 1);
    if (missed) {
        print_url_figures(emit, snapshot, row, &bounds[1], 1, 1);
    }
    pst_emit_piece(emit, &pst_web_url_close, NULL, 0);
}

static void print_url_group(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_shared_url_t *rows,
                        apr_uint32_t count, int handlers)
{
    PIECE(emit, handlers ? &pst_web_urls_handlers : &pst_web_urls_vhosts, NUMBER("count", count));
    print_url_headings(emit, 0);
    for (apr_uint32_t i = 0; i < fewer(count, PST_PAGE_URL_GROUPS) && emit->status == APR_SUCCESS; i++) {
        const char *name = handlers ? rows[i].handler : rows[i].vhost;

        PIECE(emit, name[0] ? &pst_web_url_group : &pst_web_url_group_none, TEXT("name", name));
        print_url_cells(emit, snapshot, &rows[i], 0);
    }
    pst_emit_piece(emit, &pst_web_places_end, NULL, 0);
}

void pst_view_urls(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    const pst_urls_t *urls = &snapshot->urls;

    if (!urls->count || !urls->urls[0].requests) {
        return;
    }
    pst_emit_piece(emit, urls->of_lives ? &pst_web_urls : &pst_web_urls_child, NULL, 0);
    print_url_headings(emit, 1);
    pst_emit_piece(emit, &pst_web_url_all, NULL, 0);
    print_url_cells(emit, snapshot, &urls->urls[0], 1);
    for (apr_uint32_t i = 1; i < fewer(urls->count, 1 + PST_PAGE_URLS) && emit->status == APR_SUCCESS; i++) {
        const pst_shared_url_t *row = &urls->urls[i];

        PIECE(emit, row->path[0] ? &pst_web_url_open : &pst_web_url_unread, TEXT("path", row->path),
              TEXT("vhost", row->vhost), TEXT("handler", row->handler[0] ? row->handler : "no handler"));
        print_url_cells(emit, snapshot, row, 1);
    }
    pst_emit_piece(emit, &pst_web_places_end, NULL, 0);
    print_url_group(emit, snapshot, urls->vhosts, urls->vhost_count, 0);
    print_url_group(emit, snapshot, urls->handlers, urls->handler_count, 1);
    pst_emit_piece(emit, &pst_web_urls_end, NULL, 0);
}

/* ---- programs ---- */

static void print_url_rows(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_shared_url_t *rows,
                       apr_uint32_t count)
{
    for (apr_uint32_t i = 0; i < count && emit->status == APR_SUCCESS; i++) {
        pst_emit_element(emit, i + 1);
        pst_emit_text(emit, "vhost", rows[i].vhost);
        pst_emit_text(emit, "path", rows[i].path);
        pst_emit_text(emit, "handler", rows[i].handler);
        print_url_figures(emit, snapshot, &rows[i], columns, PST_ITEMS(columns), 0);
        print_url_figures(emit, snapshot, &rows[i], bounds, PST_ITEMS(bounds), 0);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

static void print_url_groups(pst_emit_t *emit, const pst_snapshot_t *snapshot, const pst_shared_url_t *rows,
                         apr_uint32_t count, int handlers)
{
    pst_emit_array(emit, handlers ? "by_handler" : "by_vhost", handlers ? "Handler" : "Vhost");
    for (apr_uint32_t i = 0; i < fewer(count, PST_VIEW_URL_GROUPS) && emit->status == APR_SUCCESS; i++) {
        pst_emit_element(emit, i + 1);
        pst_emit_text(emit, handlers ? "handler" : "vhost", handlers ? rows[i].handler : rows[i].vhost);
        print_url_figures(emit, snapshot, &rows[i], columns, PST_ITEMS(columns), 0);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

void pst_view_urls_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    const pst_urls_t *urls = &snapshot->urls;

    pst_emit_object(emit, "urls");
    pst_emit_flag(emit, "over_lives", urls->of_lives);
    pst_emit_number(emit, "rows", urls->count ? urls->count - 1 : 0);
    if (urls->count) {
        print_url_figures(emit, snapshot, &urls->urls[0], columns, PST_ITEMS(columns), 0);
        print_url_figures(emit, snapshot, &urls->urls[0], bounds, PST_ITEMS(bounds), 0);
    }
    pst_emit_array(emit, "by_url", "Url");
    print_url_rows(emit, snapshot, urls->urls + 1, urls->count ? fewer(urls->count - 1, PST_VIEW_URLS) : 0);
    print_url_groups(emit, snapshot, urls->vhosts, urls->vhost_count, 0);
    print_url_groups(emit, snapshot, urls->handlers, urls->handler_count, 1);
    pst_emit_end(emit);
}
