/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: watchpoints.  Two threads in one object are told, with both stacks; two that each have their own, or hold a
 * lock, never are; nor is what has a lock of its own, or was named. The wrong hands are told without a collision.
 */
#include "tap.h"
#include "child_double.h"
#include "pst_clock.h"
#include "pst_misuse.h"
#include "pst_record.h"
#include "pst_watchpoint.h"

#include <apr_thread_mutex.h>
#include <pthread.h>
#include <unistd.h>

#define PATIENCE 60         /* seconds until two threads must have met */
#define LONG     200        /* milliseconds that threads must not meet in: each sets hundreds of watchpoints */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static apr_pool_t *pools[3];        /* the last is shared */
static volatile int stop;

typedef struct {
    void           *object;
    pst_watch_e     what;
    pthread_mutex_t *lock;
    int             most;       /* milliseconds; 0: until stop */
} use_t;

static apr_uint64_t told(pst_misuse_e kind)
{
    return pst_load(&block->misuses[kind]);
}

static void *use(void *data)
{
    const use_t *use = data;
    apr_uint64_t until = pst_clock_usec(CLOCK_MONOTONIC) + (apr_uint64_t)use->most * 1000;

    while (use->most ? pst_clock_usec(CLOCK_MONOTONIC) < until : !stop) {
        if (use->lock) {
            pthread_mutex_lock(use->lock);
        }
        pst_watchpoint_at(use->object, use->what);
        if (use->lock) {
            pthread_mutex_unlock(use->lock);
        }
    }
    return NULL;
}

/* Both at once, to the end, or until one more misuse is told. @return how many more */
static apr_uint64_t both(use_t *one, use_t *two)
{
    apr_uint64_t before = told(PST_MISUSE_TWO_THREADS);
    time_t until = time(NULL) + PATIENCE;
    pthread_t threads[2];

    stop = 0;
    pthread_create(&threads[0], NULL, use, one);
    pthread_create(&threads[1], NULL, use, two);
    while (!one->most && told(PST_MISUSE_TWO_THREADS) == before && time(NULL) < until) {
        usleep(1000);
    }
    stop = 1;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    return told(PST_MISUSE_TWO_THREADS) - before;
}

static apr_uint64_t same(void *object, pst_watch_e what, pthread_mutex_t *by, int most)
{
    use_t one = { object, what, by, most }, two = one;

    return both(&one, &two);
}

static void off(void)
{
    pst_watchpoint_switch(0);
    is_number(same(pools[2], PST_WATCH_POOL, NULL, LONG), 0, "off: nothing is told");
    is_number(pst_watchpoint_armed, 0, "nor watched");
}

static void meet(void)
{
    static const char *const what[] = { "pool", "allocator", "bucket allocator" };
    const pst_shared_misuse_t *row;
    int object;

    pst_watchpoint_switch(1);
    for (unsigned kind = PST_WATCH_POOL; kind < PST_WATCH_KINDS; kind++) {
        void *at = kind == PST_WATCH_POOL ? (void *)pools[2] : (void *)&object;

        ok(same(at, (pst_watch_e)kind, NULL, 0) > 0, "two threads in one object meet");
        row = pst_board_misuse(&board, block, 0);
        is_number(row->kind, PST_MISUSE_TWO_THREADS, "told as what it is");
        if (kind == PST_WATCH_POOL) {
            is_text(row->what, what[kind], "what it is");
            is_text(row->tag, "shared", "which");
            ok(row->stacks[0].depth > 0 && row->stacks[0].thread, "by one of them");
            ok(row->stacks[1].depth == 0 || row->stacks[1].thread != row->stacks[0].thread, "and by the other");
        }
    }
    pst_watchpoint_switch(100);
    for (int i = 0; i < 1000 && !pst_watchpoint_armed; i++) {
        pst_watchpoint_tick();
    }
    ok(pst_watchpoint_armed & 1, "what is rare is wanted after some ticks");
    pst_watchpoint_at(pools[0], PST_WATCH_POOL);
    is_number(pst_watchpoint_armed, 0, "and set by one operation");
    pst_watchpoint_switch(1);
}

static void apart(void)
{
    use_t one = { pools[0], PST_WATCH_POOL, NULL, LONG }, two = { pools[1], PST_WATCH_POOL, NULL, LONG };
    use_t here = { pools[2], PST_WATCH_POOL, &lock, LONG }, there = here;

    is_number(both(&one, &two), 0, "each its own: nothing is told");
    is_number(both(&here, &there), 0, "one pool under a lock: neither");
    use(&(use_t){ pools[2], PST_WATCH_POOL, NULL, LONG });
    is_number(pst_watchpoint_armed, 1, "no watchpoint is left");
}

static void *use_allocator(void *data)
{
    apr_uint64_t until = pst_clock_usec(CLOCK_MONOTONIC) + LONG * 1000;

    while (pst_clock_usec(CLOCK_MONOTONIC) < until) {
        pst_watchpoint_at_allocator(data);
    }
    return NULL;
}

static void locked(void)
{
    apr_uint64_t before = told(PST_MISUSE_TWO_THREADS);
    apr_thread_mutex_t *mutex;
    apr_allocator_t *allocator;
    pthread_t threads[2];

    apr_allocator_create(&allocator);
    apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_DEFAULT, base);
    apr_allocator_mutex_set(allocator, mutex);
    pthread_create(&threads[0], NULL, use_allocator, allocator);
    pthread_create(&threads[1], NULL, use_allocator, allocator);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    is_number(told(PST_MISUSE_TWO_THREADS) - before, 0, "an allocator with a lock of its own: nothing is told");
    apr_allocator_mutex_set(allocator, NULL);
    apr_allocator_destroy(allocator);
}

static void named(void)
{
    static const char *const names[] = { "other", "shared", NULL };

    pst_watchpoint_except(names);
    is_number(same(pools[2], PST_WATCH_POOL, NULL, LONG), 0, "a pool that was named: nothing is told");
    pst_watchpoint_except(NULL);
    ok(same(pools[2], PST_WATCH_POOL, NULL, 0) > 0, "named no longer: told");
}

/* One operation on a pool that belongs to that account. @return how often it was told */
static apr_uint64_t touch(pst_account_t *account)
{
    pst_record_t *record = pst_record_find(pools[0]);
    pst_account_t *before = record->account;
    apr_uint64_t n = told(PST_MISUSE_WRONG_HANDS);

    usleep(20000);          /* between two reports are ten milliseconds at least */
    record->account = account;
    pst_watchpoint_at(pools[0], PST_WATCH_POOL);
    record->account = before;
    return told(PST_MISUSE_WRONG_HANDS) - n;
}

static void hands(void)
{
    pst_account_t mine = { .id = 7, .scope = PST_SCOPE_CONNECTION }, theirs = { .id = 8, .scope = PST_SCOPE_CONNECTION };
    pst_account_t request = { .above = &theirs, .scope = PST_SCOPE_REQUEST };
    pst_account_t stream = { .id = 9, .scope = PST_SCOPE_CONNECTION, .master = &mine };
    pst_account_t own = { .above = &mine, .scope = PST_SCOPE_REQUEST };
    pst_serving_t before = pst_watchpoint_serves(&mine);
    static const char *const names[] = { "first", NULL };

    is_number(touch(&own), 0, "its own request's pool: nothing is told");
    is_number(touch(&theirs), 0, "another connection's own pool, which changes hands: neither");
    is_number(touch(&stream), 0, "a stream's that it carries: neither");
    is_number(touch(&request), 1, "another connection's request's: the wrong hands");
    stream.master = &theirs;
    is_number(touch(&stream), 1, "a stream's of another's: too");
    pst_watchpoint_except(names);
    is_number(touch(&request), 0, "one that was named: nothing is told");
    pst_watchpoint_except(NULL);
    pst_watchpoint_served(before);
    is_number(touch(&request), 0, "by a thread that serves nobody: neither");
}

int main(void)
{
    static const char *const tags[] = { "first", "second", "shared" };

    apr_initialize();
    pst_clock_start();
    if (!start_child()) {
        printf("ok %d - # SKIP pools are not instrumented here\n", ++tap_count);
        return done();
    }
    for (unsigned i = 0; i < 3; i++) {
        pools[i] = transaction(base, APR_ALLOCATOR_MAX_FREE_UNLIMITED);     /* its allocator has no lock */
        apr_pool_tag(pools[i], tags[i]);
    }
    pst_misuse_start(&board, block);
    off();
    meet();
    apart();
    locked();
    named();
    hands();
    return done();
}
