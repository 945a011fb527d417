/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_view_relatives.h.  The markup is in web/relatives.html.
 */
#include "pst_view_relatives.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_snapshot_relatives.h"
#include "pst_trend.h"
#include "pst_web.h"

#include <apr_strings.h>

static const pst_metric_e columns[] = {
    PST_M_relative_rss_bytes, PST_M_relative_pss_bytes, PST_M_relative_private_bytes
};

/* ---- the page ---- */

static const char *trend_of(const pst_shared_relative_t *relative, apr_pool_t *pool)
{
    char size[PST_FORMAT_LEN];

    return relative->state != PST_TREND_GROWING || relative->per_minute < 0
               ? pst_trend_word(relative->state)
               : apr_psprintf(pool, "+%s/min", pst_format_size(size, (apr_uint64_t)relative->per_minute));
}

static void print_relatives_row(pst_emit_t *emit, const pst_page_t *page, const pst_shared_relative_t *relative)
{
    apr_uint64_t taken = page->snapshot->taken;
    char age[PST_FORMAT_LEN];

    PIECE(emit, &pst_web_relative_open, NUMBER("pid", relative->pid), TEXT("role", pst_role_word(relative->role)),
          TEXT("command", relative->command),
          TEXT("age", relative->started
                          ? pst_format_age(age, taken > relative->started ? taken - relative->started : 0)
                          : "—"));
    pst_emit_cell(emit, &pst_web_cell);
    for (unsigned i = 0; i < PST_ITEMS(columns); i++) {
        pst_emit_figure(emit, pst_metrics[columns[i]].key, columns[i], pst_relative_figure(relative, columns[i]));
    }
    PIECE(emit, &pst_web_relative_close, TEXT("trend", trend_of(relative, page->pool)));
}

void pst_view_relatives(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;

    if (snapshot->about.relatives_known == PST_RELATIVES_HIDDEN) {
        pst_emit_piece(emit, &pst_web_relatives_hidden, NULL, 0);
        return;
    }
    if (!snapshot->relative_count) {
        return;
    }
    pst_emit_piece(emit, &pst_web_relatives, NULL, 0);
    for (unsigned i = 0; i < PST_ITEMS(columns); i++) {
        pst_emit_heading(emit, &pst_web_head_plain, columns[i], "");
    }
    pst_emit_piece(emit, &pst_web_relatives_rows, NULL, 0);
    for (apr_uint32_t i = 0; i < snapshot->relative_count && emit->status == APR_SUCCESS; i++) {
        print_relatives_row(emit, page, &snapshot->relatives[i]);
    }
    pst_emit_piece(emit, &pst_web_relatives_end, NULL, 0);
    if (snapshot->about.relatives_more) {
        PIECE(emit, &pst_web_relatives_more, NUMBER("more", snapshot->about.relatives_more));
    }
    if (snapshot->about.relatives_cut) {
        pst_emit_piece(emit, &pst_web_relatives_cut, NULL, 0);
    }
    pst_emit_piece(emit, &pst_web_relatives_close, NULL, 0);
}

/* ---- programs ---- */

static void print_relative_verdict(pst_emit_t *emit, const pst_shared_relative_t *relative)
{
    int grows = relative->state == PST_TREND_GROWING;

    pst_emit_text(emit, "trend", pst_trend_word(relative->state));
    if (grows) {
        pst_emit_seconds(emit, "since", relative->since, 3);
        pst_emit_signed(emit, "bytes_per_minute", relative->per_minute);
        pst_emit_signed(emit, "gained_bytes", relative->gained);
    }
    else {
        pst_emit_null(emit, "since");
        pst_emit_null(emit, "bytes_per_minute");
        pst_emit_null(emit, "gained_bytes");
    }
}

static void print_time(pst_emit_t *emit, const char *key, apr_uint64_t time)
{
    if (time) {
        pst_emit_seconds(emit, key, time, 3);
    }
    else {
        pst_emit_null(emit, key);
    }
}

void pst_view_relatives_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    int known = snapshot->about.relatives_known == PST_RELATIVES_KNOWN;

    print_time(emit, "relatives_time", snapshot->about.relatives_time);
    if (known) {
        pst_emit_number(emit, "relatives_more", snapshot->about.relatives_more);
        pst_emit_flag(emit, "relatives_cut", snapshot->about.relatives_cut != 0);
    }
    else {
        pst_emit_null(emit, "relatives_more");
        pst_emit_null(emit, "relatives_cut");
        pst_emit_null(emit, "relatives");
        return;
    }
    pst_emit_array(emit, "relatives", "Relative");
    for (apr_uint32_t i = 0; i < snapshot->relative_count && emit->status == APR_SUCCESS; i++) {
        const pst_shared_relative_t *relative = &snapshot->relatives[i];

        pst_emit_element(emit, relative->pid);
        pst_emit_number(emit, "pid", relative->pid);
        pst_emit_number(emit, "parent", relative->parent);
        pst_emit_text(emit, "role", pst_role_word(relative->role));
        pst_emit_text(emit, "command", relative->command);
        print_time(emit, "started", relative->started);
        for (unsigned c = 0; c < PST_ITEMS(columns); c++) {
            pst_emit_figure(emit, pst_metric_short_key(columns[c]), columns[c],
                            pst_relative_figure(relative, columns[c]));
        }
        print_time(emit, "pss_time", relative->pss_time);
        print_relative_verdict(emit, relative);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}
