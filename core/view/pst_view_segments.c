/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_view_segments.h.  The markup is in web/segments.html.
 */
#include "pst_view_segments.h"
#include "pst_format.h"
#include "pst_piece.h"
#include "pst_snapshot_segments.h"
#include "pst_web.h"

#define UNKNOWN "—"

void pst_view_segments(pst_emit_t *emit, const pst_page_t *page)
{
    const pst_snapshot_t *snapshot = page->snapshot;

    if (!snapshot->about.segments_time || !snapshot->segment_count) {
        return;
    }
    pst_emit_piece(emit, &pst_web_segments, NULL, 0);
    for (apr_uint32_t i = 0; i < snapshot->segment_count && emit->status == APR_SUCCESS; i++) {
        const pst_shared_segment_t *segment = &snapshot->segments[i];
        char size[PST_FORMAT_LEN], rss[PST_FORMAT_LEN];

        PIECE(emit, &pst_web_segment_row, TEXT("kind", pst_segment_word(segment->kind)), TEXT("name", segment->name),
              TEXT("maker", segment->maker[0] ? segment->maker : UNKNOWN), NUMBER("count", segment->count),
              NUMBER("generation", segment->generation), NUMBER("exact", segment->bytes),
              TEXT("size", pst_format_size(size, segment->bytes)), NUMBER("exact_rss", segment->rss_bytes),
              TEXT("rss", pst_format_size(rss, segment->rss_bytes)));
    }
    pst_emit_piece(emit, &pst_web_segments_end, NULL, 0);
    if (snapshot->about.segments_more) {
        PIECE(emit, &pst_web_segments_more, NUMBER("more", snapshot->about.segments_more));
    }
    pst_emit_piece(emit, &pst_web_segments_close, NULL, 0);
}

void pst_view_segments_tree(pst_emit_t *emit, const pst_snapshot_t *snapshot)
{
    if (!snapshot->about.segments_time) {
        pst_emit_null(emit, "segments_time");
        pst_emit_null(emit, "segments_more");
        pst_emit_null(emit, "segments");
        return;
    }
    pst_emit_seconds(emit, "segments_time", snapshot->about.segments_time, 3);
    pst_emit_number(emit, "segments_more", snapshot->about.segments_more);
    pst_emit_array(emit, "segments", "Segment");
    for (apr_uint32_t i = 0; i < snapshot->segment_count && emit->status == APR_SUCCESS; i++) {
        const pst_shared_segment_t *segment = &snapshot->segments[i];

        pst_emit_element(emit, i + 1);
        pst_emit_text(emit, "kind", pst_segment_word(segment->kind));
        pst_emit_text(emit, "name", segment->name);
        if (segment->maker[0]) {
            pst_emit_text(emit, "maker", segment->maker);
        }
        else {
            pst_emit_null(emit, "maker");
        }
        pst_emit_number(emit, "count", segment->count);
        pst_emit_number(emit, "bytes", segment->bytes);
        pst_emit_number(emit, "rss_bytes", segment->rss_bytes);
        pst_emit_number(emit, "generation", segment->generation);
        pst_emit_end(emit);
    }
    pst_emit_end(emit);
}
