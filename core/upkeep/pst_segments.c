/* SPDX-License-Identifier: Apache-2.0
 *
 * See pst_segments.h.
 */
#include "pst_segments.h"
#include "pst_array.h"
#include "pst_figure.h"
#include "pst_text.h"

#include <stdlib.h>
#include <string.h>

static pst_shm_t seen[PST_SEGMENTS_KNOWN];      /* too large for a stack; one thread of one process */

/* -- the segments ------------------------------------------------------------- */

static const pst_segment_known_t *find_segment(const pst_segment_known_t *known, apr_uint32_t count,
                                              const pst_shm_t *shm)
{
    for (apr_uint32_t i = 0; i < count; i++) {
        if (known[i].shm.inode == shm->inode && known[i].shm.device == shm->device) {
            return &known[i];
        }
    }
    return NULL;
}

int pst_segments_look(pst_segments_t *segments, apr_uint32_t generation, const char *maker, int resident)
{
    static pst_segment_known_t before[PST_SEGMENTS_KNOWN];
    pst_shm_reader_t reader = { .to = seen, .room = PST_SEGMENTS_KNOWN };
    apr_uint32_t had = segments->count < PST_SEGMENTS_KNOWN ? segments->count : PST_SEGMENTS_KNOWN;

    if (pst_shm_read(&reader, resident) != APR_SUCCESS) {
        return 0;
    }
    memcpy(before, segments->known, had * sizeof(before[0]));
    for (unsigned i = 0; i < reader.count; i++) {
        pst_segment_known_t *to = &segments->known[i];
        const pst_segment_known_t *from = find_segment(before, had, &seen[i]);

        if (from) {
            *to = *from;
        }
        else {
            memset(to, 0, sizeof(*to));
            to->generation = generation;
            pst_cut(to->maker, sizeof(to->maker), maker);
        }
        if (from && !resident) {
            seen[i].rss = from->shm.rss;
            seen[i].pss = from->shm.pss;
        }
        to->shm = seen[i];
    }
    segments->count = reader.count;
    segments->more = reader.more;
    return 1;
}

/* -- their makers ------------------------------------------------------------- */

static int by_makers_bytes(const void *one, const void *two)
{
    const pst_shared_maker_t *a = one, *b = two;

    return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

void pst_makers_add(pst_shared_maker_t *makers, unsigned count, const char *name, apr_uint64_t bytes)
{
    unsigned i = 0;

    while (i < count && makers[i].name[0] && strcmp(makers[i].name, name) != 0) {
        i++;
    }
    if (i == count || !name[0] || !bytes) {
        return;
    }
    pst_cut(makers[i].name, sizeof(makers[i].name), name);
    makers[i].bytes = pst_plus(makers[i].bytes, bytes);
    qsort(makers, count, sizeof(*makers), by_makers_bytes);
}

void pst_segments_makers(const pst_segments_t *segments, apr_uint32_t generation,
                         pst_shared_maker_t makers[PST_MAKER_COUNT])
{
    pst_shared_maker_t all[PST_SEGMENTS_KNOWN / 4];

    memset(all, 0, sizeof(all));
    for (apr_uint32_t i = 0; i < segments->count && i < PST_SEGMENTS_KNOWN; i++) {
        if (segments->known[i].generation == generation) {
            pst_makers_add(all, PST_ITEMS(all), segments->known[i].maker, segments->known[i].shm.bytes);
        }
    }
    memcpy(makers, all, PST_MAKER_COUNT * sizeof(*makers));
}

/* -- on the board ------------------------------------------------------------- */

static pst_segment_e kind_of_segment(const pst_shm_t *shm, const pst_segments_hints_t *hints)
{
    apr_uint64_t scoreboard = (apr_uint64_t)(apr_uintptr_t)hints->scoreboard;

    if (scoreboard && scoreboard >= shm->from && scoreboard - shm->from < shm->bytes) {
        return PST_SEGMENT_SCOREBOARD;
    }
    if (hints->board_inode && shm->inode == hints->board_inode) {
        return PST_SEGMENT_BOARD;
    }
    if (!strncmp(shm->name, "SYSV", 4)) {
        return PST_SEGMENT_SYSV;
    }
    if (!strncmp(shm->name, "memfd:", 6)) {
        return PST_SEGMENT_MEMFD;
    }
    return !shm->name[0] || !strcmp(shm->name, "zero (deleted)") ? PST_SEGMENT_ANONYMOUS : PST_SEGMENT_FILE;
}

static int by_rows_bytes(const void *one, const void *two)
{
    const pst_shared_segment_t *a = one, *b = two;

    return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

/* One row for all segments that are alike. */
static unsigned collect_rows(pst_shared_segment_t *rows, const pst_segments_t *segments,
                             const pst_segments_hints_t *hints)
{
    unsigned count = 0;

    for (apr_uint32_t i = 0; i < segments->count && i < PST_SEGMENTS_KNOWN; i++) {
        const pst_segment_known_t *known = &segments->known[i];
        pst_segment_e kind = kind_of_segment(&known->shm, hints);
        unsigned row = 0;

        while (row < count && (rows[row].kind != kind || rows[row].bytes / rows[row].count != known->shm.bytes
                               || strcmp(rows[row].name, known->shm.name) || strcmp(rows[row].maker, known->maker))) {
            row++;
        }
        if (row == count) {
            memset(&rows[count++], 0, sizeof(rows[0]));
            rows[row].kind = (uint32_t)kind;
            pst_cut(rows[row].name, sizeof(rows[row].name), known->shm.name);
            pst_cut(rows[row].maker, sizeof(rows[row].maker), known->maker);
        }
        rows[row].count++;
        rows[row].bytes = pst_plus(rows[row].bytes, known->shm.bytes);
        rows[row].rss_bytes = pst_plus(rows[row].rss_bytes, known->shm.rss);
        rows[row].generation = known->generation > rows[row].generation ? known->generation : rows[row].generation;
    }
    qsort(rows, count, sizeof(*rows), by_rows_bytes);
    return count;
}

void pst_segments_publish(const pst_segments_t *segments, const pst_board_t *board, const pst_segments_hints_t *hints,
                          apr_uint64_t now)
{
    static pst_shared_segment_t rows[PST_SEGMENTS_KNOWN];
    pst_shared_header_t *header = pst_board_header(board);
    unsigned count = collect_rows(rows, segments, hints), more = segments->more;

    for (unsigned i = 0; i < PST_SEGMENT_COUNT; i++) {
        pst_shared_segment_t *to = pst_board_segment(board, i);

        pst_seq_begin(&to->seq);
        memset((char *)to + sizeof(to->seq), 0, sizeof(*to) - sizeof(to->seq));
        if (i < count) {
            memcpy((char *)to + sizeof(to->seq), (const char *)&rows[i] + sizeof(to->seq),
                   sizeof(*to) - sizeof(to->seq));
        }
        pst_seq_end(&to->seq);
    }
    for (unsigned i = PST_SEGMENT_COUNT; i < count; i++) {
        more += rows[i].count;
    }
    __atomic_store_n(&header->segments_more, more, __ATOMIC_RELAXED);
    pst_store(&header->segments_time, now);
}
