/* SPDX-License-Identifier: Apache-2.0
 *
 * Generations.  See pst_view_generations.h.  The markup is in web/generations.html.
 */
#include "pst_view_generations.h"
#include "pst_format.h"
#include "pst_snapshot_generations.h"
#include "pst_piece.h"
#include "pst_web.h"
#include "pst_snapshot_figures.h"
#include "pst_array.h"

#include <apr_strings.h>

static const pst_metric_e columns[] = {
    PST_M_generation_children, PST_M_generation_config_bytes, PST_M_generation_parent_bytes,
    PST_M_generation_parent_rss_bytes, PST_M_generation_parent_rss_end_bytes, PST_M_generation_parent_private_bytes,
    PST_M_generation_parent_shmem_bytes, PST_M_generation_lasting_bytes,
    PST_M_generation_process_start_mean_bytes, PST_M_generation_process_end_mean_bytes,
    PST_M_generation_private_start_mean_bytes, PST_M_generation_private_end_mean_bytes,
    PST_M_generation_rss_start_mean_bytes, PST_M_generation_rss_end_mean_bytes
};

/* The columns whose growth from generation to generation is meaningful. */
static int compared(pst_metric_e metric)
{
    return metric != PST_M_generation_children && metric != PST_M_generation_process_end_mean_bytes
           && metric != PST_M_generation_private_end_mean_bytes && metric != PST_M_generation_rss_end_mean_bytes
           && metric != PST_M_generation_parent_rss_end_bytes;
}

/* ---- the page ---- */

static void print_generations_row(pst_emit_t *emit, const pst_page_t *page, const pst_generation_row_t *generation)
{
    const pst_shared_generation_t *row = &generation->row;
    apr_uint64_t end = row->generation_ended ? row->generation_ended : page->snapshot->taken;
    char began[PST_FORMAT_LEN], lasted[PST_FORMAT_LEN];

    pst_format_age(lasted, end > row->generation_started ? end - row->generation_started : 0);
    PIECE(emit, &pst_web_generation_open, NUMBER("number", row->number),
          TEXT("began", pst_format_time(began, row->generation_started)), TEXT("lasted", lasted));
    pst_emit_cell(emit, &pst_web_cell);
    for (unsigned i = 0; i < PST_ITEMS(columns); i++) {
        pst_emit_figure(emit, pst_metrics[columns[i]].key, columns[i], pst_generation_figure(generation, columns[i]));
    }
    pst_emit_piece(emit, &pst_web_generation_close, NULL, 0);
}

static void print_step(pst_emit_t *emit, const pst_page_t *page, pst_metric_e metric)
{
    pst_generation_growth_t growth;
    char size[PST_FORMAT_LEN];
    const char *sign;
    apr_uint64_t bytes;

    if (!compared(metric) || !pst_generation_growth(&growth, page->snapshot, metric, PST_GENERATION_COUNT)) {
        PIECE(emit, &pst_web_generation_step_none, TEXT("title", pst_metrics[metric].label));
        return;
    }
    sign = growth.each < 0 ? "-" : "+";
    bytes = (apr_uint64_t)((growth.each < 0 ? -growth.each : growth.each) + 0.5);
    PIECE(emit, &pst_web_generation_step, TEXT("title", pst_metrics[metric].label),
          TEXT("exact_step", apr_psprintf(page->pool, "%.0f bytes a reload, over %u", growth.each, growth.steps)),
          TEXT("step", apr_pstrcat(page->pool, bytes ? sign : "", pst_format_size(size, bytes), NULL)));
}

void pst_view_generations(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;
    pst_generation_growth_t growth;

    if (!snapshot->generation_count) {
        return;
    }
    pst_emit_piece(emit, &pst_web_generations, NULL, 0);
    for (unsigned i = 0; i < PST_ITEMS(columns); i++) {
        pst_emit_heading(emit, &pst_web_head_plain, columns[i], "");
    }
    pst_emit_piece(emit, &pst_web_generations_rows, NULL, 0);
    for (apr_uint32_t i = snapshot->generation_count; i-- > 0; ) {
        print_generations_row(emit, page, &snapshot->generations[i]);
    }
    if (!pst_generation_growth(&growth, snapshot, PST_M_generation_parent_rss_bytes, PST_GENERATION_COUNT)) {
        pst_emit_piece(emit, &pst_web_generations_end, NULL, 0);
        return;
    }
    PIECE(emit, &pst_web_generation_growth, NUMBER("reloads", growth.steps));
    for (unsigned i = 0; i < PST_ITEMS(columns); i++) {
        print_step(emit, page, columns[i]);
    }
    pst_emit_piece(emit, &pst_web_generation_growth_end, NULL, 0);
}

/* ---- programs ---- */

static void print_growth(pst_emit_t *emit, const pst_snapshot_t *snapshot, pst_metric_e metric)
{
    pst_generation_growth_t growth;

    pst_generation_growth(&growth, snapshot, metric, PST_GENERATION_COUNT);
    pst_emit_object(emit, pst_metric_short_key(metric));
    pst_emit_number(emit, "reloads", growth.steps);
    pst_emit_signed(emit, "bytes_per_reload", growth.each);
    pst_emit_signed(emit, "least_bytes", (double)growth.least);
    pst_emit_signed(emit, "most_bytes", (double)growth.most);
    pst_emit_end(emit);
}

static void print_makers(pst_emit_t *emit, const char *key, const char *one, const pst_shared_maker_t *makers)
{
    pst_emit_array(emit, key, one);
    for (unsigned i = 0; i < PST_MAKER_COUNT && makers[i].name[0]; i++) {
        pst_emit_element(emit, i + 1);
        pst_emit_text(emit, "module", makers[i].name);
        pst_emit_number(emit, "bytes", makers[i].bytes);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}

void pst_view_generations_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    pst_emit_array(emit, "generations", "Generation");
    for (apr_uint32_t g = 0; g < snapshot->generation_count && emit->status == APR_SUCCESS; g++) {
        const pst_generation_row_t *generation = &snapshot->generations[g];

        pst_emit_element(emit, generation->row.number);
        pst_emit_number(emit, "generation", generation->row.number);
        for (unsigned i = 0; i < pst_generation_metrics.count; i++) {
            pst_metric_e metric = pst_generation_metrics.metrics[i];

            pst_emit_figure(emit, pst_metric_short_key(metric), metric, pst_generation_figure(generation, metric));
        }
        print_makers(emit, "shared_made", "SharedMade", generation->row.shared);
        print_makers(emit, "lasting_made", "LastingMade", generation->row.lasting);
        print_makers(emit, "heap_made", "HeapMade", generation->row.heap);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
    pst_emit_object(emit, "generation_growth");
    for (unsigned i = 0; i < PST_ITEMS(columns); i++) {
        if (compared(columns[i])) {
            print_growth(emit, snapshot, columns[i]);
        }
    }
    pst_emit_end(emit);
}
