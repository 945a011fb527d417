/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: rings of points on the board: when a point is due, what it holds, what is left of it after
 * a wrap, a death, a clock set back, lies; and one writer and readers racing.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_account.h"
#include "pst_alike.h"
#include "pst_growth.h"
#include "pst_history.h"
#include "pst_trend.h"

#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_time.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ON_THE_MINUTE ((apr_uint64_t)1738367940 * 1000000)
#define SECOND APR_UINT64_C(1000000)
#define FINE 60

static apr_pool_t *pool;
static pst_board_t board;
static pst_history_t history;

static const char *board_path(void)
{
    const char *dir = NULL;

    apr_temp_dir_get(&dir, pool);
    return apr_psprintf(pool, "%s/poolstat-unit-history-%ld.board", dir ? dir : ".", (long)getpid());
}

static void make(apr_uint32_t children, apr_uint32_t fine, apr_uint32_t interval)
{
    const pst_board_about_t about = { .server = "Apache/2.4.0 (Unit)", .module = "unit", .mpm = "event",
                                      .interval = interval, .history = fine };
    const char *path = board_path();
    pst_board_t reader;

    if (pst_board_create(&board, path, children, 4, &about, pool) != APR_SUCCESS) {
        printf("Bail out! no board at %s\n", path);
        exit(1);
    }
    is_number((unsigned)open_board(&reader, path), APR_SUCCESS, "the file opens as a board");
    is_number(reader.size, board.size, "of the same size");
    pst_board_close(&reader);
    unlink(path);
    pst_history_room(&history, &board, pool);
}

static pst_shared_child_t *claim(apr_uint32_t pid)
{
    pst_shared_child_t *child = claim_block(&board, pid, 3);

    child->level = PST_LEVEL_FULL;
    child->started = ON_THE_MINUTE - SECOND;
    pst_history_start(&board, child);
    return child;
}

/* Figures of a quiet child: all nodes are whole pages, the books balance. */
static void figures(pst_shared_child_t *child, unsigned n)
{
    pst_shared_slot_t *slot = pst_board_slot(&board, child, 1);

    child->process.reserved_bytes = 40960 + n * 8192;
    child->unslotted.reserved_bytes = 8192;
    slot->in_use = 1;
    slot->id = 5;
    slot->has_request = 1;
    slot->usage.reserved_bytes = 24576;
    slot->request.reserved_bytes = 16384;
    child->child_reserved_bytes = child->process.reserved_bytes + 8192 + 24576;
    child->child_bucket_bytes = 12288;
    child->held_bytes = child->child_reserved_bytes + 12288 + 4096;
    child->child_peak_bytes = child->child_reserved_bytes + 4096;
    child->connections_open = 2;
    child->requests_finished = 0xfffffff0u + (apr_uint64_t)n * 8;
    child->process.pools = 7;
    child->process.slack_bytes = 8192;
    child->unslotted.slack_bytes = 1000;
    slot->usage.slack_bytes = 4096;
    child->books = (pst_shared_books_t){ .rss_bytes = 5000 * 4096, .pss_bytes = 3000 * 4096 + 1, .private_dirty_bytes = 2000 * 4096,
        .swap_bytes = n * 4096, .heap_in_use_bytes = 300 * 4096, .heap_free_bytes = 200 * 4096, .heap_arenas = 3,
        .file_bytes = 1000 * 4096, .shmem_bytes = 100 * 4096, .stack_bytes = 50 * 4096, .data_bytes = 40 * 4096,
        .other_bytes = 30 * 4096, .books_time = ON_THE_MINUTE, .maps_time = ON_THE_MINUTE };
}

static int read_pid(apr_uint32_t pid)
{
    return pst_history_find(&history.about, &board, pid) && pst_history_read(&history, &board);
}

static void points(void)
{
    pst_shared_child_t *child = claim(100);
    const pst_history_point_t *p;
    int added = 0, coarse = 0;
    tally_t wrong = { 0, 0 };

    ok(read_pid(100), "a history from the start");
    is_number(history.fine_count + history.coarse_count, 0, "empty");
    ok(!read_pid(101), "none of a pid that is not there");
    for (unsigned n = 0; n < 50; n++) {
        for (unsigned tenth = 0; tenth < 10; tenth++) {
            int what;

            figures(child, n);
            what = pst_history_beat(&board, child, ON_THE_MINUTE + n * SECOND + tenth * SECOND / 10 + 31000);
            added += what > 0;
            coarse += what > 1;
        }
    }
    is_number((unsigned)added, 50, "ten beats a second, one point a second");
    is_number((unsigned)coarse, 1, "one of them of the minute's ring");
    ok(read_pid(100), "read");
    is_number(history.fine_count, 50, "all fine points");
    p = &history.fine[10];
    is_number(p->process, 40960 + 10 * 8192, "process");
    is_number(p->connections, 8192 + 8192, "connections: those without a slot too, requests apart");
    is_number(p->requests, 16384, "requests");
    is_number(p->buckets, 12288, "buckets");
    is_number(p->retained, 4096, "retained");
    is_number(p->peak, 40960 + 10 * 8192 + 8192 + 24576 + 4096, "peak");
    is_number(p->connections_open, 2, "connections open");
    is_number(p->requests_finished, 0xfffffff0u + 10 * 8ull, "requests, beyond what 32 bits hold");
    is_number(p->time, ON_THE_MINUTE + 10 * SECOND + 31000, "time, to the millisecond");
    is_number(p->process_pools, 7, "pools of the process scope");
    is_number(p->slack, 12288, "slack of all scopes, whole pages");
    ok(p->rss == 5000 * 4096 && p->pss == 3000 * 4096 && p->private_dirty == 2000 * 4096 && p->swap == 10 * 4096, "the kernel's figures");
    ok(p->heap_in_use == 300 * 4096 && p->heap_free == 200 * 4096 && p->heap_arenas == 3, "the heap's");
    ok(p->file == 1000 * 4096 && p->shmem == 100 * 4096 && p->stacks == 50 * 4096 && p->data == 40 * 4096 && p->other == 30 * 4096,
       "the rest's");
    for (unsigned n = 0; n < 50; n++) {
        p = &history.fine[n];
        tally(&wrong, p->rss + p->swap + p->not_resident
                      != p->held + p->heap_in_use + p->heap_free + p->file + p->shmem + p->stacks + p->data
                     + p->other + p->unexplained || (p->unexplained && p->not_resident) || !p->unexplained, n);
    }
    none_wrong(&wrong, "and the remainder that nothing explains: the books are closed in every point");
    for (unsigned n = 0; n < 50; n++) {
        p = &history.fine[n];
        tally(&wrong, p->held != p->process + p->connections + p->requests + p->buckets + p->retained
                 || p->requests_finished != 0xfffffff0u + n * 8ull, n);
    }
    none_wrong(&wrong, "the books balance in every point, the counter has no leap");
    ok(history.about.alive && history.about.generation == 3 && history.about.pid == 100, "whose it is");
}

static void wraps(void)
{
    pst_shared_child_t *child = pst_board_child(&board, 0);
    apr_uint64_t at = ON_THE_MINUTE + 50 * SECOND;

    for (unsigned n = 50; n < 3 * 60 * 60; n++, at += SECOND) {
        figures(child, n);
        pst_history_beat(&board, child, at);
    }
    read_pid(100);
    is_number(history.fine_count, FINE, "a ring keeps as many as it was made for");
    is_number(history.fine[FINE - 1].time, at - SECOND, "the last one last");
    is_number(history.fine[0].time, at - FINE * SECOND, "the oldest first");
    is_number(history.coarse_count, 180, "three hours of minutes");
    is_number(history.coarse[0].time, ON_THE_MINUTE + 31000, "the first of all");
    is_number(history.coarse[179].time - history.coarse[178].time, 60 * SECOND, "a minute apart");
    is_number((unsigned)pst_history_beat(&board, child, at - 7 * SECOND), 1, "a clock set back");
    read_pid(100);
    is_number(history.fine[FINE - 1].time, at - 7 * SECOND, "shows as one");
    is_number(history.fine[FINE - 2].time, at - SECOND, "and spoils no other time");
    figures(child, 9);
    child->held_bytes = 0;
    pst_history_beat(&board, child, at);
    read_pid(100);
    is_number(history.fine[FINE - 1].retained, 0, "held that is not known leaves nothing over");
    is_number(history.fine[FINE - 1].held, 40960 + 9 * 8192 + 16384 + 16384 + 12288, "and is the sum");
}

/* For a child whose end nobody noted: the newest of what it left, but nothing from the future, which must be a lie. */
static void last_signs(void)
{
    pst_shared_child_t *child = claim(150);
    apr_uint32_t i = (apr_uint32_t)pst_board_index(&board, child);
    apr_uint64_t now = child->started + 3600 * SECOND, at = child->started + 60 * SECOND;

    is_number(pst_history_last_sign(&board, i, now), child->started, "one that did nothing gave a sign at its start");
    child->books.books_time = child->started + 7 * SECOND;
    is_number(pst_history_last_sign(&board, i, now), child->started + 7 * SECOND, "its books are one");
    figures(child, 1);
    pst_history_beat(&board, child, at);
    is_number(pst_history_last_sign(&board, i, now), at, "so is its newest point");
    child->books.maps_time = now + 1;
    is_number(pst_history_last_sign(&board, i, now), at, "what is to come is none");
    is_number(pst_history_last_sign(&board, 3, now), 0, "a block never used gave none");
    child->books.maps_time = 0;
    memset(child, 0, sizeof(*child));
    pst_board_header(&board)->claimed--;
}

static void deaths(void)
{
    pst_shared_child_t *second = claim(200), *third = claim(300);
    pst_shared_child_t *again;

    ok(pst_board_index(&board, second) == 1 && pst_board_index(&board, third) == 2, "blocks never used come first");
    is_number((unsigned)pst_board_index(&board, (void *)&board), (unsigned)-1, "what is no block has no index");
    figures(second, 1);
    pst_history_beat(&board, second, ON_THE_MINUTE);
    pst_board_farewell(second);
    release_blocks(&board, 200);
    usleep(2000);
    release_blocks(&board, 100);
    ok(read_pid(100) && !history.about.alive && history.about.ended_how == PST_END_ABRUPT, "gone without a word");
    ok(history.about.ended > history.about.started && history.fine_count == FINE, "its points stay");
    ok(read_pid(200) && history.about.ended_how == PST_END_ORDERLY && history.fine_count == 1, "gone in order");
    ok(read_pid(300) && history.about.alive && !history.about.ended, "one lives");
    again = claim(400);
    is_number((unsigned)pst_board_index(&board, again), 3, "the last one never used");
    again = claim(500);
    is_number((unsigned)pst_board_index(&board, again), 1, "then the one that ended first");
    ok(!read_pid(200), "whose history is no more");
    ok(read_pid(100) && history.fine_count == FINE, "while that of the last to die stays");
    ok(read_pid(500) && history.fine_count == 0, "the new child's is empty");
    claim(600);
    ok(!read_pid(100) && read_pid(600), "until there is no other block");
    ok(!claim_block(&board, 700, 3) && pst_board_header(&board)->homeless == 1, "and then there is none");
}

static void verdicts(void)
{
    pst_shared_child_t *child = pst_board_child(&board, 2);
    pst_shared_slot_t *slot = pst_board_slot(&board, child, 1);
    apr_uint64_t at = ON_THE_MINUTE;

    for (unsigned n = 0; n < 40; n++, at += SECOND) {
        figures(child, n);
        slot->usage.reserved_bytes = 24576 + n * 16384;
        child->child_reserved_bytes += n * 16384;
        child->held_bytes += n * 16384;
        pst_history_beat(&board, child, at);
        pst_growth_process(&board, child, 0);
        pst_growth_connections(&board, child, at);
        if (n == 9) {
            is_number(slot->verdict.state, PST_TREND_GROWING, "a connection that grows is named within ten seconds");
        }
    }
    is_number(child->verdict.state, PST_TREND_GROWING, "a process scope that grows");
    ok(child->verdict.per_minute > 60 * 8192 * 0.97 && child->verdict.per_minute < 60 * 8192 * 1.03, "its rate");
    ok(child->verdict.per_request > 1020 && child->verdict.per_request < 1028, "its rate by request");
    ok(child->verdict.since >= ON_THE_MINUTE && child->verdict.since < ON_THE_MINUTE + 3 * SECOND, "since when");
    ok(slot->verdict.of == 5 && slot->verdict.scope == PST_SCOPE_CONNECTION, "the connection");
    ok(slot->verdict.per_minute > 60 * 16384 * 0.97 && slot->verdict.per_minute < 60 * 16384 * 1.03, "its rate");
    slot->id = 6;
    pst_growth_connections(&board, child, at);
    ok(slot->verdict.of == 6 && slot->verdict.state == PST_TREND_LITTLE, "the next in its slot begins anew");
    for (unsigned n = 0; n < 2000; n++, at += SECOND) {
        slot->usage.reserved_bytes = 24576 + 16384 + (n % 7) * 16384;
        slot->request.reserved_bytes = 16384 + n * 8192;
        slot->usage.reserved_bytes += n * 8192;
        slot->request_started = ON_THE_MINUTE;
        pst_growth_connections(&board, child, at);
    }
    ok(slot->verdict.state == PST_TREND_GROWING && slot->verdict.scope == PST_SCOPE_REQUEST,
       "a request that grows for half an hour on a connection that does not");
    ok(slot->verdict.per_minute > 60 * 8192 * 0.97 && slot->verdict.per_minute < 60 * 8192 * 1.03, "its rate");
}

static unsigned states_of(pst_shared_child_t *child, apr_uint64_t size, unsigned n, apr_uint64_t at, unsigned which)
{
    pst_shared_slot_t *slot = pst_board_slot(&board, child, 1);
    static pst_shared_verdict_t together;

    slot->usage.reserved_bytes = size;
    pst_growth_connections(&board, child, at);
    pst_alike_add(&together, which, 10 * size, 10, n, at);
    return (slot->verdict.state == PST_TREND_GROWING) | (unsigned)(together.state == PST_TREND_GROWING) << 1;
}

/*
 * Every other second more is held, more each time, and all of it given back. When two points become one, the smaller
 * stays: otherwise a thinned series would be a ramp of what was given back.
 */
static void thinned(void)
{
    pst_shared_child_t *child = pst_board_child(&board, 2);
    pst_shared_slot_t *slot = pst_board_slot(&board, child, 1);
    tally_t one = { 0, 0 }, alike = { 0, 0 };
    apr_uint64_t at = ON_THE_MINUTE + 5000 * SECOND;
    /* points of a series: the next one thins it */
    static const unsigned full[] = { 32, 64 };
    unsigned grows;

    figures(child, 0);
    slot->has_request = 0;
    slot->request.reserved_bytes = 0;
    slot->id = 77;
    for (unsigned n = 0; n < 1000; n++, at += SECOND) {
        grows = states_of(child, 1000000 + (n % 2 ? n * 65536 : 0), n, at, PST_SCOPE_CONNECTION);
        tally(&one, grows & 1, n);
        tally(&alike, grows & 2, n);
    }
    none_wrong(&one, "a connection that gives all back does not grow, however often its series is thinned");
    none_wrong(&alike, "neither do ten");
    for (unsigned f = 0; f < 2; f++) {
        for (unsigned n = 0; n < full[f] + 8; n++, at += SECOND) {
            slot->id = 78 + f;
            grows = states_of(child, 1000000 + (n < full[f] ? n % 2 ? n * 65536 : 0 : full[f] * 65536), n, at,
                              f ? PST_SCOPE_REQUEST : PST_SCOPE_CONNECTION);
            tally(f ? &alike : &one, grows & (f ? 2 : 1), n);
        }
    }
    none_wrong(&one, "nor if the last is held for a while: it was thinned to what was never given back");
    none_wrong(&alike, "nor ten");
}

/* Pools that serving makes on demand and keeps: a number per thread, each of them empty while nobody is served. */
static void on_demand(void)
{
    pst_shared_child_t *child = pst_board_child(&board, 2);
    pst_shared_class_t *class = pst_board_class(&board, child, 5);
    apr_uint64_t at = ON_THE_MINUTE + 10000 * SECOND;
    unsigned accused = 0, n;

    pst_board_header(&board)->threads_per_child = 4;        /* 4 * 8 and 32: so 64 pools */
    class->in_use = 1;
    for (n = 0; n < 400; n++, at += SECOND) {
        figures(child, 0);
        child->process.pools = 10 + (n < 64 ? n : 64);
        child->process.reserved_bytes = 40960 + 8192 * (child->process.pools - 10);
        class->class_pools_created = 1000 + (n < 64 ? n : 64);
        class->class_pools_destroyed = 1000;
        class->class_reserved_bytes = 8192 * (n < 64 ? n : 64);
        pst_history_beat(&board, child, at);
        pst_growth_process(&board, child, 0);
        pst_growth_classes(&board, child, at);
        accused += n > FINE && (child->verdict.state == PST_TREND_GROWING || class->verdict.state == PST_TREND_GROWING);
    }
    is_number(accused, 0, "64 pools that come one by one and stay are not accused");
    for (n = 0; n < 300 && !(child->verdict.state == PST_TREND_GROWING && class->verdict.state == PST_TREND_GROWING); n++, at += SECOND) {
        child->process.pools += 4;
        child->process.reserved_bytes += 4 * 8192;
        class->class_pools_created += 4;
        class->class_reserved_bytes += 4 * 8192;
        pst_history_beat(&board, child, at);
        pst_growth_process(&board, child, 0);
        pst_growth_classes(&board, child, at);
    }
    ok(n > 16 && n < 120, "if more and more of them stay, both the process scope and the class are");
    printf("# after %u seconds\n", n);
    child->process.pools = 10;
    for (n = 0; n < 120; n++, at += SECOND) {
        child->process.reserved_bytes = 40960 + n * 8192;
        pst_history_beat(&board, child, at);
        pst_growth_process(&board, child, 0);
    }
    is_number(child->verdict.state, PST_TREND_GROWING, "what a pool was given beyond its first node counts");
    class->in_use = 0;
}

/* Random bytes instead of a block and its history: reads stay inside (run under ASan). */
static void lies(void)
{
    int survived = 0;

    srand(1);
    for (int round = 0; round < 100; round++) {
        pst_shared_child_t *child = pst_board_child(&board, 0);
        unsigned char *ring = (unsigned char *)pst_board_history(&board, 0);

        for (apr_uint32_t i = 0; i < board.history_size; i++) {
            ring[i] = (unsigned char)rand();
        }
        for (apr_uint32_t i = 0; i < sizeof(*child); i++) {
            ((unsigned char *)child)[i] = (unsigned char)rand();
        }
        child->ready = 1;
        child->pid = 77;
        child->started = ON_THE_MINUTE;
        ((pst_shared_history_t *)ring)->pid = 77;
        ((pst_shared_history_t *)ring)->started = ON_THE_MINUTE;
        pst_history_beat(&board, child, ON_THE_MINUTE + (apr_uint64_t)round * SECOND);
        pst_growth_process(&board, child, 1);
        if (read_pid(77)) {
            apr_uint64_t wrong = 0;

            for (apr_uint32_t i = 0; i < history.fine_count; i++) {
                const pst_history_point_t *p = &history.fine[i];

                wrong += p->held != p->process + p->connections + p->requests + p->buckets + p->retained;
            }
            survived += !wrong && history.fine_count <= FINE;
        }
    }
    is_number((unsigned)survived, 100, "a block and a history of random bytes are survived");
}

static int stop;

static void *write_points(void *block)
{
    pst_shared_child_t *child = block;
    apr_uint64_t at = ON_THE_MINUTE;

    for (unsigned n = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); n++, at += SECOND) {
        child->process.reserved_bytes = child->child_reserved_bytes = child->held_bytes = (apr_uint64_t)(n % 1000000) * 4096;
        child->child_peak_bytes = child->process.reserved_bytes;
        pst_history_beat(&board, child, at);
    }
    return NULL;
}

/* A half-written point would have figures of two moments. */
static void race(void)
{
    pst_shared_child_t *child = claim(900);
    pthread_t writer;
    unsigned torn = 0, read = 0;

    pthread_create(&writer, NULL, write_points, child);
    for (int i = 0; i < 3000000 && read < 2000000; i++) {
        read_pid(900);
        for (apr_uint32_t n = 0; n < history.fine_count; n++, read++) {
            const pst_history_point_t *p = &history.fine[n];

            torn += p->process != p->peak || (n && p->time != p[-1].time + SECOND);
        }
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(writer, NULL);
    ok(read > 100, "points were read while points were written");
    is_number(torn, 0, "none of them torn, none missing");
}

static void geometry(void)
{
    struct stat st;
    pst_board_t off;
    const pst_board_about_t none = { .server = "", .module = "", .mpm = "" },
                            many = { .server = "", .module = "", .mpm = "", .interval = 1, .history = PST_HISTORY_MOST + 1 },
                            never = { .server = "", .module = "", .mpm = "", .interval = 0, .history = 60 };

    fstat(board.fd, &st);
    ok((apr_uint64_t)st.st_blocks * 512 < board.size, "histories of blocks never used take no room");
    pst_board_close(&board);
    ok(pst_board_create(&off, board_path(), 2, 2, &many, pool) == APR_EINVAL
           && pst_board_create(&off, board_path(), 2, 2, &never, pool) == APR_EINVAL, "sizes out of range are refused");
    is_number((unsigned)pst_board_create(&off, board_path(), 2, 2, &none, pool), APR_SUCCESS, "a board without histories");
    unlink(board_path());
    board = off;
    ok(pst_history_start(&board, claim_block(&board, 1, 0)) == APR_ENOTIMPL, "records nothing");
    ok(!pst_history_beat(&board, pst_board_child(&board, 0), ON_THE_MINUTE) && !read_pid(1), "and has nothing");
    pst_board_close(&board);
}

static unsigned long own_kilobytes(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    unsigned long kilobytes = 0;
    char line[256];

    while (status && fgets(line, sizeof(line), status) && sscanf(line, "RssAnon: %lu", &kilobytes) != 1) { }
    if (status) {
        fclose(status);
    }
    return kilobytes;
}

/* A child's memory does not rise while its history fills. */
static void flat(void)
{
    pst_shared_child_t *child = claim(500);
    unsigned long before = 0, most = 0, now;

    for (unsigned n = 0; n < 700; n++) {
        figures(child, 3);
        pst_history_beat(&board, child, ON_THE_MINUTE + n * SECOND);
        pst_growth_process(&board, child, 0);
        now = own_kilobytes();
        before = n == 70 ? now : before;
        most = n > 70 && now > most ? now : most;
    }
    printf("# from %lu to %lu KiB\n", before, most);
    ok(before && most <= before + 16, "judging a history that fills costs no memory of the child's own");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    make(4, FINE, 1);
    points();
    wraps();
    last_signs();
    deaths();
    verdicts();
    thinned();
    on_demand();
    lies();
    pst_board_close(&board);
    make(1, 600, 1);
    flat();
    pst_board_close(&board);
    make(3, 600, 1);
    race();
    geometry();
    is_text(pst_history_end_word(9), "?", "an end that is none");
    is_text(pst_history_end_word(PST_END_GONE), "gone", "one that a reader found out");
    is_text(pst_history_by_word(9), "?", "a writer that is none");
    apr_terminate();
    return done();
}
