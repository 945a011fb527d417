/* SPDX-License-Identifier: Apache-2.0
 *
 * Finished requests.  See pst_view_largest.h; the page's markup is in
 * web/largest.html.
 */
#include <apr_strings.h>
#include "pst_format.h"
#include "pst_view_largest.h"
#include "pst_piece.h"
#include "pst_web.h"
#include "pst_array.h"

static const pst_metric_e large_columns[] = {
    PST_M_peak_bytes, PST_M_reserved_bytes, PST_M_used_bytes, PST_M_url_requests, PST_M_url_sum_bytes
};

static apr_uint64_t large_figure(const pst_large_row_t *large, pst_metric_e metric)
{
    switch (metric) {
    case PST_M_peak_bytes:     return large->row.peak_bytes;
    case PST_M_reserved_bytes: return large->row.reserved_bytes;
    case PST_M_used_bytes:     return large->row.used_bytes;
    case PST_M_url_requests:   return large->url_requests;
    default:                   return large->url_sum_bytes;
    }
}

/* ---- for programs ---- */

void pst_view_large_rows(pst_emit_t *emit, const pst_large_row_t *rows, apr_uint32_t count)
{
    pst_emit_array(emit, "largest_requests", "LargestRequest");
    for (apr_uint32_t i = 0; i < count && emit->status == APR_SUCCESS; i++) {
        const pst_shared_large_t *row = &rows[i].row;

        pst_emit_element(emit, i + 1);
        pst_emit_number(emit, "pid", rows[i].pid);
        pst_emit_text(emit, "line", row->line);
        pst_emit_text(emit, "vhost", row->vhost);
        pst_emit_text(emit, "handler", row->handler);
        pst_emit_text(emit, "path", row->path);
        for (unsigned m = 0; m < PST_ITEMS(large_columns); m++) {
            pst_emit_figure(emit, pst_metrics[large_columns[m]].key, large_columns[m],
                            large_figure(&rows[i], large_columns[m]));
        }
        pst_emit_seconds(emit, "duration_seconds", row->duration, 6);
        pst_emit_seconds(emit, "finished", row->finished, 6);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

/* Empty ones are left out: most are. */
static void print_buckets(pst_emit_t *emit, const pst_sizes_row_t *sizes)
{
    pst_emit_array(emit, "buckets", "Bucket");
    for (unsigned i = 0; i < PST_SIZES_BUCKETS; i++) {
        if (!sizes->row.requests[i]) {
            continue;
        }
        pst_emit_element(emit, i + 1);
        if (pst_sizes_up_to(i)) {
            pst_emit_number(emit, "up_to_bytes", pst_sizes_up_to(i));
        }
        else {
            pst_emit_null(emit, "up_to_bytes");
        }
        pst_emit_number(emit, "requests", sizes->row.requests[i]);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

static void print_named(pst_emit_t *emit, const char *key, const char *one, const char *name,
                        const pst_sizes_row_t *rows, apr_uint32_t count)
{
    pst_emit_array(emit, key, one);
    for (apr_uint32_t i = 0; i < count && emit->status == APR_SUCCESS; i++) {
        pst_emit_element(emit, i + 1);
        pst_emit_text(emit, name, rows[i].other ? "" : rows[i].row.name);
        pst_emit_flag(emit, "other", rows[i].other);
        pst_emit_number(emit, "requests", rows[i].requests);
        print_buckets(emit, &rows[i]);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

void pst_view_sizes(pst_emit_t *emit, const pst_sizes_t *sizes)
{
    pst_emit_object(emit, "request_sizes");
    pst_emit_number(emit, "requests", sizes->all.requests);
    print_buckets(emit, &sizes->all);
    print_named(emit, "handlers", "Handler", "handler", sizes->handlers, sizes->handler_count);
    print_named(emit, "vhosts", "Vhost", "vhost", sizes->vhosts, sizes->vhost_count);
    pst_emit_end(emit);
}

/* ---- on the page ---- */

static void print_large(pst_emit_t *emit, const pst_page_t *page, const pst_large_row_t *large, apr_uint64_t largest)
{
    const pst_shared_large_t *row = &large->row;
    char took[PST_FORMAT_LEN], age[PST_FORMAT_LEN], time[PST_FORMAT_LEN];

    PIECE(emit, &pst_web_largest_open, TEXT("line", row->line), TEXT("vhost", row->vhost),
          TEXT("handler", row->handler), TEXT("path", row->path), NUMBER("pid", large->pid));
    pst_emit_share(emit, pst_permille(row->peak_bytes, largest));
    for (unsigned i = 0; i < PST_ITEMS(large_columns); i++) {
        pst_emit_cell(emit, i ? &pst_web_cell : &pst_web_cell_share);
        pst_emit_figure(emit, pst_metrics[large_columns[i]].key, large_columns[i],
                        large_figure(large, large_columns[i]));
    }
    PIECE(emit, &pst_web_largest_close, TEXT("took", pst_format_span(took, row->duration)),
          TEXT("age", pst_format_age(age, page->snapshot->taken > row->finished
                                              ? page->snapshot->taken - row->finished : 0)),
          TEXT("time", pst_format_time(time, row->finished)));
}

/* The size that covers this many of the requests. */
static const char *reach(char *to, const pst_sizes_row_t *sizes, apr_uint64_t requests)
{
    apr_uint64_t sum = 0;

    for (unsigned i = 0; i < PST_SIZES_BUCKETS - 1; i++) {
        sum += sizes->row.requests[i];          /* their sum is at most INT64_MAX, or stopped there */
        if (sum >= requests) {
            return pst_format_size(to, pst_sizes_up_to(i));
        }
        if (sum > (apr_uint64_t)INT64_MAX) {
            break;
        }
    }
    return "more";
}

static void print_bars(pst_emit_t *emit, const pst_sizes_row_t *sizes)
{
    apr_uint64_t most = 0;
    char what[PST_FORMAT_LEN + 16], size[PST_FORMAT_LEN];

    for (unsigned i = 0; i < PST_SIZES_BUCKETS; i++) {
        most = sizes->row.requests[i] > most ? sizes->row.requests[i] : most;
    }
    for (unsigned i = 0; i < PST_SIZES_BUCKETS; i++) {
        unsigned height = 1 + pst_scaled(sizes->row.requests[i], most, 39);

        if (!sizes->row.requests[i]) {
            continue;
        }
        apr_snprintf(what, sizeof(what), "%s %s", pst_sizes_up_to(i) ? "up to" : "more than",
                     pst_format_size(size, pst_sizes_up_to(pst_sizes_up_to(i) ? i : i - 1)));
        PIECE(emit, &pst_web_sizes_bar, NUMBER("x", i * 10), NUMBER("y", 40 - height), NUMBER("height", height),
              TEXT("what", what), NUMBER("requests", sizes->row.requests[i]));
    }
}

static void print_largest_sizes(pst_emit_t *emit, const pst_piece_t *open, const pst_sizes_row_t *sizes)
{
    char requests[PST_FORMAT_LEN], half[PST_FORMAT_LEN], most[PST_FORMAT_LEN];
    const char *half_to = reach(half, sizes, sizes->requests / 2 + sizes->requests % 2);
    const char *all_to = reach(most, sizes, sizes->requests);

    PIECE(emit, open, TEXT("name", sizes->row.name));
    PIECE(emit, &pst_web_sizes_figures, TEXT("requests", pst_format_count(requests, sizes->requests)),
          TEXT("half", half_to), TEXT("most", all_to));
    print_bars(emit, sizes);
    PIECE(emit, &pst_web_sizes_close, TEXT("half", half_to), TEXT("most", all_to));
}

static void print_named_sizes(pst_emit_t *emit, const pst_sizes_row_t *row, const pst_piece_t *named,
                              const pst_piece_t *nameless, const pst_piece_t *other)
{
    const pst_piece_t *open = row->row.name[0] ? named : nameless;

    print_largest_sizes(emit, row->other ? other : open, row);
}

static void print_histogram(pst_emit_t *emit, const pst_sizes_t *sizes)
{
    pst_emit_piece(emit, &pst_web_sizes, NULL, 0);
    print_largest_sizes(emit, &pst_web_sizes_all, &sizes->all);
    for (apr_uint32_t i = 0; i < sizes->handler_count; i++) {
        print_named_sizes(emit, &sizes->handlers[i], &pst_web_sizes_handler, &pst_web_sizes_handler_none,
                          &pst_web_sizes_handler_other);
    }
    for (apr_uint32_t i = 0; i < sizes->vhost_count; i++) {
        print_named_sizes(emit, &sizes->vhosts[i], &pst_web_sizes_vhost, &pst_web_sizes_vhost_none,
                          &pst_web_sizes_vhost_other);
    }
    pst_emit_piece(emit, &pst_web_places_end, NULL, 0);
}

void pst_view_largest(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;

    PIECE(emit, &pst_web_largest, NUMBER("count", PST_LARGE_COUNT));
    for (unsigned i = 0; i < PST_ITEMS(large_columns); i++) {
        pst_emit_heading(emit, &pst_web_head_plain, large_columns[i], "");
    }
    pst_emit_piece(emit, &pst_web_largest_rows, NULL, 0);
    for (apr_uint32_t i = 0; i < snapshot->large_count && emit->status == APR_SUCCESS; i++) {
        print_large(emit, page, &snapshot->large[i], snapshot->large[0].row.peak_bytes);
    }
    if (!snapshot->large_count) {
        pst_emit_piece(emit, &pst_web_largest_none, NULL, 0);
    }
    pst_emit_piece(emit, &pst_web_places_end, NULL, 0);
    if (snapshot->sizes.all.requests) {
        print_histogram(emit, &snapshot->sizes);
    }
    pst_emit_piece(emit, &pst_web_section_end, NULL, 0);
}
