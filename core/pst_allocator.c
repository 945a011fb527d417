/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocators of transaction pools: see the header.
 *
 * Concurrency: an entry is claimed by compare-and-swap on pool and belongs to the
 * pool's owner; the releaser gets at the allocator by compare-and-swap on state.
 * A process forked from the child in the midst of this finds a spare like any other owner.
 */
#include "pst_allocator.h"
#include "pst_wrap.h"

#include <string.h>
#include <time.h>

#define IDLE  1u
#define TAKEN 2u
#define KIND  3u

/* The tag that httpd's MPMs give to the pools that they use for one connection after the other. */
#define TAG "transaction"

/* Nodes looked at to count what an allocator without limit keeps when its pool is first cleared. */
#define COUNT_NODES 4096

/* Children of pchild looked at for the one that prefork made. */
#define LOOK_POOLS 64

/* Nodes given back between two looks at the clock. */
#define AT_ONCE 16

pst_allocator_t pst_allocators[PST_ALLOCATOR_COUNT];

static unsigned entries = 1;        /* atomic: entries ever used, none of them is beyond */

/* ---- owner ---------------------------------------------------------------- */

void pst_allocator_activate(unsigned i, apr_pool_t *pool)
{
    pst_allocator_t *entry = &pst_allocators[i];
    apr_uint64_t was = __atomic_exchange_n(&entry->state, 0, __ATOMIC_ACQ_REL);

    if ((was & KIND) == TAKEN) {
        pst_apr_set_allocator(pool, entry->spare);
        __atomic_store_n(&entry->allocator, entry->spare, __ATOMIC_RELAXED);
        __atomic_store_n(&entry->kept, 0, __ATOMIC_RELAXED);
    }
}

static unsigned find_free(apr_pool_t *pool)
{
    unsigned i, known = __atomic_load_n(&entries, __ATOMIC_RELAXED);

    for (i = 1; i < PST_ALLOCATOR_COUNT; i++) {
        apr_pool_t *nobody = NULL;

        if (!__atomic_load_n(&pst_allocators[i].pool, __ATOMIC_RELAXED)
            && __atomic_compare_exchange_n(&pst_allocators[i].pool, &nobody, pool, 0, __ATOMIC_ACQUIRE,
                                           __ATOMIC_RELAXED)) {
            while (known <= i && !__atomic_compare_exchange_n(&entries, &known, i + 1, 0, __ATOMIC_RELEASE,
                                                              __ATOMIC_RELAXED)) { }
            return i;
        }
    }
    return 0;
}

/* None of ours: another tag, more than one thread's, uncountable, no entry free. */
void pst_allocator_enter(pst_record_t *record, apr_pool_t *pool)
{
    apr_allocator_t *allocator = pst_apr_pool(pool)->allocator;
    pst_allocator_t *entry;

    if (strcmp(pst_apr_pool(pool)->tag, TAG) != 0 || pst_apr_has_mutex(allocator)
        || !pst_apr_make_countable(allocator, COUNT_NODES)) {
        return;
    }
    record->allocator = (apr_uint16_t)find_free(pool);
    if (!record->allocator) {
        return;
    }
    entry = &pst_allocators[record->allocator];
    entry->out = 0;
    __atomic_store_n(&entry->own, apr_allocator_owner_get(allocator) == pool, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->max_free, pst_apr_max_free(allocator), __ATOMIC_RELAXED);
    __atomic_store_n(&entry->allocator, allocator, __ATOMIC_RELAXED);
}

void pst_allocator_out(apr_allocator_t *allocator, int n)
{
    apr_pool_t *owner = apr_allocator_owner_get(allocator);
    const pst_record_t *record = owner ? pst_record_find(owner) : NULL;

    if (record && record->allocator) {
        pst_allocators[record->allocator].out += n;
    }
}

void pst_allocator_settle(pst_record_t *record, apr_pool_t *pool)
{
    pst_allocator_t *entry = &pst_allocators[record->allocator];

    __atomic_store_n(&entry->kept, pst_apr_retained(pst_apr_pool(pool)->allocator, 1, 0), __ATOMIC_RELAXED);
    if (entry->own && entry->out == 0 && !pst_apr_pool(pool)->child
        && apr_allocator_owner_get(pst_apr_pool(pool)->allocator) == pool) {
        __atomic_store_n(&entry->state, ++entry->turns << 2 | IDLE, __ATOMIC_RELEASE);
    }
}

void pst_allocator_gone(pst_record_t *record, apr_pool_t *pool)
{
    pst_allocator_t *entry = &pst_allocators[record->allocator];

    pst_allocator_use(record, pool);
    record->allocator = 0;
    __atomic_store_n(&entry->kept, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->pool, NULL, __ATOMIC_RELEASE);
}

apr_status_t pst_allocator_separate(apr_pool_t *pchild)
{
    apr_allocator_t *shared = pst_apr_pool(pchild)->allocator, *own;
    apr_pool_t *pool = pst_apr_pool(pchild)->child;
    int budget = LOOK_POOLS;

    for (; pool && budget > 0; pool = pst_apr_pool(pool)->sibling, budget--) {
        const char *tag = pst_apr_pool(pool)->tag;

        if (!tag || strcmp(tag, TAG) != 0 || pst_apr_pool(pool)->allocator != shared || pst_apr_pool(pool)->child
            || pst_apr_has_mutex(shared)) {
            continue;
        }
        if (apr_allocator_create(&own) != APR_SUCCESS) {
            return APR_ENOMEM;
        }
        apr_allocator_max_free_set(own, pst_apr_max_free(shared));
        apr_allocator_owner_set(own, pool);
        pst_apr_set_allocator(pool, own);
    }
    return APR_SUCCESS;
}

/* ---- releaser ------------------------------------------------------------- */

static struct {
    apr_memnode_t   *lists[PST_APR_FREE_LISTS];     /* the bag */
    apr_uint64_t     bytes;
    apr_allocator_t *drain;     /* keeps nothing: what is freed to it goes to the operating system */
    apr_allocator_t *spare;     /* ready for the owner that comes while its allocator is taken */
    apr_uint64_t     seen[PST_ALLOCATOR_COUNT];     /* states, as last measured */
    apr_byte_t       wanted[PST_ALLOCATOR_COUNT];   /* was busy in a round */
} g;

static int make_ready(const pst_allocator_t *entry, apr_pool_t *pool)
{
    if (!g.drain) {
        if (apr_allocator_create(&g.drain) != APR_SUCCESS) {
            g.drain = NULL;
            return 0;
        }
        pst_apr_keep_nothing(g.drain);
    }
    if (!g.spare && apr_allocator_create(&g.spare) != APR_SUCCESS) {
        g.spare = NULL;
        return 0;
    }
    apr_allocator_max_free_set(g.spare, __atomic_load_n(&entry->max_free, __ATOMIC_RELAXED));
    apr_allocator_owner_set(g.spare, pool);
    return 1;
}

static apr_uint64_t weigh_bag(void)
{
    const apr_memnode_t *node;
    apr_uint64_t bytes = 0;

    for (int i = 0; i < PST_APR_FREE_LISTS; i++) {
        for (node = g.lists[i]; node; node = node->next) {
            bytes += pst_apr_node_size(node);
        }
    }
    return bytes;
}

/*
 * What is read of an entry before the swap is used only if the swap succeeds: then
 * its owner has not touched it since it set the state.
 */
static int take(pst_allocator_t *entry)
{
    apr_uint64_t idle = __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE), taken = (idle & ~(apr_uint64_t)KIND) | TAKEN;
    apr_allocator_t *allocator = __atomic_load_n(&entry->allocator, __ATOMIC_RELAXED);

    if ((idle & KIND) != IDLE || !make_ready(entry, __atomic_load_n(&entry->pool, __ATOMIC_RELAXED))) {
        return 0;
    }
    entry->spare = g.spare;
    if (!__atomic_compare_exchange_n(&entry->state, &idle, taken, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        return 0;
    }
    pst_apr_take_lists(allocator, g.lists);
    __atomic_store_n(&entry->kept, 0, __ATOMIC_RELAXED);
    if (!__atomic_compare_exchange_n(&entry->state, &taken, (taken & ~(apr_uint64_t)KIND) | IDLE, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED)) {
        g.spare = NULL;                     /* the owner has it */
        apr_allocator_destroy(allocator);   /* nobody else knows it any more */
    }
    g.bytes = weigh_bag();
    return 1;
}

static int is_own(const pst_allocator_t *entry)
{
    return __atomic_load_n(&entry->pool, __ATOMIC_RELAXED) && __atomic_load_n(&entry->own, __ATOMIC_RELAXED);
}

int pst_allocator_take(pst_allocator_round_t *round)
{
    unsigned known = __atomic_load_n(&entries, __ATOMIC_ACQUIRE);

    if (!round->next) {
        round->next = 1;
    }
    while (round->next < known) {
        unsigned i = round->next++;
        pst_allocator_t *entry = &pst_allocators[i];
        int idle = (__atomic_load_n(&entry->state, __ATOMIC_RELAXED) & KIND) == IDLE;

        if (!is_own(entry) || (round->late && !g.wanted[i])) {
            continue;
        }
        if (idle && !__atomic_load_n(&entry->kept, __ATOMIC_RELAXED)) {
            g.wanted[i] = 0;
        }
        else if (idle && take(entry)) {
            g.wanted[i] = 0;
            round->emptied++;
            return 1;
        }
        else {
            g.wanted[i] = 1;
            round->busy++;
        }
    }
    return 0;
}

int pst_allocator_take_largest(void)
{
    unsigned known = __atomic_load_n(&entries, __ATOMIC_ACQUIRE), i;
    pst_allocator_t *largest = NULL;
    apr_uint64_t most = 0;

    for (i = 1; i < known; i++) {
        pst_allocator_t *entry = &pst_allocators[i];
        apr_uint64_t kept = __atomic_load_n(&entry->kept, __ATOMIC_RELAXED);
        apr_uint64_t state = __atomic_load_n(&entry->state, __ATOMIC_RELAXED);

        if (kept > most && (state & KIND) == IDLE && state == g.seen[i] && is_own(entry)) {
            most = kept;
            largest = entry;
        }
    }
    return largest && take(largest);
}

static apr_uint64_t clock_usec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (apr_uint64_t)ts.tv_sec * 1000000 + (apr_uint64_t)ts.tv_nsec / 1000;
}

/* Up to AT_ONCE nodes off the bag, no more than most bytes. @return their bytes */
static apr_uint64_t pick(apr_memnode_t **chain, apr_uint64_t most, int *stuck)
{
    apr_uint64_t bytes = 0;
    int count = 0;

    for (int i = 0; i < PST_APR_FREE_LISTS; i++) {
        apr_memnode_t *node;

        while ((node = g.lists[i]) != NULL && count < AT_ONCE) {
            apr_size_t size = pst_apr_node_size(node);

            if (size > most - bytes) {
                *stuck = 1;
                break;
            }
            g.lists[i] = node->next;
            node->next = *chain;
            *chain = node;
            bytes += size;
            count++;
        }
    }
    return bytes;
}

apr_uint64_t pst_allocator_drain(apr_uint64_t most, apr_uint64_t usec, int *stuck)
{
    apr_uint64_t began = clock_usec(), bytes = 0;
    int too_large = 0;

    while (g.bytes) {
        apr_memnode_t *chain = NULL;
        apr_uint64_t some;

        too_large = 0;
        some = pick(&chain, most - bytes, &too_large);
        if (!chain) {
            break;
        }
        pst_real.allocator_free(g.drain, chain);
        bytes += some;
        g.bytes -= some;
        if (clock_usec() - began > usec) {
            break;
        }
    }
    if (stuck) {
        *stuck = too_large;
    }
    return bytes;
}

apr_uint64_t pst_allocator_bag(void)
{
    return g.bytes;
}

static void raise_to(uint64_t *peak, apr_uint64_t value)
{
    if (value > pst_load(peak)) {
        pst_store(peak, value);
    }
}

void pst_allocator_measure(pst_shared_child_t *block)
{
    unsigned known = __atomic_load_n(&entries, __ATOMIC_ACQUIRE), i, k;
    apr_uint64_t count = 0, sum = 0, kept[PST_LIMIT_COUNT] = { 0 };
    pst_shared_limits_t *limits = &block->limits;

    for (i = 1; i < known; i++) {
        apr_uint64_t bytes = __atomic_load_n(&pst_allocators[i].kept, __ATOMIC_RELAXED);

        count += __atomic_load_n(&pst_allocators[i].pool, __ATOMIC_RELAXED) != NULL;
        g.seen[i] = __atomic_load_n(&pst_allocators[i].state, __ATOMIC_RELAXED);
        sum += bytes;
        for (k = 0; k < PST_LIMIT_COUNT; k++) {
            apr_uint64_t limit = (apr_uint64_t)PST_LIMIT_LEAST << k;

            kept[k] += bytes < limit ? bytes : limit;
        }
    }
    pst_store(&block->allocators, count);
    pst_store(&block->allocators_kept_bytes, sum);
    for (k = 0; k < PST_LIMIT_COUNT; k++) {
        pst_store(&limits->kept[k], kept[k]);
        raise_to(&limits->peak[k], kept[k]);
        pst_store(&limits->sum[k], pst_load(&limits->sum[k]) + kept[k]);
    }
    raise_to(&limits->real_peak, sum);
    pst_store(&limits->real_sum, pst_load(&limits->real_sum) + sum);
    pst_store(&limits->samples, pst_load(&limits->samples) + 1);
}
