/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: shared memory by segment. Mappings of one file or segment are one row, whatever else is in maps; a new one
 * belongs to its maker, one that is gone is forgotten; similar rows are one; a hostile row does no harm.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_segments.h"
#include "pst_snapshot.h"
#include "pst_snapshot_segments.h"

#include <string.h>
#include <sys/mman.h>

static apr_pool_t *pool;
static pst_board_t board;
static pst_segments_t segments;
static pst_snapshot_t snapshot;

static void parsed(void)
{
    static const char text[] =
        "55d0-55d8 r--p 00000000 fd:01 17 /usr/sbin/apache2\n"
        "Size: 4 kB\nRss: 4 kB\nPss: 4 kB\nShared_Clean: 0 kB\nVmFlags: rd mr\n"
        "7f0000000000-7f0000100000 rw-s 00000000 00:01 4711                       /dev/zero (deleted)\n"
        "Size: 1024 kB\nRss:  512 kB\nPss: 256 kB\nSwap: 0 kB\n"
        "7f0000200000-7f0000300000 rw-s 00000000 fd:01 99 /run/apache2/poolstat.board\n"
        "Rss: 8 kB\n"
        "7f0000300000-7f0000400000 r--s 00100000 fd:01 99 /run/apache2/poolstat.board\n"
        "Rss: 16 kB\n"
        "7f0000500000-7f0000600000 rw-s 00000000 00:05 3 /SYSV00000000 (deleted)\n"
        "Rss: 99999999999999999999 kB\n"
        "garbage\n7f-\nzz-yy rw-s\n7f0000800000-7f0000700000 rw-s 0 0:0 1 /x\n7f0000800000-7f0000900000 rw-s\n"
        "7f0000800000-7f0000900000 rw-s 00000000 fd:01 1 /a/very/long/name/that/goes/on/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n";
    pst_shm_t to[4];
    pst_shm_reader_t reader = { .to = to, .room = 4 };

    for (const char *at = text; *at; at++) {
        pst_shm_feed(&reader, at, 1);
    }
    is_number(reader.count, 4, "four that are shared");
    is_number(to[0].bytes, 1 << 20, "a segment");
    is_number(to[0].rss, 512 * 1024, "what of it is resident");
    is_number(to[0].pss, 256 * 1024, "and its part");
    is_number(to[0].inode, 4711, "by its number");
    ok(!strcmp(to[0].name, "zero (deleted)"), "as the kernel has it");
    is_number(to[1].bytes, 2 << 20, "two mappings of one file");
    is_number(to[1].rss, 24 * 1024, "what of both is resident");
    is_number(to[1].from, 0x7f0000200000, "where the first begins");
    is_number(to[2].rss, 0, "a size that none has");
    is_number(strlen(to[3].name), PST_SHM_NAME - 1, "a name is cut");
    reader = (pst_shm_reader_t){ .to = to, .room = 1 };
    pst_shm_feed(&reader, text, sizeof(text) - 1);
    is_number(reader.count, 1, "no more than there is room for");
    ok(reader.more > 0, "the others are counted");
}

static const pst_shared_segment_t *row_by(const char *maker)
{
    const pst_filter_t all = { .kind = -1 };

    if (pst_snapshot_take(&snapshot, &board, &all, NOW, pool) != APR_SUCCESS) {
        return NULL;
    }
    for (apr_uint32_t i = 0; i < snapshot.segment_count; i++) {
        if (!strcmp(snapshot.segments[i].maker, maker)) {
            return &snapshot.segments[i];
        }
    }
    return NULL;
}

static void *shared(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    memset(at, 1, size);
    return at;
}

static void made(void)
{
    const pst_segments_hints_t none = { NULL, 0 };
    pst_shared_maker_t makers[PST_MAKER_COUNT];
    const pst_shared_segment_t *row;
    void *first, *second, *other;

    ok(pst_segments_look(&segments, 1, "", 0), "what was there before");
    first = shared(1 << 20);
    second = shared(1 << 20);
    pst_segments_look(&segments, 1, "mod_one.so", 0);
    other = shared(1 << 16);
    pst_segments_look(&segments, 1, "mod_two.so", 0);
    pst_segments_makers(&segments, 1, makers);
    ok(!strcmp(makers[0].name, "mod_one.so") && makers[0].bytes == 2 << 20, "who made most");
    ok(!strcmp(makers[1].name, "mod_two.so") && makers[1].bytes == 1 << 16, "and who less");
    ok(!makers[2].name[0], "nobody else");
    pst_segments_look(&segments, 2, "", 1);
    pst_segments_publish(&segments, &board, &none, NOW);
    row = row_by("mod_one.so");
    ok(row && row->count == 2 && row->bytes == 2 << 20 && row->rss_bytes == 2 << 20 && row->kind == PST_SEGMENT_ANONYMOUS
           && row->generation == 1, "two that are alike are one row");
    munmap(first, 1 << 20);
    pst_segments_look(&segments, 2, "", 1);
    pst_segments_makers(&segments, 1, makers);
    is_number(makers[0].bytes, 1 << 20, "one that is gone is forgotten");
    munmap(second, 1 << 20);
    munmap(other, 1 << 16);
    pst_segments_look(&segments, 2, "", 1);
    pst_segments_makers(&segments, 1, makers);
    ok(!makers[0].name[0], "all are gone");
    first = shared(1 << 20);
    pst_segments_look(&segments, 2, "", 1);
    pst_segments_publish(&segments, &board, &(pst_segments_hints_t){ (char *)first + 4096, 0 }, NOW);
    row = row_by("");
    ok(snapshot.segment_count > 0 && snapshot.segments[0].kind == PST_SEGMENT_SCOREBOARD, "told by an address in it");
    munmap(first, 1 << 20);
}

static void hostile(void)
{
    for (apr_uint32_t i = 0; i < PST_SEGMENT_COUNT; i++) {
        memset(pst_board_segment(&board, i), 0xff, sizeof(pst_shared_segment_t));
        pst_board_segment(&board, i)->seq = 2;
    }
    pst_board_header(&board)->segments_time = UINT64_MAX;
    row_by("");
    is_number(snapshot.segment_count, PST_SEGMENT_COUNT, "rows full of ones");
    ok(memchr(snapshot.segments[0].name, 0, PST_SEGMENT_LEN) && !snapshot.segments[0].bytes
           && !strcmp(pst_segment_word(snapshot.segments[0].kind), "?"), "are made harmless");
    is_number(snapshot.about.segments_time, 0, "a time that is none");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 2, 2, pool);
    parsed();
    made();
    hostile();
    return done();
}
