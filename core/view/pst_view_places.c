/* SPDX-License-Identifier: Apache-2.0
 *
 * Classes and call sites on the page.  See pst_view_places.h; the markup is in
 * web/places.html.
 */
#include <apr_strings.h>
#include "pst_format.h"
#include "pst_who.h"
#include "pst_view_places.h"
#include "pst_view_profile.h"
#include "pst_piece.h"
#include "pst_trend.h"
#include "pst_web.h"
#include "pst_snapshot_figures.h"
#include "pst_array.h"

static const pst_metric_e class_columns[] = {
    PST_M_class_reserved_bytes, PST_M_class_pools, PST_M_class_pools_created, PST_M_class_pools_destroyed,
    PST_M_class_peak_bytes, PST_M_class_largest_bytes, PST_M_class_lifetime_mean_seconds,
    PST_M_class_lifetime_max_seconds
};

static const pst_metric_e site_columns[] = { PST_M_site_live_bytes, PST_M_site_kept_bytes, PST_M_site_ever_bytes,
                                             PST_M_site_live_samples, PST_M_site_ever_samples };

static void print_headings(pst_emit_t *emit, const pst_metric_e *metrics, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pst_emit_heading(emit, &pst_web_head_plain, metrics[i], "");
    }
}

static void print_places_more(pst_emit_t *emit, const pst_page_t *page, apr_uint32_t count)
{
    pst_args_t args = *page->args;

    args.rows = PST_ARGS_ROWS;
    args.from = args.children_from = args.refresh = 0;
    if (count) {
        PIECE(emit, &pst_web_places_more, NUMBER("count", count),
              TEXT("href", apr_pstrcat(page->pool, page->base, "json", pst_args_query(&args, page->pool), NULL)));
    }
}

/* A figure of the first column, with the bar that says how much of the whole it is. */
static void print_places_figures(pst_emit_t *emit, const pst_metric_e *metrics, unsigned count,
                                 apr_uint64_t (*figure)(const void *, pst_metric_e), const void *of, apr_uint64_t whole)
{
    pst_emit_share(emit, pst_permille(figure(of, metrics[0]), whole));
    for (unsigned i = 0; i < count; i++) {
        pst_emit_cell(emit, i ? &pst_web_cell : &pst_web_cell_share);
        pst_emit_figure(emit, pst_metrics[metrics[i]].key, metrics[i], figure(of, metrics[i]));
    }
    pst_emit_piece(emit, &pst_web_place_close, NULL, 0);
}

static apr_uint64_t class_figure(const void *of, pst_metric_e metric)
{
    return pst_class_figure(of, metric);
}

static apr_uint64_t site_figure(const void *of, pst_metric_e metric)
{
    return pst_site_figure(of, metric);
}

static void print_places_class(pst_emit_t *emit, const pst_page_t *page, const pst_class_row_t *class)
{
    char text[PST_PLACE_LEN] = "inherited from the parent, or met late", growth[PST_FORMAT_LEN + 16] = "";
    const pst_shared_verdict_t *verdict = &class->row.verdict;
    const pst_piece_t *open = class->row.tag[0] ? &pst_web_class_open : &pst_web_class_open_untagged;
    pst_place_t place;

    if (class->row.creator) {
        pst_place_of(&place, page->snapshot, class->row.creator);
        if (!place.function && class->row.function[0]) {
            place.function = class->row.function;
        }
        pst_place_text(text, &place);
    }
    if (verdict->state == PST_TREND_GROWING && verdict->per_minute > 0 && verdict->per_minute < 9e18F) {
        char size[PST_FORMAT_LEN];

        apr_snprintf(growth, sizeof(growth), "+%s a minute", pst_format_size(size, (apr_uint64_t)verdict->per_minute));
    }
    if (!class->index) {
        open = &pst_web_class_open_other;
    }
    PIECE(emit, open, TEXT("tag", class->row.tag), TEXT("place", text), TEXT("growth", growth));
    print_places_figures(emit, class_columns, PST_ITEMS(class_columns), class_figure, class,
                         page->snapshot->total.reserved_bytes);
}

static void print_places_classes(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    apr_uint32_t count = snapshot->class_count < PST_VIEW_CLASSES ? snapshot->class_count : PST_VIEW_CLASSES;

    pst_emit_piece(emit, &pst_web_classes, NULL, 0);
    print_headings(emit, class_columns, PST_ITEMS(class_columns));
    pst_emit_piece(emit, &pst_web_classes_rows, NULL, 0);
    for (apr_uint32_t i = 0; i < count && emit->status == APR_SUCCESS; i++) {
        print_places_class(emit, page, &snapshot->classes[i]);
    }
    pst_emit_piece(emit, &pst_web_places_end, NULL, 0);
    print_places_more(emit, page, snapshot->class_count - count);
    pst_emit_piece(emit, &pst_web_section_end, NULL, 0);
}

static void print_places_site(pst_emit_t *emit, const pst_page_t *page, const pst_site_row_t *site)
{
    char text[PST_WHO_LEN] = "?";
    pst_place_t place;
    pst_who_t who;

    if (!site->index) {
        pst_emit_piece(emit, &pst_web_site_open_other, NULL, 0);
    }
    else {
        if (pst_who_of_site(&who, page->snapshot, site)) {
            pst_who_text(text, &who);
        }
        else if (site->row.depth) {
            pst_place_of(&place, page->snapshot, site->row.frames[0]);
            pst_place_text(text, &place);
        }
        PIECE(emit, &pst_web_site_open, TEXT("place", text));
        for (unsigned i = 0; i < site->row.depth; i++) {
            pst_place_of(&place, page->snapshot, site->row.frames[i]);
            PIECE(emit, &pst_web_site_frame, TEXT("place", pst_place_text(text, &place)));
        }
        PIECE(emit, &pst_web_site_figures, TEXT("scope", pst_scope_word(site->row.scope)),
              TEXT("tag", site->of_class ? site->of_class->row.tag : ""));
    }
    print_places_figures(emit, site_columns, PST_ITEMS(site_columns), site_figure, site,
                         page->snapshot->total.reserved_bytes);
}

static void print_places_sites(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    apr_uint32_t count = snapshot->site_count < PST_VIEW_SITES ? snapshot->site_count : PST_VIEW_SITES;
    apr_uint64_t rate = pst_view_rate(snapshot);
    char size[PST_FORMAT_LEN];

    if (!rate) {
        return;
    }
    PIECE(emit, &pst_web_sites, TEXT("rate", pst_format_size(size, rate)));
    print_headings(emit, site_columns, PST_ITEMS(site_columns));
    pst_emit_piece(emit, &pst_web_sites_rows, NULL, 0);
    for (apr_uint32_t i = 0; i < count && emit->status == APR_SUCCESS; i++) {
        print_places_site(emit, page, &snapshot->sites[i]);
    }
    if (!count) {
        pst_emit_piece(emit, &pst_web_sites_none, NULL, 0);
    }
    pst_emit_piece(emit, &pst_web_places_end, NULL, 0);
    print_places_more(emit, page, snapshot->site_count - count);
    pst_emit_piece(emit, &pst_web_section_end, NULL, 0);
}

void pst_view_places(pst_emit_t *emit, const pst_page_t *page)
{
    print_places_classes(emit, page);
    print_places_sites(emit, page);
}
