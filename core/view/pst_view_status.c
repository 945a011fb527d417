/* SPDX-License-Identifier: Apache-2.0
 *
 * The section shown on other status pages.  See pst_view_status.h.
 */
#include "pst_view_status.h"
#include "pst_piece.h"
#include "pst_web.h"
#include "pst_snapshot_figures.h"
#include "pst_array.h"

/* The law of conservation, then further figures: all of them are in a child's head. */
static const pst_metric_e figures[] = {
    PST_M_children,           PST_M_connections_open,     PST_M_held_bytes,        PST_M_reserved_bytes,
    PST_M_child_bucket_bytes, PST_M_child_retained_bytes, PST_M_child_peak_bytes,  PST_M_process_reserved_bytes,
    PST_M_pools_created,      PST_M_pools_destroyed,      PST_M_requests_finished, PST_M_pss_bytes
};
#define BALANCE 6

static void print_status_figures(pst_emit_t *emit, const pst_total_t *total, int at_large)
{
    for (unsigned i = 0; i < (at_large ? PST_ITEMS(figures) : BALANCE); i++) {
        pst_emit_figure(emit, pst_metric_short_key(figures[i]), figures[i], pst_total_figure(total, figures[i]));
    }
}

static void print_status_text(pst_emit_t *emit, const pst_total_t *total, int at_large)
{
    pst_emit_object(emit, NULL);
    pst_emit_object(emit, "pool_stat");
    print_status_figures(emit, total, at_large);
    pst_emit_end(emit);
    pst_emit_end(emit);
}

static void print_html(pst_emit_t *emit, const pst_total_t *total, int table, int at_large, const char *href)
{
    if (href) {
        PIECE(emit, &pst_web_status_link, TEXT("href", href));
    }
    pst_emit_piece(emit, table ? &pst_web_status_table : &pst_web_status_list, NULL, 0);
    pst_emit_cell(emit, table ? &pst_web_status_cell : &pst_web_status_item);
    print_status_figures(emit, total, at_large);
    pst_emit_piece(emit, table ? &pst_web_status_table_end : &pst_web_status_list_end, NULL, 0);
}

void pst_view_status(pst_emit_t *emit, const pst_total_t *total, pst_status_e as, int at_large, const char *href)
{
    if (as == PST_STATUS_TEXT) {
        if (total) {
            print_status_text(emit, total, at_large);
        }
        return;
    }
    pst_emit_piece(emit, &pst_web_status, NULL, 0);
    if (total) {
        print_html(emit, total, as == PST_STATUS_TABLE, at_large, href);
    }
    else {
        pst_emit_piece(emit, &pst_web_status_none, NULL, 0);
    }
}
