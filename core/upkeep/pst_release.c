/* SPDX-License-Identifier: Apache-2.0
 *
 * The child's side of a release.  See pst_release.h.
 *
 * One thread, the child's watchdog: all data here is its own. The board only says that somebody asks; what has been
 * done already is remembered here.
 */
#include "pst_release.h"
#include "pst_allocator.h"
#include "pst_late.h"
#include "pst_retained.h"
#include "pst_heap.h"
#include "pst_memory.h"
#include "pst_thread.h"

#include <apr_time.h>
#include <string.h>

/* A slice of work, between two looks at the bell; microseconds. The bell is heard at most twenty times a second. */
#define SLICE 25000

/* The heap works under locks that threads in malloc() wait for: after a cost of t, not again before HEAP_REST times
 * t, and not within HEAP_EVERY. */
#define HEAP_REST  20
#define HEAP_EVERY 1000000

#define SECOND 1000000

/* Unasked: the minimum that must be free in it, and how seldom; after each attempt that brought less than a part of
 * that, half as often: free memory is scattered among memory in use, and looking for it delays callers of malloc. */
#define HEAP_WORTH    ((apr_uint64_t)32 * 1024 * 1024)
#define HEAP_LITTLE   (HEAP_WORTH / 16)
#define HEAP_UNASKED  ((apr_uint64_t)60 * SECOND)
#define HEAP_SELDOM   ((apr_uint64_t)24 * 3600 * SECOND)

/* How often busy allocators, such as that of the requesting connection, are tried again, a second apart. */
#define LATE_ROUNDS 5

static struct {
    pst_shared_child_t *block;
    int                 empties, obeys;
    apr_uint64_t        measured;
    apr_uint32_t        heard;          /* value of release_asked that has been or is being answered */
    int                 running;
    apr_uint64_t        began, rss_before, bytes;
    pst_allocator_round_t round;
    int                 late;           /* remaining rounds for those that were busy */
    apr_uint64_t        heap_rests;     /* until then */
    apr_uint64_t        rate, refilled, heap_unasked, heap_pause;
    apr_uint64_t        allowed;        /* bytes that may be released */
    apr_uint64_t        aim, saved;     /* size of a node too large for that; bytes saved up for it */
} g;

void pst_release_start(pst_shared_child_t *block, int obeys, int empties, apr_uint64_t rate)
{
    memset(&g, 0, sizeof(g));
    g.block = block;
    g.obeys = obeys;
    __atomic_store_n(&block->obeys, (uint32_t)(obeys != 0), __ATOMIC_RELEASE);
    g.empties = empties;
    g.rate = empties ? rate : 0;
    g.heap_pause = HEAP_UNASKED;
}

static apr_uint64_t now_usec(void)
{
    return (apr_uint64_t)apr_time_now();
}

/* By the kernel's own counters: adding up the mappings costs 15 ms per GB, and several readings are taken. */
static apr_uint64_t resident_now(void)
{
    pst_memory_sum_t sum = { 0 };

    return pst_memory_count(&sum, 0) == APR_SUCCESS ? sum.rss : 0;
}

static int heap_rests(apr_uint64_t now)
{
    return now < g.heap_rests && g.heap_rests - now < 3600ull * SECOND;     /* a clock that is set back must not stop
                                                                               it */
}

static apr_uint64_t ask_heap(void)
{
    apr_uint64_t before = now_usec(), after, bytes = 0;

    if (heap_rests(before)) {
        return 0;
    }
    if (pst_heap_release(&bytes) != APR_SUCCESS) {
        bytes = 0;
    }
    after = now_usec();
    g.heap_rests = after + HEAP_EVERY + HEAP_REST * (after > before ? after - before : 0);
    pst_add(&g.block->release_heap_bytes, (apr_int64_t)bytes);
    return bytes;
}

/* @return 1 when all idle allocators are empty */
static int empty_some(void)
{
    apr_uint64_t until = now_usec() + SLICE, now, bytes;

    while (g.empties && (pst_allocator_bag() || pst_allocator_take(&g.round))) {
        now = now_usec();
        if (now >= until || until - now > SLICE) {
            return 0;
        }
        bytes = pst_allocator_drain(until - now);
        g.bytes += bytes;
        pst_add(&g.block->release_allocators_bytes, (apr_int64_t)bytes);
    }
    return 1;
}

static void begin_release(apr_uint32_t asked)
{
    g.heard = asked;
    g.running = 1;
    g.began = now_usec();
    g.rss_before = resident_now();
    g.bytes = 0;
    memset(&g.round, 0, sizeof(g.round));
}

static void finish_release(void)
{
    pst_shared_child_t *block = g.block;
    apr_uint64_t heap = ask_heap(), now;

    pst_store(&block->released_allocators_bytes, g.bytes);
    pst_store(&block->released_heap_bytes, heap);
    pst_store(&block->released_emptied, g.round.emptied);
    pst_store(&block->released_busy, g.round.busy);
    pst_store(&block->released_rss_before_bytes, g.rss_before);
    pst_store(&block->released_rss_after_bytes, resident_now());
    now = now_usec();
    pst_store(&block->released_seconds, now > g.began ? now - g.began : 0);
    pst_store(&block->released_time, now);
    pst_add(&block->releases, 1);
    __atomic_store_n(&block->release_done, g.heard, __ATOMIC_RELEASE);
    g.running = 0;
    g.late = g.round.busy ? LATE_ROUNDS : 0;
}

/* Nobody waits for these any more, but they still count as part of the release. */
static void come_late(void)
{
    apr_uint64_t before = g.bytes;
    apr_uint32_t emptied = g.round.emptied;

    memset(&g.round, 0, sizeof(g.round));
    g.round.late = 1;
    empty_some();
    g.late = g.round.busy ? g.late - 1 : 0;
    g.round.emptied += emptied;
    if (g.bytes > before) {
        pst_store(&g.block->released_allocators_bytes, g.bytes);
        pst_store(&g.block->released_emptied, g.round.emptied);
        pst_store(&g.block->released_busy, g.round.busy);
        pst_store(&g.block->released_rss_after_bytes, resident_now());
    }
}

/* The block's figures about the heap only decide when to ask it. */
static void ask_heap_gently(apr_uint64_t now)
{
    if (now - g.heap_unasked > g.heap_pause && pst_load(&g.block->books.heap_free_bytes) > HEAP_WORTH
        && !heap_rests(now_usec())) {
        g.heap_unasked = now;
        if (ask_heap() >= HEAP_LITTLE) {
            g.heap_pause = HEAP_UNASKED;
        }
        else {
            g.heap_pause = g.heap_pause < HEAP_SELDOM / 2 ? 2 * g.heap_pause : HEAP_SELDOM;
        }
    }
}

/* Nodes of at least `least` bytes, at most `most` in total: what is taken is released at once, or at the next beat.
 * @return the bytes taken */
static apr_uint64_t give_some(apr_uint64_t least, apr_uint64_t most)
{
    apr_uint64_t until = now_usec() + SLICE, now, taken = 0;

    pst_allocator_try_all();
    while ((now = now_usec()) < until && until - now <= SLICE) {
        pst_add(&g.block->release_allocators_bytes, (apr_int64_t)pst_allocator_drain(until - now));
        if (pst_allocator_bag() || taken >= most || !pst_allocator_take_some(least, most - taken)) {
            break;
        }
        taken += pst_allocator_bag();
    }
    return taken < most ? taken : most;
}

static apr_uint64_t income(apr_uint64_t now)
{
    apr_uint64_t gone = now > g.refilled ? now - g.refilled : 0;

    if (!g.refilled || gone > 10 * SECOND) {
        gone = SECOND;
    }
    g.refilled = now;
    return (apr_uint64_t)((double)g.rate * (double)gone / SECOND);
}

/* The allowance grows by rate per second, up to a second's worth. While there is an aim, half of the income is saved
 * for it, and whatever exceeds that second's worth. */
static void earn(apr_uint64_t more)
{
    if (g.saved < g.aim) {
        g.saved += more / 2;
        more -= more / 2;
    }
    g.allowed += more;
    if (g.allowed > g.rate) {
        g.saved += g.saved < g.aim ? g.allowed - g.rate : 0;
        g.allowed = g.rate;
    }
}

/*
 * Unasked.  A node of more than a second's worth must neither delay the others nor stay for ever: bytes are saved up
 * for it. If it is in use when there is enough, another becomes the aim.
 */
static void give_gently(apr_uint64_t now)
{
    earn(income(now));
    if (g.aim && g.saved >= g.aim) {
        g.saved -= give_some(g.aim, g.saved);
        g.aim = 0;
    }
    g.allowed -= give_some(0, g.allowed);
    if (!g.aim) {
        g.aim = pst_allocator_find_larger(g.rate);
        g.allowed -= pst_allocator_bag() < g.allowed ? pst_allocator_bag() : g.allowed; /* left behind by an owner */
    }
    ask_heap_gently(now);
}

void pst_release_beat(apr_uint64_t now)
{
    apr_uint32_t asked;

    if (!g.block) {
        return;
    }
    asked = __atomic_load_n(&g.block->release_asked, __ATOMIC_ACQUIRE);
    if (g.obeys && !g.running && asked != g.heard) {
        begin_release(asked);
    }
    if (g.running) {
        if (empty_some()) {
            finish_release();
        }
        pst_thread_ring(&g.block->bell);        /* continue; or hear new requests */
    }
    if (now / SECOND != g.measured / SECOND) {     /* the watchdog wakes once per second, sometimes a bit earlier,
                                                      sometimes later */
        g.measured = now;
        pst_allocator_measure(g.block);
        pst_late_beat(g.block);
        pst_retained_balance(g.block, pst_allocator_bag(), now);
        if (g.late && !g.running) {
            come_late();
        }
        if (g.rate && !g.running) {
            give_gently(now);
        }
    }
}
