/* SPDX-License-Identifier: Apache-2.0
 *
 * A record of ours for each pool: what it was charged with, and to whom.
 *
 * It lies inside the pool, where the first palloc would have landed, and survives
 * apr_pool_clear().  Pools born before this child was instrumented, or in code that is
 * not, have theirs in a side table.  Found in O(1), without a lock.
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
    const void    *creator;     /**< return address of the call that made the pool, or NULL */
    apr_uint64_t   spare;
} pst_record_t;

/**
 * Child, once: learn where records go, make the side table big enough for expected pools.
 * @return APR_SUCCESS or APR_ENOMEM
 */
apr_status_t pst_record_start(apr_size_t first, apr_size_t expected);

/** The record of a fresh pool: made inside of it, empty but for the magic. Its maker's thread. */
pst_record_t *pst_record_make(apr_pool_t *pool);

/* Where inside a pool its record is, and what makes its magic; set by start. */
typedef struct pst_record_place_t {
    apr_size_t   first;
    apr_uint64_t secret;        /**< nobody who feeds bytes into pools can forge a magic */
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

/** Where else a record may be: of a dying pool, in the side table. */
pst_record_t *pst_record_find_elsewhere(apr_pool_t *pool);

/** The record of a pool, or NULL if it has none. Any thread that may use the pool. */
static APR_INLINE pst_record_t *pst_record_find(apr_pool_t *pool)
{
    pst_record_t *record = pst_record_inside(pool);

    return __builtin_expect(record->magic == pst_record_magic(pool), 1) ? record
                                                                       : pst_record_find_elsewhere(pool);
}

/**
 * Give a pool that has no record one: inside if nothing has been allocated from
 * the pool yet, else in the side table.
 * @return the record, empty but for the magic; NULL if the table is full
 */
pst_record_t *pst_record_adopt(apr_pool_t *pool);

/**
 * A pool on its way out.  Its cleanups may still allocate from it and make children,
 * but when they are done its memory may be gone, and an inside record left behind could be taken for
 * that of another pool.  So from begin to end the record is this copy on the
 * destroyer's stack.
 */
typedef struct pst_dying_t {
    apr_pool_t         *pool;
    pst_record_t        record;
    struct pst_dying_t *outer;
} pst_dying_t;

void pst_record_dying_begin(pst_dying_t *dying, apr_pool_t *pool, pst_record_t *record);
void pst_record_dying_end(pst_dying_t *dying);

#endif /* PST_RECORD_H */
