/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: call sites.  With a rate of one byte every growth is sampled and everything is exact; with
 * a larger one the estimates must be within what chance allows; stacks are distinguished, also when
 * they were seen before; rows and samples that run out; moves; threads.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_object.h"
#include "pst_place.h"
#include "pst_site.h"
#include "pst_view_profile.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *block;
static pst_snapshot_t snap;
static const pst_filter_t all = { .kind = -1 };

static void fresh(apr_uint64_t rate)
{
    memset(pst_board_site(&board, block, 0), 0, PST_SITE_COUNT * sizeof(pst_shared_site_t));
    block->samples_lost = 0;
    pst_site_start(&board, block, rate);
}

static void record_of(pst_record_t *record)
{
    memset(record, 0, sizeof(*record));
    record->account = pst_account_process();
    record->of_class = 1;
}

static __attribute__((noinline)) void grow_here(pst_record_t *record, apr_size_t size, int first)
{
    pst_site_grow(record, size, first);
    __asm__ volatile("");
}

static __attribute__((noinline)) void grow_there(pst_record_t *record, apr_size_t size, int first)
{
    pst_site_grow(record, size, first);
    __asm__ volatile("" ::: "memory");
}

/* A different stack for each combination of bits. */
static void by_path(pst_record_t *record, unsigned path, int levels);
static __attribute__((noinline)) void left(pst_record_t *record, unsigned path, int levels)
{
    by_path(record, path >> 1, levels - 1);
    __asm__ volatile("");
}
static __attribute__((noinline)) void right(pst_record_t *record, unsigned path, int levels)
{
    by_path(record, path >> 1, levels - 1);
    __asm__ volatile("" ::: "memory");
}
static __attribute__((noinline)) void by_path(pst_record_t *record, unsigned path, int levels)
{
    if (!levels) {
        grow_here(record, 8192, 0);
    }
    else if (path & 1) {
        left(record, path, levels);
    }
    else {
        right(record, path, levels);
    }
    __asm__ volatile("");
}

static apr_uint64_t sum_of(apr_uint64_t (*figure)(const pst_shared_site_t *))
{
    apr_uint64_t sum = 0;

    for (unsigned i = 0; i < PST_SITE_COUNT; i++) {
        sum += figure(pst_board_site(&board, block, i));
    }
    return sum;
}
static apr_uint64_t live(const pst_shared_site_t *row) { return row->site_live_bytes; }
static apr_uint64_t ever(const pst_shared_site_t *row) { return row->site_ever_bytes; }
static apr_uint64_t live_samples(const pst_shared_site_t *row) { return row->site_live_samples; }
static apr_uint64_t ever_samples(const pst_shared_site_t *row) { return row->site_ever_samples; }
static apr_uint64_t left_samples(const pst_shared_site_t *row) { return row->site_left_samples; }
static apr_uint64_t left_bytes(const pst_shared_site_t *row) { return row->site_left_bytes; }
static apr_uint64_t used(const pst_shared_site_t *row) { return row->site_ever_samples != 0; }

static void exact(void)
{
    pst_record_t a, b;

    fresh(1);
    record_of(&a);
    record_of(&b);
    for (int i = 0; i < 10; i++) {
        grow_here(&a, 8192, i == 0);
        grow_there(&b, 16384, i == 0);
    }
    is_number(sum_of(live), 10 * (8192 + 16384), "at one byte a sample everything is sampled");
    is_number(sum_of(live_samples), 20, "each growth once");
    is_number(sum_of(used), 2, "two stacks");
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
    is_number(snap.site_count, 2, "in the snapshot");
    is_number(snap.sites[0].row.site_live_bytes, 10 * 16384, "the larger first");
    pst_site_drop(&a, 0);
    is_number(sum_of(live), 8192 + 10 * 16384, "a clear leaves the first node");
    is_number(sum_of(ever), 10 * (8192 + 16384), "ever stays");
    pst_site_drop(&b, 1);
    is_number(sum_of(live), 8192, "a destroy leaves nothing");
    pst_site_drop(&a, 1);
    is_number(sum_of(live_samples), 0, "nothing is live");
    is_number(sum_of(ever_samples), 20, "all that ever was");
    ok(!a.samples && !b.samples, "the pools have no samples");
}

/* Does the leading frame lie in this function, and not in the other of the two? */
static int leads_in(const pst_site_row_t *site, const void *function)
{
    const void *other = function == (const void *)grow_here ? (const void *)grow_there : (const void *)grow_here;
    const pst_object_t *object = pst_object_find(function);
    apr_uintptr_t at = (apr_uintptr_t)PST_FRAME_OFFSET(site->row.frames[0]) + object->base;

    return at >= (apr_uintptr_t)function && at < (apr_uintptr_t)function + 400
           && (other < function || at < (apr_uintptr_t)other);
}

static void places(void)
{
    char text[PST_PLACE_LEN];
    pst_place_t place;
    pst_record_t a;

    fresh(1);
    record_of(&a);
    grow_here(&a, 8192, 0);
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
    ok(snap.sites[0].row.depth >= 3, "a stack has some depth");
    ok(leads_in(&snap.sites[0], (const void *)grow_here), "the function that grew leads");
    pst_place_of(&place, &snap, snap.sites[0].row.frames[0]);
    is_text(place.module, program_invocation_short_name, "its object by name");
    ok(strncmp(pst_place_text(text, &place), place.module, strlen(place.module)) == 0, "as people read it");
    pst_place_of(&place, &snap, PST_FRAME(255, 16));
    is_text(pst_place_text(text, &place), "?+0x10", "an object that nobody knows");
    pst_site_drop(&a, 1);
}

static void paths(void)
{
    static pst_record_t records[256];
    apr_uint64_t stacks;

    fresh(1);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned path = 0; path < 32; path++) {
            record_of(&records[path]);
            by_path(&records[path], path, 5);
        }
        stacks = sum_of(used);
        is_number(stacks, 32, round ? "and are found again" : "32 ways to one place are 32 stacks");
        for (unsigned i = 0; i < PST_SITE_COUNT; i++) {
            const pst_shared_site_t *row = pst_board_site(&board, block, i);

            if (row->site_ever_samples && row->site_ever_samples != round + 1) {
                ok(0, "each got its own");
            }
        }
        for (unsigned path = 0; path < 32; path++) {
            pst_site_drop(&records[path], 1);
        }
    }
    fresh(1);
    for (unsigned path = 0; path < 256; path++) {
        record_of(&records[path]);
        by_path(&records[path], path, 8);
    }
    is_number(sum_of(live_samples), 256, "more stacks than rows: none is lost");
    is_number(pst_board_site(&board, block, 0)->site_live_samples, 256 - (PST_SITE_COUNT - 1), "the rest is in row 0");
    for (unsigned path = 0; path < 256; path++) {
        pst_site_drop(&records[path], 1);
    }
    is_number(sum_of(live_samples), 0, "all of it ends");
    for (int i = 0; i < 50; i++) {
        grow_there(&records[0], 8192, 0);
    }
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
    is_number(snap.sites[0].row.site_live_bytes, 50 * 8192, "a leak that comes late gets a row");
    ok(leads_in(&snap.sites[0], (const void *)grow_there), "by its name");
    is_number(sum_of(ever_samples), 256 + 50, "what the row had before is not lost");
    for (unsigned path = 0; path < 256; path++) {
        by_path(&records[path], path, 8);
    }
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
    stacks = 0;
    for (apr_uint32_t i = 0; i < snap.site_count; i++) {
        if (snap.sites[i].index && leads_in(&snap.sites[i], (const void *)grow_there)) {
            stacks += snap.sites[i].row.site_ever_samples;
        }
    }
    is_number(stacks, 50, "and those who had it before do not count there");
    for (unsigned path = 0; path < 256; path++) {
        pst_site_drop(&records[path], 1);
    }
}

static void moves(void)
{
    static pst_shared_site_t before[PST_SITE_COUNT];
    pst_account_t request = { .scope = PST_SCOPE_REQUEST };
    unsigned fell = 0;
    pst_record_t a, b;

    fresh(1);
    record_of(&a);
    record_of(&b);
    grow_here(&a, 8192, 1);
    grow_here(&b, 8192, 1);
    a.account = &request;
    a.of_class = 7;
    pst_site_moved(&a);
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
    is_number(snap.site_count, 2, "a pool that changes scope and class takes its samples along");
    is_number(sum_of(live_samples), 2, "none twice");
    is_number(sum_of(ever_samples), 3, "the one that moved came to both");
    is_number(sum_of(left_samples), 1, "and left one of them");
    for (unsigned i = 0; i < PST_SITE_COUNT; i++) {
        before[i] = *pst_board_site(&board, block, i);
    }
    for (unsigned i = 0; i < 1000; i++) {
        a.of_class = i % 7;
        a.account = i % 3 ? &request : b.account;
        pst_site_moved(&a);
        for (unsigned j = 0; j < PST_SITE_COUNT; j++) {
            const pst_shared_site_t *row = pst_board_site(&board, block, j);

            fell += row->site_ever_bytes < before[j].site_ever_bytes || row->site_ever_samples < before[j].site_ever_samples
                    || row->site_ever_sampled_bytes < before[j].site_ever_sampled_bytes
                    || row->site_left_samples < before[j].site_left_samples;
            before[j] = *row;
        }
    }
    is_number(fell, 0, "no counter falls, however often it moves");
    is_number(sum_of(ever_samples) - sum_of(left_samples), 2, "none twice of ever");
    is_number(sum_of(ever) - sum_of(left_bytes), 2 * 8192, "nor of its bytes");
    pst_site_drop(&a, 1);
    pst_site_drop(&b, 1);
    is_number(sum_of(live), 0, "and they end where they are");
}

static void exhaustion(void)
{
    pst_record_t a;

    fresh(1);
    record_of(&a);
    for (unsigned i = 0; i < 70000; i++) {
        grow_here(&a, 8192, 0);
    }
    is_number(sum_of(live_samples) + block->samples_lost, 70000, "samples for which there is no room are counted");
    ok(block->samples_lost > 0, "there were some");
    is_number(sum_of(ever_samples), 70000, "ever knows them");
    pst_site_drop(&a, 1);
    grow_here(&a, 8192, 0);
    is_number(sum_of(live_samples), 1, "afterwards there is room again");
    pst_site_drop(&a, 1);
    is_number(sum_of(live), 0, "all given back");
}

/* Sizes of all kinds at 64 KiB: the estimate is the truth, within five standard deviations. */
static void unbiased(void)
{
    static const apr_size_t sizes[] = { 8192, 12288, 40960, 65536, 262144, 1048576 };
    const double rate = 65536;

    for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        double p = -expm1(-(double)sizes[s] / rate), n = 64.0 * 1048576 * 4 / (double)sizes[s];
        double deviation = sqrt(n * p * (1 - p)) * (double)sizes[s] / p, got;
        pst_record_t a;

        fresh(65536);
        record_of(&a);
        for (unsigned i = 0; i < (unsigned)n; i++) {
            grow_here(&a, sizes[s], 0);
        }
        got = (double)sum_of(live);
        if (!ok(fabs(got - n * (double)sizes[s]) <= 5 * deviation + (double)sizes[s],
                apr_psprintf(pool, "growths of %lu bytes", (unsigned long)sizes[s]))) {
            printf("# %.0f of %.0f, a deviation is %.0f\n", got, n * (double)sizes[s], deviation);
        }
        pst_site_drop(&a, 1);
    }
}

static void off(void)
{
    pst_record_t a;

    fresh(0);
    record_of(&a);
    for (int i = 0; i < 1000; i++) {
        grow_here(&a, 1048576, 0);
    }
    is_number(sum_of(ever_samples), 0, "a rate of 0 samples nothing");
    ok(!a.samples, "and leaves nothing on the pool");
}

#define THREADS 4

static void *race(void *seed)
{
    unsigned dice = (unsigned)(apr_uintptr_t)seed;

    for (int i = 0; i < 3000; i++) {
        pst_record_t a;

        record_of(&a);
        for (unsigned n = (unsigned)rand_r(&dice) % 5; n; n--) {
            by_path(&a, (unsigned)rand_r(&dice) % 16, 4);
        }
        pst_site_drop(&a, 1);
    }
    return NULL;
}

static void races(void)
{
    pthread_t threads[THREADS];

    fresh(16384);
    for (apr_uintptr_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, race, (void *)(i + 1));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    is_number(sum_of(live_samples), 0, "threads: what begins ends");
    is_number(sum_of(live), 0, "to the byte");
    ok(sum_of(ever_samples) > 1000, "and was sampled");
}

static void lies(void)
{
    apr_size_t size = PST_SITE_COUNT * sizeof(pst_shared_site_t);
    char *bytes = (char *)pst_board_site(&board, block, 0);
    int good = 1;

    srand(3);
    for (int round = 0; round < 300; round++) {
        apr_pool_t *p;

        for (apr_size_t i = 0; i < size; i++) {
            bytes[i] = (char)rand();
        }
        apr_pool_create(&p, pool);
        good &= pst_snapshot_take(&snap, &board, &all, NOW, p) == APR_SUCCESS;
        for (apr_uint32_t i = 0; i < snap.site_count; i++) {
            const pst_shared_site_t *row = &snap.sites[i].row;

            good &= row->depth <= PST_SITE_FRAMES && row->scope < PST_SCOPE_COUNT && row->site_live_bytes <= INT64_MAX;
            for (unsigned f = 0; f < PST_SITE_FRAMES; f++) {
                good &= PST_FRAME_MODULE(row->frames[f]) < PST_MODULE_COUNT;
            }
        }
        apr_pool_destroy(p);
    }
    ok(good, "random bytes are disarmed");
}

/* The text collected by a sink. */
static char text[1 << 20];
static apr_size_t text_len;

static apr_status_t gather(void *baton, const char *data, apr_size_t len)
{
    (void)baton;
    if (len >= sizeof(text) - text_len) {
        return APR_ENOSPC;
    }
    memcpy(text + text_len, data, len);
    text[text_len += len] = '\0';
    return APR_SUCCESS;
}

static void profile(void)
{
    static pst_emit_t emit;
    pst_record_t a;

    fresh(1);
    record_of(&a);
    grow_here(&a, 8192, 0);
    grow_here(&a, 8192, 0);
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
    pst_emit_init(&emit, PST_EMIT_TEXT, gather, NULL);
    pst_view_profile(&emit, &snap, PST_PROFILE_POOLS);
    pst_emit_flush(&emit);
    ok(strncmp(text, "heap profile:      2:    16384 [     2:    16384] @ heapprofile\n", 63) == 0, "a profile begins with its sum");
    ok(strstr(text, "\n     2:    16384 [     2:    16384] @ 0x") || strstr(text, "\n     1:     8192 [     1:     8192] @ 0x"), "has lines of stacks");
    ok(strstr(text, "\nMAPPED_LIBRARIES:\n") && strstr(text, "r-xp"), "and the mapped objects");
    for (apr_uint32_t i = 0; i < PST_SITE_COUNT; i++) {
        pst_shared_site_t *row = pst_board_site(&board, block, i);

        row->site_live_bytes = row->site_live_samples = (apr_uint64_t)1 << 62;
        row->site_live_sampled_bytes = 1;
    }
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
    text_len = 0;
    pst_emit_init(&emit, PST_EMIT_TEXT, gather, NULL);
    pst_view_profile(&emit, &snap, PST_PROFILE_POOLS);
    pst_emit_flush(&emit);
    ok(strstr(text, "\n     0: 4611686018427387904 [") != NULL, "more of them than there can be are none");
    pst_site_drop(&a, 1);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make_board(&board, 4, 2, pool);
    block = claim_block(&board, 100, 1);
    exact();
    places();
    paths();
    moves();
    exhaustion();
    unbiased();
    off();
    races();
    profile();
    lies();
    pst_board_close(&board);
    apr_terminate();
    return done();
}
