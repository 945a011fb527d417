/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pool lends to buckets: data, files and mappings that a bucket refers to and a pool owns.
 *
 * A bucket seen to refer to something in a request's pool is kept here by its address until it is freed. If the pool
 * ends first, the bucket is stale: code that passes it on passes freed memory.
 *
 * Called by: worker
 */
#ifndef PST_LENT_H
#define PST_LENT_H

#include <apr_buckets.h>
#include "pst_apr.h"
#include "pst_misuse.h"

/** A bucket is passed on: keep it if it refers to something in or below this pool. The owner of both. @param request
 *  NULL: only check whether it is stale
 *  @return 1 if it is stale: call pst_lent_tell() */
int pst_lent_look(apr_bucket *e, apr_pool_t *request);

/** Report a stale bucket: who passes it, and what is known about the pool. Once. */
void pst_lent_tell(const apr_bucket *e);

/** How many buckets are kept. Relaxed atomic. */
extern apr_uint32_t pst_lent_count;

/** The slow half of pst_lent_forget(). */
void pst_lent_drop(const void *block);

/** A block of a bucket allocator was freed or handed out: it is not a kept bucket any more. */
static APR_INLINE void pst_lent_forget(const void *block)
{
    if (__builtin_expect(__atomic_load_n(&pst_lent_count, __ATOMIC_RELAXED) != 0, 0)) {
        pst_lent_drop(block);
    }
}

/** The slow half of pst_lent_pool_ends(). */
void pst_lent_end(apr_pool_t *pool, const void *caller);

/** A pool was cleared, or its cleanups have run and it is about to be freed. @param caller return address of the code
 *  that did it, or NULL */
static APR_INLINE void pst_lent_pool_ends(apr_pool_t *pool, const void *caller)
{
    if (__builtin_expect(__atomic_load_n(&pst_lent_count, __ATOMIC_RELAXED) != 0, 0)) {
        pst_lent_end(pool, caller);
    }
}

#endif /* PST_LENT_H */
