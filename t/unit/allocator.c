/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit: allocators of transaction pools, and emptying them.
 *
 * First the named cases; then threads that use transaction pools as an MPM does, while a releaser
 * constantly empties idle ones. In the end a walk over all nodes must balance the books to the
 * byte.
 *
 *   allocator [SEED [ROUNDS]]
 */
#include "tap.h"
#include "apart.h"
#include "child_double.h"
#include "pst_allocator.h"
#include "pst_instrument.h"

#include <apr_buckets.h>
#include <pthread.h>
#include <string.h>

#define THREADS 4
#define POOLS   24
#define LIMIT   (256 * 1024)


static apr_uint64_t kept_by_all(void)
{
    pst_allocator_measure(block);
    return block->allocators_kept_bytes;
}

/* A round as a release makes it. @return the bytes */
static apr_uint64_t release_all(pst_allocator_round_t *round)
{
    apr_uint64_t bytes = 0;

    memset(round, 0, sizeof(*round));
    while (pst_allocator_take(round)) {
        while (pst_allocator_bag()) {
            bytes += pst_allocator_drain(1000000);
        }
    }
    return bytes;
}

static void idle_ones(void)
{
    apr_pool_t *pool = transaction(base, LIMIT), *other;
    apr_allocator_t *allocator = apr_pool_allocator_get(pool);
    apr_uint64_t held = block->held_bytes, before;
    pst_allocator_round_t round;

    apr_palloc(pool, 100000);
    is_number(release_all(&round), 0, "a pool never cleared: nothing to give");
    is_number(block->allocators, 0, "and none of ours");
    apr_pool_clear(pool);
    is_number(kept_by_all(), 102400, "cleared: its allocator keeps the node");
    is_number(block->allocators, 1, "it is known now");
    is_number(block->limits.kept[0], 65536, "64K would have kept so much");
    is_number(block->limits.kept[1], 102400, "128K all of it");
    before = block->held_bytes;
    is_number(release_all(&round), 102400, "a release gives it back");
    is_number(round.emptied, 1, "one was emptied");
    is_number(before - block->held_bytes, 102400, "held falls by just that");
    is_number(block->held_bytes, held, "to what it was");
    is_number(retained(pool), 0, "the free list is empty");
    is_number(kept_by_all(), 0, "and known to be");
    ok(apr_pool_allocator_get(pool) == allocator, "the allocator is the same");
    apr_palloc(pool, 300000);
    is_number(release_all(&round), 0, "in use: nothing is taken");
    is_number(round.busy, 1, "it is busy");
    apr_pool_clear(pool);
    is_number(retained(pool), 0, "its limit counts on: one node larger than the limit goes at once");
    apr_palloc(pool, 100000);
    apr_pool_create(&other, pool);
    apr_pool_clear(pool);
    is_number(release_all(&round), 102400 + 8192, "the pool below is gone with a clear");
    apr_palloc(pool, 100000);
    apr_pool_destroy(pool);
    is_number(kept_by_all(), 0, "destroyed: nothing left");
    is_number(block->allocators, 0, "nor known");
    is_number(held - block->held_bytes, 8192, "nor held");
}

static apr_status_t make_below(void *pool)
{
    apr_pool_t *below;

    apr_pool_create(&below, pool);
    return APR_SUCCESS;
}

/* What is not idle although it was cleared; what is not ours. */
static void others(void)
{
    apr_pool_t *pool = transaction(base, LIMIT), *shared;
    pst_allocator_round_t round;
    apr_bucket_alloc_t *list;
    apr_allocator_t *allocator = apr_pool_allocator_get(pool);
    void *bucket;

    apr_palloc(pool, 50000);
    apr_pool_cleanup_register(pool, pool, make_below, apr_pool_cleanup_null);
    apr_pool_clear(pool);
    is_number(release_all(&round), 0, "a pool below outlived the clear: not idle");
    apr_pool_clear(pool);
    ok(release_all(&round) > 0, "until that is gone too");

    apr_palloc(pool, 50000);
    list = apr_bucket_alloc_create_ex(allocator);
    bucket = apr_bucket_alloc(20000, list);
    apr_pool_clear(pool);
    is_number(release_all(&round), 0, "nodes of a bucket allocator are out: not idle");
    apr_bucket_free(bucket);
    apr_bucket_alloc_destroy(list);
    apr_pool_clear(pool);
    ok(release_all(&round) > 0, "until they are back");
    apr_pool_destroy(pool);

    pool = transaction(base, LIMIT);
    apr_pool_tag(pool, "another");
    apr_palloc(pool, 50000);
    apr_pool_clear(pool);
    is_number(release_all(&round), 0, "pools of others are left alone");
    is_number(block->allocators, 0, "and not counted");
    apr_pool_destroy(pool);

    pool = transaction(base, 0);
    apr_palloc(pool, 5000000);
    apr_palloc(pool, 50000);
    apr_pool_clear(pool);
    is_number(kept_by_all(), 5001216 + 53248, "no limit: all is kept, and counted");
    is_number(retained(pool), 5001216 + 53248, "rightly");
    is_number(release_all(&round), 5001216 + 53248, "and given back");
    apr_palloc(pool, 50000);
    apr_pool_clear(pool);
    is_number(kept_by_all(), retained(pool), "and counted on");
    apr_pool_destroy(pool);

    apr_pool_create(&shared, base);
    apr_pool_create(&pool, shared);
    apr_pool_tag(pool, "transaction");
    is_number((apr_uint64_t)(apr_pool_allocator_get(pool) == apr_pool_allocator_get(shared)), 1, "as on prefork: shared");
    apr_pool_destroy(shared);
}

/* As in prefork: the transaction pool uses its parent's allocator until it gets its own. */
static void separated(void)
{
    apr_pool_t *pchild = transaction(NULL, LIMIT), *pool;
    pst_allocator_round_t round;
    apr_uint64_t held;

    apr_pool_tag(pchild, "pchild");
    apr_pool_create(&pool, pchild);
    apr_pool_tag(pool, "transaction");
    apr_palloc(pool, 50000);
    apr_pool_clear(pool);
    is_number(kept_by_all(), 53248, "watched: what the shared allocator keeps");
    is_number(release_all(&round) + round.busy, 0, "but never touched");
    apr_pool_destroy(pool);
    apr_pool_create(&pool, pchild);
    apr_pool_tag(pool, "transaction");
    is_number((apr_uint64_t)pst_allocator_separate(pchild), APR_SUCCESS, "given one of its own");
    ok(apr_pool_allocator_get(pool) != apr_pool_allocator_get(pchild), "it is another");
    apr_palloc(pool, 70000);
    apr_pool_clear(pool);
    held = block->held_bytes;
    is_number(release_all(&round), 73728, "what it keeps is given back");
    is_number(held - block->held_bytes, 73728, "held says so");
    apr_pool_destroy(pchild);
}

/* A cleared transaction pool, with `count` nodes for pieces of that many bytes each, and one node of its own. */
static apr_pool_t *keeps(apr_size_t limit, int count, apr_size_t bytes)
{
    apr_pool_t *pool = transaction(base, limit);

    for (int i = 0; i < count; i++) {
        apr_palloc(pool, bytes);
    }
    apr_pool_clear(pool);
    return pool;
}

/* Into the bag, and out of it. @return the bytes */
static apr_uint64_t some(apr_uint64_t least, apr_uint64_t most)
{
    apr_uint64_t bytes = pst_allocator_take_some(least, most), before = block->held_bytes;

    is_number(kept_by_all() >= bytes, 1, "what is in the bag counts as kept");
    is_number(pst_allocator_drain(1000000), bytes, "all of it is given back");
    is_number(before - block->held_bytes, bytes, "held says so");
    return bytes;
}

/* Gradually, as in the background. */
static void gently(void)
{
    apr_pool_t *large = keeps(LIMIT, 3, 30000), *small = keeps(LIMIT, 1, 30000);
    apr_uint64_t held = block->held_bytes;

    pst_allocator_try_all();
    is_number(some(0, 20000), 0, "a node is larger than may go now");
    is_number(pst_allocator_find_larger(20000), 32768, "it is found");
    is_number(pst_allocator_find_larger(32768), 0, "none is larger");
    is_number(some(0, 1000000), 0, "it is not tried again");
    pst_allocator_try_all();
    is_number(some(0, 70000), 65536, "two may go, of that which keeps most");
    is_number(retained(large), 32768, "the third stays with its allocator");
    is_number(kept_by_all(), 65536, "kept says so");
    pst_allocator_try_all();
    is_number(some(40000, 70000), 0, "none is as large as that");
    pst_allocator_try_all();
    apr_palloc(large, 30000);
    is_number(retained(large), 0, "what is left is used again");
    is_number(some(0, 70000), 32768, "then the other's");
    is_number(retained(small), 0, "which keeps nothing now");
    is_number(some(0, 70000), 0, "then none");
    is_number(held - block->held_bytes, 3 * 32768, "held fell by what was given back");
    apr_pool_clear(large);
    is_number(retained(large), 32768, "its limit counts on");
    is_number(pst_apr_retained(pst_apr_pool(large)->allocator, 1, 0), 32768, "and so does its count");
    apr_pool_destroy(large);
    apr_pool_destroy(small);
}

/* Nodes with a list of their size, nodes in the sink, and what APR knows about them afterwards. */
static void some_of_many(void)
{
    apr_pool_t *pool = transaction(base, 0);
    const pst_apr_allocator_t *a;
    apr_uint64_t all, sum, held;
    int ordered = 1, within = 1, counted = 1;
    apr_size_t top;
    unsigned i;

    for (i = 0; i < 100; i++) {
        apr_palloc(pool, i % 10 == 9 ? 500000 + 1000 * i : 8200 + 700 * (i % 10));
    }
    apr_pool_clear(pool);
    held = block->held_bytes;
    all = retained(pool);
    a = (const pst_apr_allocator_t *)(void *)pst_apr_pool(pool)->allocator;
    top = a->max_index;
    ok(top > 0, "nodes of a list are there, and larger ones");
    pst_allocator_try_all();
    is_number(some(0, 513000), 0, "larger ones are there: none may go before them");
    is_number(pst_allocator_find_larger(513000), 602112, "the largest");
    pst_allocator_try_all();
    is_number(some(512000, 513000), 512000, "one of a size that is asked for");
    sum = 512000;
    pst_allocator_try_all();
    is_number(some(591000, 600000), 0, "a large one that is not there");
    pst_allocator_try_all();
    is_number(some(599000, 610000), 602112, "a large one that is");
    sum += 602112;
    is_number(retained(pool), all - sum, "the others stay");
    pst_allocator_try_all();
    for (i = 0; i < 1000; i++) {
        apr_uint64_t bytes = pst_allocator_take_some(0, 600000);

        if (!bytes) {
            break;
        }
        ordered &= !a->free[0] || a->max_index == top;
        within &= bytes <= 600000;
        sum += pst_allocator_drain(1000000);
        counted &= retained(pool) == all - sum && pst_apr_retained(pst_apr_pool(pool)->allocator, 1, 0) == all - sum;
        if (i == 3) {
            apr_palloc(pool, 530000);
            apr_palloc(pool, 20000);
            is_number(held - block->held_bytes, sum, "APR finds the others");
            apr_pool_clear(pool);
            pst_allocator_try_all();
        }
    }
    ok(i > 4 && sum == all, "all of them can go");
    is_number(a->max_index, 0, "APR knows that none is left");
    ok(within, "never more than may at once");
    ok(ordered, "the large ones first");
    ok(counted, "what stays is counted");
    apr_pool_destroy(pool);
}

/* The owner arrives at the moment when its allocator is taken: the state that the releaser leaves then. */
static void owner_comes(void)
{
    apr_pool_t *pool = transaction(base, LIMIT);
    const pst_record_t *record = pst_record_find(pool);
    apr_allocator_t *spare, *old = pst_apr_pool(pool)->allocator;
    pst_allocator_t *entry;

    apr_palloc(pool, 50000);
    apr_pool_clear(pool);
    entry = &pst_allocators[record->allocator];
    ok(entry->state & 1, "idle");
    apr_allocator_create(&spare);
    apr_allocator_max_free_set(spare, LIMIT);
    apr_allocator_owner_set(spare, pool);
    entry->spare = spare;
    entry->state += 1;                      /* IDLE -> TAKEN */
    apr_palloc(pool, 100);
    ok(pst_apr_pool(pool)->allocator == old, "what fits the node needs no allocator");
    apr_palloc(pool, 20000);
    ok(pst_apr_pool(pool)->allocator == spare && entry->allocator == spare, "the owner goes on with the spare");
    is_number(entry->state, 0, "which the releaser will notice");
    apr_allocator_destroy(old);
    apr_pool_clear(pool);
    is_number(kept_by_all(), 20480, "the spare keeps from now on");
    apr_pool_destroy(pool);
}

static struct {
    apr_pool_t *pool;
    int         ready, over;        /* atomic */
} waits;

/* An owner that arrives just when its allocator is taken. */
static void *come(void *unused)
{
    const pst_allocator_t *entry = &pst_allocators[pst_record_find(waits.pool)->allocator];

    __atomic_store_n(&waits.ready, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&waits.over, __ATOMIC_ACQUIRE)) {
        if ((__atomic_load_n(&entry->state, __ATOMIC_RELAXED) & 3) == 2) {
            apr_palloc(waits.pool, 20000);
            break;
        }
    }
    return unused;
}

/* The same from the releaser's side, which must be busy with many nodes for long enough: what it leaves has no
 * owner. */
static void owner_comes_just_then(void)
{
    apr_pool_t *pool = keeps(0, 60, 100000);
    apr_allocator_t *had = NULL;
    apr_uint64_t bytes = 0, held = 0, all = 0;
    pthread_t owner;
    int tries;

    waits.pool = pool;
    for (tries = 0; tries < 5000; tries++) {
        apr_pool_clear(pool);
        for (int i = 0; i < 60; i++) {
            apr_palloc(pool, 100000);
        }
        apr_pool_clear(pool);
        had = pst_apr_pool(pool)->allocator;
        all = retained(pool);
        held = block->held_bytes;
        pst_allocator_try_all();
        waits.ready = waits.over = 0;
        pthread_create(&owner, NULL, come, NULL);
        while (!__atomic_load_n(&waits.ready, __ATOMIC_ACQUIRE)) { }
        bytes = pst_allocator_take_some(0, 250000);
        __atomic_store_n(&waits.over, 1, __ATOMIC_RELEASE);
        pthread_join(owner, NULL);
        if (had != pst_apr_pool(pool)->allocator) {
            break;
        }
        pst_allocator_drain(1000000);
    }
    if (tries == 5000) {
        printf("# the owner never came in time: one processor?\n");
    }
    else {
        printf("# the owner came at try %d\n", tries + 1);
        is_number(bytes, all, "the owner came just then: all that his allocator kept is in the bag");
        is_number(kept_by_all(), all, "and counts as kept");
        is_number(pst_allocator_drain(10000000), all, "it is given back");
        is_number(held + 20480 - block->held_bytes, all, "and no longer held, but for what the owner took since");
    }
    apr_pool_destroy(pool);
}

/* ---- the storm ------------------------------------------------------------ */

static struct {
    apr_pool_t *pools[POOLS];       /* atomic: NULL = with a thread */
    int         stop;
    unsigned    rounds;
    apr_uint64_t seed, connections, released, some, replaced;
} storm;

static unsigned below(apr_uint64_t *seed, unsigned limit)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned)((*seed >> 11) % limit);
}

/* A connection: buckets, some requests, growth. */
static void connection(apr_pool_t *pool, apr_uint64_t *seed)
{
    apr_bucket_alloc_t *list = NULL;
    apr_pool_t *request;
    unsigned i;

    if (below(seed, 4)) {
        list = apr_bucket_alloc_create(pool);
    }
    for (i = below(seed, 4); i > 0; i--) {
        apr_pool_create(&request, pool);
        memset(apr_palloc(request, 1 + below(seed, 40000)), 7, 1);
        if (list) {
            apr_bucket_free(apr_bucket_alloc(1 + below(seed, 20000), list));
        }
        apr_psprintf(below(seed, 2) ? pool : request, "%*d", (int)below(seed, 9000), 1);
        apr_pool_destroy(request);
    }
    memset(apr_palloc(pool, 1 + below(seed, 20000)), 8, 1);
    if (below(seed, 8) == 0) {
        apr_pool_clear(pool);
    }
    apr_pool_clear(pool);
}

static void *work(void *number)
{
    apr_uint64_t seed = storm.seed + 7919 * (apr_uint64_t)(apr_size_t)number;

    for (unsigned n = 0; n < storm.rounds; n++) {
        unsigned i = below(&seed, POOLS);
        apr_pool_t *pool = __atomic_exchange_n(&storm.pools[i], NULL, __ATOMIC_ACQ_REL);
        const apr_allocator_t *had;

        if (!pool) {
            continue;
        }
        if (below(&seed, 50) == 0) {
            apr_pool_destroy(pool);
            pool = transaction(base, below(&seed, 3) ? LIMIT : 0);
        }
        had = pst_apr_pool(pool)->allocator;
        connection(pool, &seed);
        __atomic_add_fetch(&storm.replaced, had != pst_apr_pool(pool)->allocator, __ATOMIC_RELAXED);
        __atomic_add_fetch(&storm.connections, 1, __ATOMIC_RELAXED);
        __atomic_store_n(&storm.pools[i], pool, __ATOMIC_RELEASE);
    }
    return NULL;
}

/* Sometimes all that an allocator keeps, sometimes a part. */
static void *release_without_end(void *unused)
{
    pst_allocator_round_t round;
    apr_uint64_t seed = storm.seed ^ 20260726;

    while (!__atomic_load_n(&storm.stop, __ATOMIC_ACQUIRE)) {
        pst_allocator_measure(block);
        if (below(&seed, 2)) {
            storm.released += release_all(&round);
            continue;
        }
        pst_allocator_try_all();
        while (pst_allocator_take_some(below(&seed, 20000), 8192 + below(&seed, 100000)) && below(&seed, 20)) {
            storm.some += pst_allocator_drain(1000000);
        }
        pst_allocator_find_larger(below(&seed, 60000));
        storm.some += pst_allocator_drain(1000000);
    }
    return unused;
}

static int add(void *sum, apr_pool_t *pool)
{
    apr_size_t budget = 1000000;

    pst_apr_add_pool(sum, pool, &budget);
    return 1;
}

static void blow(apr_uint64_t seed, unsigned rounds)
{
    pthread_t workers[THREADS], releaser;
    pst_apr_figures_t figures = { 0 };
    apr_uint64_t before = block->held_bytes - block->child_reserved_bytes, free_bytes = 0;
    apr_size_t budget = 1000000;
    int i;

    storm.seed = seed;
    storm.rounds = rounds;
    for (i = 0; i < POOLS; i++) {
        storm.pools[i] = transaction(base, i % 3 ? LIMIT : 0);
    }
    pthread_create(&releaser, NULL, release_without_end, NULL);
    for (i = 0; i < THREADS; i++) {
        pthread_create(&workers[i], NULL, work, (void *)(apr_size_t)i);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(workers[i], NULL);
    }
    __atomic_store_n(&storm.stop, 1, __ATOMIC_RELEASE);
    pthread_join(releaser, NULL);
    for (i = 0; i < POOLS; i++) {
        free_bytes += retained(storm.pools[i]);
    }
    printf("# %" APR_UINT64_T_FMT " connections, %" APR_UINT64_T_FMT " MB released and %" APR_UINT64_T_FMT " MB by some, %"
           APR_UINT64_T_FMT " went on with a spare\n", storm.connections, storm.released >> 20, storm.some >> 20, storm.replaced);
    ok(storm.released > 0 && storm.some > 0, "a storm of releases gave memory back");
    pst_apr_walk(pst_apr_root(base), add, &figures, &budget);
    is_number(block->child_reserved_bytes, figures.reserved, "after it reserved is what the nodes say");
    is_number(block->child_bucket_bytes, 0, "no bucket is out");
    is_number(block->held_bytes, block->child_reserved_bytes + before + free_bytes,
              "and held is that and what the free lists keep");
    for (i = 0; i < POOLS; i++) {
        apr_pool_destroy(storm.pools[i]);
    }
    is_number(kept_by_all(), 0, "all destroyed: nothing is kept");
    is_number(block->allocators, 0, "by nobody");
}

/* ---- too many --------------------------------------------------------------- */

static void too_many(void)
{
    static apr_pool_t *pools[PST_ALLOCATOR_COUNT + 8];
    pst_allocator_round_t round;
    unsigned i;

    for (i = 0; i < PST_ALLOCATOR_COUNT + 8; i++) {
        pools[i] = transaction(base, LIMIT);
        apr_palloc(pools[i], 9000);
        apr_pool_clear(pools[i]);
    }
    kept_by_all();
    is_number(block->allocators, PST_ALLOCATOR_COUNT - 1, "more than there are entries: the rest is left alone");
    is_number(release_all(&round), (apr_uint64_t)(PST_ALLOCATOR_COUNT - 1) * 12288, "the others give back");
    for (i = 0; i < PST_ALLOCATOR_COUNT + 8; i++) {
        apr_pool_destroy(pools[i]);
    }
    kept_by_all();
    is_number(block->allocators, 0, "and all go");
}

int main(int argc, char **argv)
{
    apr_uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 20261123;

    setvbuf(stdout, NULL, _IOLBF, 0);
    apr_initialize();
    ok(start_child(), "instrumented in full");
    idle_ones();
    others();
    separated();
    gently();
    some_of_many();
    owner_comes();
    owner_comes_just_then();
    too_many();
    printf("# seed %" APR_UINT64_T_FMT "\n", seed);
    blow(seed, argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 60000);
    pst_board_close(&board);
    return done();
}
