/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: misuses on the board.  Words of PoolStatCheck and back; one place is one row; threads that race; a full table;
 * what the snapshot and the doctor make of it, also for a child that is gone, and of lies.
 */
#include "tap.h"
#include "board_double.h"
#include "pst_check.h"
#include "pst_checks.h"
#include "pst_doctor.h"
#include "pst_misuse.h"
#include "pst_snapshot_misuses.h"

#include <pthread.h>

static apr_pool_t *pool;
static pst_board_t board;
static pst_shared_child_t *block;
static pst_snapshot_t snap;
static const pst_filter_t all = { .kind = -1 };

static void take(void)
{
    pst_snapshot_take(&snap, &board, &all, NOW, pool);
}

static void words(void)
{
    const char *const line[] = { "guard", "1/1000", "request", "ALL", "threads", "1/50", "fence", "buckets" };
    const char *const off[] = { "oFF" }, *const bad[] = { "guard", "1/0" };
    char text[PST_CHECKS_TEXT], error[PST_CHECKS_ERROR];
    pst_checks_t checks, again;
    tally_t wrong = { 0, 0 };

    ok(pst_checks_parse(&checks, 8, line, error), "all words");
    is_text(pst_checks_text(text, &checks), "guard 1/1000 request all threads 1/50 buckets fence", "and back");
    pst_checks_unpack(&again, pst_checks_pack(&checks));
    ok(!memcmp(&again, &checks, sizeof(checks)), "by one number, too");
    ok(pst_checks_parse(&checks, 1, off, error) && !pst_checks_pack(&checks), "Off is 0");
    is_text(pst_checks_text(text, &checks), "Off", "and back");
    ok(!pst_checks_parse(&checks, 2, bad, error) && strstr(error, "'1/0'"), "a bad rate is told");
    for (apr_uint64_t i = 1, n = 0; n < 100000; n++, i = i * 6364136223846793005u + 1442695040888963407u) {
        pst_checks_unpack(&again, i);
        pst_checks_unpack(&checks, pst_checks_pack(&again));
        tally(&wrong, memcmp(&again, &checks, sizeof(checks)) || (again.fence && !again.guard)
                          || (again.guard && !again.kinds) || strlen(pst_checks_text(text, &again)) >= sizeof(text) - 1, n);
    }
    none_wrong(&wrong, "whatever the number, what comes out is valid");
}

/* Over all children shown. */
static apr_uint64_t found_of(const pst_snapshot_t *snapshot, pst_misuse_e kind)
{
    apr_uint64_t sum = 0;

    for (apr_uint32_t i = 0; i < snapshot->child_count; i++) {
        sum += snapshot->children[i].head.misuses[kind];
    }
    return sum;
}

/* A place of its own for each number. */
static int tell(unsigned place, pst_misuse_e kind, const char *what)
{
    pst_misuse_stack_t one = { .thread = 7, .depth = 2, .ip = { 0x1000 + place, 0x2000 } };
    pst_misuse_stack_t two = { .thread = 8, .depth = 1, .ip = { 0x3000 } };
    const pst_misuse_party_t by = { 3, "GET /by" }, of = { 4, "GET /of" };

    return pst_misuse_tell(&(pst_misuse_t){ .kind = kind, .what = what, .tag = "request", .offset = 17, .size = 100,
                                            .age = 5, .by = &by, .of = &of, .stacks = { &one, &two, NULL } });
}

static void rows(void)
{
    ok(tell(1, PST_MISUSE_USE_AFTER_DESTROY, "pool"), "the first of its place");
    ok(!tell(1, PST_MISUSE_USE_AFTER_DESTROY, "pool"), "and again");
    ok(tell(1, PST_MISUSE_OVERRUN, "pool"), "another kind is another place");
    take();
    is_number(snap.misuse_count, 2, "two rows");
    is_number(found_of(&snap, PST_MISUSE_USE_AFTER_DESTROY), 2, "counted by kind");
    is_number(pst_misuse_next(), 0, "handed out in order");
    is_number(pst_misuse_next(), 1, "once");
    is_number((unsigned)pst_misuse_next(), (unsigned)-1, "each");
    for (apr_uint32_t i = 0; i < snap.misuse_count; i++) {
        const pst_shared_misuse_t *row = &snap.misuses[i].row;

        if (row->kind == PST_MISUSE_USE_AFTER_DESTROY) {
            is_number(row->times, 2, "how often");
            is_text(row->by.line, "GET /by", "by whom");
            is_text(row->of.line, "GET /of", "whose");
            is_number(row->stacks[1].thread, 8, "which thread");
            is_number(row->stacks[0].depth, 2, "with its stack");
            is_number(row->stacks[2].depth, 0, "what is not known is not there");
        }
    }
    ok(pst_doctor_take(&snap, &board, pool) == APR_SUCCESS, "the doctor comes");
    ok(!strncmp(snap.findings->findings[0].id, "misuse-", 7), "and says so first");
}

static void *race(void *baton)
{
    unsigned *fresh = baton;

    for (unsigned i = 0; i < 20000; i++) {
        __atomic_add_fetch(fresh, (unsigned)tell(100 + i % 8, PST_MISUSE_TWO_THREADS, "pool"), __ATOMIC_RELAXED);
    }
    return NULL;
}

static void races(void)
{
    pthread_t threads[4];
    apr_uint64_t times = 0;
    unsigned fresh = 0;

    for (unsigned i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, race, &fresh);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    take();
    is_number(fresh, 8, "eight places, each written once");
    is_number(snap.misuse_count, 10, "and ten rows in all");
    for (apr_uint32_t i = 0; i < snap.misuse_count; i++) {
        times += snap.misuses[i].row.kind == PST_MISUSE_TWO_THREADS ? snap.misuses[i].row.times : 0;
    }
    is_number(times, 80000, "nothing is lost");
    for (unsigned i = 0; i < 100; i++) {
        tell(1000 + i, PST_MISUSE_BUCKET_TWICE, "HEAP");
    }
    take();
    is_number(snap.misuse_count, PST_MISUSE_ROWS, "no more rows than there are");
    is_number(found_of(&snap, PST_MISUSE_BUCKET_TWICE), 100, "who found none is counted");
}

static void gone(void)
{
    release_blocks(&board, block->pid);
    take();
    is_number(snap.child_count, 0, "the child is gone");
    is_number(snap.misuse_count, PST_MISUSE_ROWS, "what it told is not");
    ok(!snap.misuses[0].lives, "and it says so");
}

static void lies(void)
{
    memset(pst_board_misuse(&board, block, 0), 0xff, PST_MISUSE_ROWS * sizeof(pst_shared_misuse_t));
    block->misuse_rows = 0xffffffff;
    take();
    is_number(snap.misuse_count, 0, "rows that are always being written");
    for (unsigned i = 0; i < PST_MISUSE_ROWS; i++) {
        pst_shared_misuse_t *row = pst_board_misuse(&board, block, i);

        row->seq = 2;
        row->in_use = 1;
        row->kind = (uint16_t)(i % (PST_MISUSE_COUNT + 3));
    }
    take();
    ok(snap.misuse_count > 0, "rows of nonsense are shown");
    ok(pst_doctor_take(&snap, &board, pool) == APR_SUCCESS, "the doctor reads them");
    ok(snap.misuses[0].row.stacks[0].depth <= PST_SITE_FRAMES, "as far as there are frames");
    is_number(snap.misuses[0].row.times, 0, "and figures");
    is_text(pst_misuse_word(PST_MISUSE_COUNT), "?", "a kind that is none has no word");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    words();
    make_board(&board, 4, 64, pool);
    block = add_child(&board, 4711);
    pst_account_start(&board, block);
    pst_misuse_start(&board, block);
    rows();
    races();
    gone();
    lies();
    return done();
}
