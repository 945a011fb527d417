/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocators of transaction pools: see the header.
 *
 * Concurrency: an entry is claimed by compare-and-swap on pool and belongs to the
 * pool's owner; the releaser gets at the allocator by compare-and-swap on state.
 * A process forked from the child in the middle of this finds a spare like any other owner.
 */
#include "pst_allocator.h"
#include "pst_figure.h"
#include "pst_range.h"
#include "pst_retained.h"
#include "pst_wrap.h"

#include <string.h>
#include <time.h>

#define IDLE  1u
#define TAKEN 2u
#define KIND  3u

/* The tag that httpd's MPMs give to pools they use for one connection after another. */
#define TAG "transaction"

/* Nodes examined to count what an allocator without limit keeps when its pool is first cleared. */
#define COUNT_NODES 4096

/* Children of pchild examined to find the one that prefork made. */
#define LOOK_POOLS 64

#define LEAST_NODE 8192

/* Nodes released between two looks at the clock. */
#define AT_ONCE 16

/* Allocators searched for a large node in one call. */
#define LOOK_INTO 32

pst_allocator_t pst_allocators[PST_ALLOCATOR_COUNT];

static unsigned entries = 1;        /* atomic: number of entries ever used */

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

/* Not ours: another tag, shared by threads, uncountable, or no entry free. */
void pst_allocator_enter(pst_record_t *record, apr_pool_t *pool)
{
    apr_allocator_t *allocator = pst_apr_pool(pool)->allocator;
    pst_allocator_t *entry;

    if (pst_range_has(pool) || strcmp(pst_apr_pool(pool)->tag, TAG) != 0 || pst_apr_has_mutex(allocator)
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
    apr_memnode_t   *chain;     /* in it too */
    apr_uint64_t     bytes;     /* of the bag */
    apr_allocator_t *drain;     /* keeps nothing: what is freed to it goes to the operating system */
    apr_allocator_t *spare;     /* ready for the owner that comes while its allocator is taken */
    apr_byte_t       wanted[PST_ALLOCATOR_COUNT];   /* was busy in a round */
    apr_byte_t       tried[PST_ALLOCATOR_COUNT];    /* has nothing more that pst_allocator_take_some() may take */
    apr_uint64_t     level;     /* it is at those that keep so much, */
    unsigned         next;      /* and at this entry */
    unsigned         looked;    /* last entry examined by pst_allocator_find_larger() */
} g;

static int make_ready(const pst_allocator_t *entry, apr_pool_t *pool)
{
    if (!g.drain) {
        if (apr_allocator_create(&g.drain) != APR_SUCCESS) {
            g.drain = NULL;
            return 0;
        }
        pst_apr_keep_nothing(g.drain);
        pst_retained_forget(g.drain);
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

    for (node = g.chain; node; node = node->next) {
        bytes += pst_apr_node_size(node);
    }
    for (int i = 0; i < PST_APR_FREE_LISTS; i++) {
        for (node = g.lists[i]; node; node = node->next) {
            bytes += pst_apr_node_size(node);
        }
    }
    return bytes;
}

/* Within take_entry(), while the state is TAKEN. An owner who comes meanwhile updates `kept` after us. */
static void take_nodes(pst_allocator_t *entry, apr_allocator_t *allocator, pst_apr_some_t *some, apr_uint64_t was)
{
    apr_uint64_t left = 0;

    if (some) {
        g.chain = pst_apr_take_some(allocator, some);
        left = pst_apr_retained(allocator, 1, 0);
    }
    else {
        pst_apr_take_lists(allocator, g.lists);
    }
    __atomic_compare_exchange_n(&entry->kept, &was, left, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/*
 * What is read of an entry before the swap is used only if the swap succeeds: then
 * its owner has not touched it since it set the state.
 * Some is NULL for all it keeps.  If the owner came meanwhile and went on with the spare,
 * the allocator is nobody's any more: then everything in it goes to the bag.
 */
static int take_entry(pst_allocator_t *entry, pst_apr_some_t *some)
{
    apr_uint64_t idle = __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE), taken = (idle & ~(apr_uint64_t)KIND) | TAKEN;
    apr_allocator_t *allocator = __atomic_load_n(&entry->allocator, __ATOMIC_RELAXED);
    apr_uint64_t was = __atomic_load_n(&entry->kept, __ATOMIC_RELAXED);

    if ((idle & KIND) != IDLE || !make_ready(entry, __atomic_load_n(&entry->pool, __ATOMIC_RELAXED))) {
        return 0;
    }
    entry->spare = g.spare;
    if (!__atomic_compare_exchange_n(&entry->state, &idle, taken, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        return 0;
    }
    take_nodes(entry, allocator, some, was);
    if (!__atomic_compare_exchange_n(&entry->state, &taken, (taken & ~(apr_uint64_t)KIND) | IDLE, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED)) {
        g.spare = NULL;                     /* the owner has it */
        if (some) {
            pst_apr_take_lists(allocator, g.lists);
        }
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
        else if (idle && take_entry(entry, NULL)) {
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

static int may_give(unsigned i, apr_uint64_t least)
{
    const pst_allocator_t *entry = &pst_allocators[i];

    return (__atomic_load_n(&entry->state, __ATOMIC_RELAXED) & KIND) == IDLE && is_own(entry)
           && __atomic_load_n(&entry->kept, __ATOMIC_RELAXED) >= least;
}

void pst_allocator_try_all(void)
{
    unsigned known = __atomic_load_n(&entries, __ATOMIC_ACQUIRE), i;

    memset(g.tried, 0, sizeof(g.tried));
    g.next = 1;
    g.level = LEAST_NODE;
    for (i = 1; i < known; i++) {
        while (may_give(i, g.level)) {
            g.level *= 2;
        }
    }
}

/* Those that keep the most come first, by powers of two. @return 0: none */
static unsigned find_next(void)
{
    unsigned known = __atomic_load_n(&entries, __ATOMIC_ACQUIRE);

    for (; g.level >= LEAST_NODE; g.level /= 2, g.next = 1) {
        for (; g.next < known; g.next++) {
            if (!g.tried[g.next] && may_give(g.next, g.level)) {
                return g.next;
            }
        }
    }
    return 0;
}

apr_uint64_t pst_allocator_take_some(apr_uint64_t least, apr_uint64_t most)
{
    unsigned i;

    while (!g.bytes && (i = find_next()) != 0) {
        pst_apr_some_t some = { .least = least, .most = most };

        if (!take_entry(&pst_allocators[i], &some) || !some.taken) {
            g.tried[i] = 1;
        }
    }
    return g.bytes;
}

/* Takes nothing, by asking for the impossible, except what an owner who comes meanwhile leaves behind: that is in the
 * bag. */
apr_uint64_t pst_allocator_find_larger(apr_uint64_t than)
{
    unsigned known = __atomic_load_n(&entries, __ATOMIC_ACQUIRE), i, count = 0;

    for (i = 1; i < known && count < LOOK_INTO && !g.bytes; i++) {
        pst_apr_some_t some = { .least = APR_SIZE_MAX, .most = than };

        g.looked = g.looked + 1 < known ? g.looked + 1 : 1;
        if (may_give(g.looked, than + 1)) {
            count++;
            if (take_entry(&pst_allocators[g.looked], &some) && some.larger) {
                return some.larger;
            }
        }
    }
    return 0;
}

static apr_uint64_t clock_usec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (apr_uint64_t)ts.tv_sec * 1000000 + (apr_uint64_t)ts.tv_nsec / 1000;
}

/* Take up to AT_ONCE nodes from one of the bag's lists. @return their bytes */
static apr_uint64_t pick(apr_memnode_t **list, apr_memnode_t **chain, int *count)
{
    apr_uint64_t bytes = 0;
    apr_memnode_t *node;

    while ((node = *list) != NULL && *count < AT_ONCE) {
        bytes += pst_apr_node_size(node);
        *list = node->next;
        node->next = *chain;
        *chain = node;
        ++*count;
    }
    return bytes;
}

apr_uint64_t pst_allocator_drain(apr_uint64_t usec)
{
    apr_uint64_t began = clock_usec(), bytes = 0;

    while (g.bytes) {
        apr_memnode_t *chain = NULL;
        int count = 0;
        apr_uint64_t some = pick(&g.chain, &chain, &count);

        for (int i = 0; i < PST_APR_FREE_LISTS; i++) {
            some += pick(&g.lists[i], &chain, &count);
        }
        pst_real.allocator_free(g.drain, chain);
        bytes += some;
        g.bytes -= some;
        if (clock_usec() - began > usec) {
            break;
        }
    }
    return bytes;
}

apr_uint64_t pst_allocator_bag(void)
{
    return g.bytes;
}

void pst_allocator_measure(pst_shared_child_t *block)
{
    unsigned known = __atomic_load_n(&entries, __ATOMIC_ACQUIRE), i, k;
    apr_uint64_t count = 0, sum = g.bytes, kept[PST_LIMIT_COUNT];
    pst_shared_limits_t *limits = &block->limits;

    for (k = 0; k < PST_LIMIT_COUNT; k++) {
        kept[k] = g.bytes;      /* the bag exists whatever the limit */
    }
    for (i = 1; i < known; i++) {
        apr_uint64_t bytes = __atomic_load_n(&pst_allocators[i].kept, __ATOMIC_RELAXED);

        count += __atomic_load_n(&pst_allocators[i].pool, __ATOMIC_RELAXED) != NULL;
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
        pst_raise(&limits->peak[k], kept[k]);
        pst_store(&limits->sum[k], pst_load(&limits->sum[k]) + kept[k]);
    }
    pst_raise(&limits->real_peak, sum);
    pst_store(&limits->real_sum, pst_load(&limits->real_sum) + sum);
    pst_store(&limits->samples, pst_load(&limits->samples) + 1);
}
