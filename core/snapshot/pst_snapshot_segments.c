/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_snapshot_segments.h.
 */
#include "pst_snapshot_segments.h"
#include "pst_figure.h"

#include <stdlib.h>

const char *pst_segment_word(unsigned kind)
{
    static const char *const words[PST_SEGMENT_COUNT_OF_KINDS] = {
        [PST_SEGMENT_ANONYMOUS] = "anonymous", [PST_SEGMENT_FILE] = "file", [PST_SEGMENT_SYSV] = "sysv",
        [PST_SEGMENT_MEMFD] = "memfd", [PST_SEGMENT_SCOREBOARD] = "scoreboard", [PST_SEGMENT_BOARD] = "board"
    };

    return kind < PST_SEGMENT_COUNT_OF_KINDS ? words[kind] : "?";
}

static int take_segment(pst_shared_segment_t *to, const pst_shared_segment_t *from)
{
    if (!pst_seq_copy(to, from, sizeof(*to)) || !to->count) {
        return 0;
    }
    to->bytes = pst_sane(to->bytes);
    to->rss_bytes = pst_sane(to->rss_bytes);
    to->name[sizeof(to->name) - 1] = to->maker[sizeof(to->maker) - 1] = '\0';
    return 1;
}

/* Largest first. */
static int by_segment_bytes(const void *one, const void *two)
{
    const pst_shared_segment_t *a = one, *b = two;

    return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

void pst_snapshot_segments(pst_snapshot_t *snapshot, const pst_board_t *board, apr_pool_t *pool)
{
    snapshot->about.segments_time = pst_sane(snapshot->about.segments_time);
    snapshot->segments = apr_pcalloc(pool, PST_SEGMENT_COUNT * sizeof(*snapshot->segments));
    for (apr_uint32_t i = 0; i < PST_SEGMENT_COUNT; i++) {
        snapshot->segment_count += (apr_uint32_t)take_segment(&snapshot->segments[snapshot->segment_count],
                                                      pst_board_segment(board, i));
    }
    qsort(snapshot->segments, snapshot->segment_count, sizeof(*snapshot->segments), by_segment_bytes);
}
