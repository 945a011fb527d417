/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: the range of addresses.  What is taken is open and separate, what ended is closed, a page is opened once,
 * what is too much is dropped, the oldest first; nothing is lost, in whatever order things happen.
 */
#include "tap.h"
#include "pst_range.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

#define NODE   8192u
#define LIMIT  (64u * NODE)
#define STEPS  40000u
#define LIVE   256u
#define WORKERS 4u

static sigjmp_buf back;
static apr_uint64_t freed_bytes, freed_runs;
static apr_uint32_t last_freed;

static void on_freed(apr_uint32_t owner, int was_counted, apr_size_t size)
{
    (void)was_counted;
    __atomic_add_fetch(&freed_bytes, size, __ATOMIC_RELAXED);
    __atomic_add_fetch(&freed_runs, 1, __ATOMIC_RELAXED);
    last_freed = owner;
}

static void on_fault(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

static int is_open(const void *at)
{
    volatile char seen;

    if (sigsetjmp(back, 1)) {
        return 0;
    }
    seen = *(const volatile char *)at;
    (void)seen;
    return 1;
}

static void one(void)
{
    const void *first = NULL;
    pst_range_page_t page;
    char *node = pst_range_take(NODE, 7), *other = pst_range_take(3 * NODE, 8);

    ok(node && other && pst_range_has(node) && pst_range_has(other + 3 * NODE - 1), "taken");
    memset(node, 1, NODE);
    memset(other, 2, 3 * NODE);
    ok(!is_open(node + NODE), "a closed page behind it");
    pst_range_look(&page, node + NODE);
    ok(page.is == PST_RANGE_BEHIND && page.run == (apr_uintptr_t)node && page.owner == 7, "that is known as such");
    pst_range_close(node, NODE, 9, 0);
    ok(!is_open(node) && !is_open(node + NODE - 1) && is_open(other), "closed, and nothing else");
    pst_range_look(&page, node + 5000);
    ok(page.is == PST_RANGE_ENDED && page.owner == 9 && page.size == NODE, "whose it was");
    is_number((unsigned)pst_range_open(node + 5000), 1, "opened");
    is_number((unsigned)pst_range_open(node + 5000), 0, "once");
    ok(is_open(node + 4096) && !is_open(node), "that page alone");
    ok(node[5000] == 1, "with what was in it");
    is_number(pst_range_open_span(node - 100, 4200, &first), 1, "what is handed to the kernel is opened, too");
    ok(first == node, "from its first closed byte on");
    is_number(pst_range_open_span(node, NODE, &first), 0, "once");
    is_number(pst_range_quarantine(), NODE, "in quarantine");
    pst_range_close(other, 3 * NODE, 0, 0);
    is_number(pst_range_open_span((const void *)(apr_uintptr_t)16, 100, &first), 0, "elsewhere is not here");
}

/* A model: what is live, and how much has ended. */
static void many(void)
{
    struct { char *at; apr_size_t size; } live[LIVE] = { { NULL, 0 } };
    apr_uint64_t ended = 4 * NODE, seed = 1;
    tally_t wrong = { 0, 0 };

    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 33) % LIVE;

        if (live[i].at) {
            tally(&wrong, live[i].at[0] != (char)i || live[i].at[live[i].size - 1] != (char)i, step);
            pst_range_close(live[i].at, live[i].size, 0, 0);
            ended += live[i].size;
            live[i].at = NULL;
        }
        else {
            live[i].size = NODE * (1 + (seed >> 20) % 3);
            live[i].at = pst_range_take(live[i].size, i + 1);
            tally(&wrong, pst_range_quarantine() > LIMIT, step);
            if (!tally(&wrong, !live[i].at, step)) {
                memset(live[i].at, (int)i, live[i].size);
            }
        }
        tally(&wrong, ended - freed_bytes != pst_range_quarantine(), step);
    }
    none_wrong(&wrong, "forty thousand steps: nobody gets what another has, nothing is lost");
    ok(freed_runs > 1000, "and most of it came round");
    pst_range_sweep(0xffffffff);
    for (unsigned i = 0; i < 200; i++) {
        pst_range_sweep(0xffffffff);
    }
    is_number(pst_range_quarantine(), 0, "what is old goes");
}

/* Several threads take, fill and end; somebody sweeps. */
static unsigned without[WORKERS];
static unsigned spoiled[WORKERS];

static void *work(void *number)
{
    unsigned me = (unsigned)(apr_uintptr_t)number;
    struct { char *at; apr_size_t size; } mine[8] = { { NULL, 0 } };

    for (unsigned step = 0; step < STEPS / 4; step++) {
        unsigned i = step * 7 % 8;

        if (mine[i].at) {
            spoiled[me] += mine[i].at[0] != (char)me || mine[i].at[mine[i].size - 1] != (char)me;
            pst_range_close(mine[i].at, mine[i].size, 0, 0);
        }
        mine[i].size = NODE * (1 + step % 3);
        mine[i].at = pst_range_take(mine[i].size, me + 1);
        if (mine[i].at) {
            memset(mine[i].at, (int)me, mine[i].size);
        }
        without[me] += !mine[i].at;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (mine[i].at) {
            pst_range_close(mine[i].at, mine[i].size, 0, 0);
        }
    }
    return NULL;
}

static void *sweep_often(void *stop)
{
    while (!__atomic_load_n((int *)stop, __ATOMIC_ACQUIRE)) {
        pst_range_sweep(0xffffffff);
    }
    return NULL;
}

static void at_once(void)
{
    pthread_t threads[WORKERS], sweeper;
    unsigned none = 0, wrong = 0, before = pst_range_runs();
    int stop = 0;

    pthread_create(&sweeper, NULL, sweep_often, &stop);
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_create(&threads[i], NULL, work, (void *)(apr_uintptr_t)i);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        none += without[i];
        wrong += spoiled[i];
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    pthread_join(sweeper, NULL);
    is_number(wrong, 0, "four threads and a sweeper: nobody gets what another has");
    is_number(none, 0, "and nobody does without: no lock is held by another");
    for (unsigned i = 0; i < 200; i++) {
        pst_range_sweep(0xffffffff);
    }
    is_number(pst_range_quarantine(), 0, "nothing is lost");
    is_number(pst_range_runs(), before, "every run came back");
}

int main(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_fault;
    sigaction(SIGSEGV, &action, NULL);
    ok(pst_range_reserve(on_freed) == APR_SUCCESS, "reserved");
    pst_range_limit(LIMIT);
    one();
    many();
    at_once();
    return done();
}
