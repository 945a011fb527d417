/* SPDX-License-Identifier: Apache-2.0
 *
 * Finished requests.  See pst_view_largest.h; the page's markup is in
 * web/largest.html.
 */
#include "pst_format.h"
#include "pst_view_largest.h"
#include "pst_web.h"

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))
#define PIECE(emit, piece, ...) \
    do { \
        const pst_field_t fields_[] = { __VA_ARGS__ }; \
        pst_emit_piece((emit), (piece), fields_, COUNT(fields_)); \
    } while (0)
#define TEXT(name, text) { name, text, 0 }
#define NUMBER(name, value) { name, NULL, value }

static const pst_metric_e large_columns[] = { PST_M_peak_bytes, PST_M_reserved_bytes, PST_M_used_bytes };

static apr_uint64_t large_figure(const pst_large_row_t *large, pst_metric_e metric)
{
    return metric == PST_M_peak_bytes ? large->row.peak_bytes
         : metric == PST_M_reserved_bytes ? large->row.reserved_bytes : large->row.used_bytes;
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
        for (unsigned m = 0; m < COUNT(large_columns); m++) {
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
