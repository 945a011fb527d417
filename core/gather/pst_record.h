/* SPDX-License-Identifier: Apache-2.0
 *
 * Our record for each pool: what was charged for it, and to whom.
 *
 * It is inside the pool, where the first palloc would have landed, and survives apr_pool_clear(). Pools created
 * before this child was instrumented, or by code that is not, have theirs in a side table.  Found in O(1), without a
 * lock.
 *
 * Called by: start (pst_record_start), worker
 */
#ifndef PST_RECORD_H
#define PST_RECORD_H

#include "pst_account.h"

typedef struct pst_record_t {
    apr_uint64_t   magic;       /**< of a record inside its pool: made from its address */
    pst_account_t *account;     /**< who is charged for this pool; never NULL */
    pst_account_t *rooted;      /**< the account opened for this pool, or NULL */
    apr_size_t     reserved;    /**< charged: bytes of its nodes */
    apr_size_t     left;        /**< slack of its nodes other than the active one */
    apr_size_t     published;   /**< charged: slack */
    const apr_memnode_t *active; /**< of the pool when last seen: if different now, it was changed unseen */
    apr_uint64_t   born;        /**< by pst_ticks() */
    apr_uint16_t   of_class;    /**< pst_class.h; 0 = none */
    apr_uint16_t   allocator;   /**< pst_allocator.h: entry of a transaction pool; 0 = other pools */
    apr_uint32_t   samples;     /**< pst_site.h: its sampled growths; 0 = none */
    apr_uint32_t   newly;       /**< pst_novel.h: pages that came with requests new to the child */
    apr_uint32_t   again;       /**< pages that came with others */
} pst_record_t;

/**
 * Child, once: learn where records go, make the side table large enough for the expected pools.
 * @return APR_SUCCESS or APR_ENOMEM
 */
apr_status_t pst_record_start(apr_size_t first, apr_size_t expected);

/** The record of a new pool: made inside it, charged to the process until its maker changes that. Its maker's
 *  thread. */
pst_record_t *pst_record_make(apr_pool_t *pool);

/* Where inside a pool its record is, and what makes its magic; set by start. */
typedef struct pst_record_place_t {
    apr_size_t   first;
    apr_uint64_t secret;        /**< so that nobody who feeds bytes into pools can forge a magic */
} pst_record_place_t;

extern pst_record_place_t pst_record_place;

static APR_INLINE pst_record_t *pst_record_inside(apr_pool_t *pool)
{
    return (pst_record_t *)(void *)((char *)pool + pst_record_place.first);
}

static APR_INLINE apr_uint64_t pst_record_magic(const apr_pool_t *pool)
{
    return (apr_uint64_t)(apr_uintptr_t)pool ^ pst_record_place.secret;
}

/** The record of a pool that has none inside: from the side table, or NULL. */
pst_record_t *pst_record_find_aside(apr_pool_t *pool);

/** The record of a pool, or NULL if it has none. Any thread that may use the pool. */
static APR_INLINE pst_record_t *pst_record_find(apr_pool_t *pool)
{
    pst_record_t *record = pst_record_inside(pool);

    return __builtin_expect(record->magic == pst_record_magic(pool), 1) ? record
                                                                       : pst_record_find_aside(pool);
}

/**
 * Give a pool that has no record one: inside if nothing has been allocated from
 * the pool yet, else in the side table.
 * @return the record, charged to the process; NULL if the table is full
 */
pst_record_t *pst_record_adopt(apr_pool_t *pool);

/**
 * The pool is about to be freed: drop its record. A record left inside could be taken for that of the next pool in
 * the same node.
 */
void pst_record_drop(apr_pool_t *pool, pst_record_t *record);

#endif /* PST_RECORD_H */
