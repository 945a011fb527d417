/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of pools: see the header.
 *
 * Concurrency: an inside record belongs to whoever owns the pool.  The side table
 * is open addressing with atomic keys: inserts race by compare-and-swap, lookups never wait; a deletion leaves a
 * tombstone that the next insert to pass reuses.
 */
#include "pst_record.h"
#include "pst_apr.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define GONE ((apr_pool_t *)(void *)1)
#define BUSY ((apr_pool_t *)(void *)2)

/* Entries are scattered over the table, records are side by side in the order of first use: unneeded pages are never
 * touched. An entry keeps its record for its next user. */
typedef struct {
    apr_pool_t   *pool;     /* atomic: NULL = never used, GONE = free again, BUSY = being filled */
    pst_record_t *record;
} side_t;

static struct {
    side_t       *side;
    apr_size_t    mask;
    pst_record_t *records;      /* as many as there are entries */
    apr_size_t    record_count; /* atomic */
} g;

pst_record_place_t pst_record_place;

apr_status_t pst_record_start(apr_size_t first, apr_size_t expected)
{
    apr_size_t size = 1024;

    pst_record_place.first = first;
    if (getrandom(&pst_record_place.secret, sizeof(pst_record_place.secret), GRND_NONBLOCK)
        != (ssize_t)sizeof(pst_record_place.secret)) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        pst_record_place.secret = (apr_uint64_t)ts.tv_nsec * 0x9e3779b97f4a7c15u ^ (apr_uint64_t)getpid() << 32
                   ^ (apr_uint64_t)(apr_uintptr_t)&ts;
    }
    while (size < 4 * expected) {
        size *= 2;
    }
    g.side = mmap(NULL, size * (sizeof(*g.side) + sizeof(*g.records)), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (g.side == MAP_FAILED) {
        g.side = NULL;
        return APR_ENOMEM;
    }
    g.mask = size - 1;
    g.records = (pst_record_t *)(void *)(g.side + size);
    g.record_count = 0;
    return APR_SUCCESS;
}

static apr_size_t hash_pool(const apr_pool_t *pool)
{
    return (apr_size_t)(pst_record_magic(pool) * 0x9e3779b97f4a7c15u >> 20) & g.mask;
}

/*
 * Does by hand what apr_palloc() would do, and one thing more: sets the pool's own first byte to after the record, so
 * that apr_pool_clear() (apr_pools.c, which resets first_avail to self_first_avail) leaves it in place.
 */
pst_record_t *pst_record_make(apr_pool_t *pool)
{
    pst_apr_pool_t *p = pst_apr_pool(pool);
    pst_record_t *record = pst_record_inside(pool);

    p->self->first_avail = p->self_first_avail = (char *)record + APR_ALIGN_DEFAULT(sizeof(*record));
    memset(record, 0, sizeof(*record));
    record->account = pst_account_process();
    __atomic_store_n(&record->magic, pst_record_magic(pool), __ATOMIC_RELEASE);
    return record;
}

static side_t *side_of(apr_pool_t *pool)
{
    apr_size_t i = hash_pool(pool), tries;

    for (tries = 0; tries <= g.mask; tries++, i = (i + 1) & g.mask) {
        apr_pool_t *key = __atomic_load_n(&g.side[i].pool, __ATOMIC_ACQUIRE);

        if (key == pool) {
            return &g.side[i];
        }
        if (!key) {
            return NULL;
        }
    }
    return NULL;
}

pst_record_t *pst_record_find_aside(apr_pool_t *pool)
{
    side_t *side = side_of(pool);

    return side ? side->record : NULL;
}

static pst_record_t *adopt_aside(apr_pool_t *pool)
{
    apr_size_t i = hash_pool(pool), tries;

    for (tries = 0; tries <= g.mask; tries++, i = (i + 1) & g.mask) {
        apr_pool_t *key = __atomic_load_n(&g.side[i].pool, __ATOMIC_RELAXED);

        if ((!key || key == GONE)
            && __atomic_compare_exchange_n(&g.side[i].pool, &key, BUSY, 0, __ATOMIC_ACQUIRE,
                                           __ATOMIC_RELAXED)) {
            side_t *side = &g.side[i];

            if (!side->record) {
                side->record = &g.records[__atomic_fetch_add(&g.record_count, 1, __ATOMIC_RELAXED)];
            }
            memset(side->record, 0, sizeof(*side->record));
            side->record->account = pst_account_process();
            __atomic_store_n(&side->pool, pool, __ATOMIC_RELEASE);
            return side->record;
        }
    }
    return NULL;
}

/* Nothing is allocated yet, or everything was cleared: there is room inside. */
static int is_virgin(apr_pool_t *pool)
{
    const pst_apr_pool_t *p = pst_apr_pool(pool);

    return p->active == p->self && p->self->first_avail == p->self_first_avail
           && p->self_first_avail == (char *)pst_record_inside(pool)
           && pst_apr_node_slack(p->self) > sizeof(pst_record_t);
}

pst_record_t *pst_record_adopt(apr_pool_t *pool)
{
    return is_virgin(pool) ? pst_record_make(pool) : adopt_aside(pool);
}

void pst_record_drop(apr_pool_t *pool, pst_record_t *record)
{
    side_t *side;

    if (record == pst_record_inside(pool)) {
        record->magic = 0;
        return;
    }
    side = side_of(pool);
    if (side) {
        __atomic_store_n(&side->pool, GONE, __ATOMIC_RELEASE);
    }
}
