/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pool lends to buckets: data, files and mappings that a bucket refers to and a pool owns.
 *
 * A bucket that was seen to refer to something in a request's pool is kept here by its address until it is given back.
 * If the pool ends before, the bucket is stale: whoever passes it on then passes what is gone.
 *
 * Called by: worker
 */
#ifndef PST_LENT_H
#define PST_LENT_H

#include <apr_buckets.h>
#include "pst_apr.h"
#include "pst_misuse.h"

/** A bucket is passed on: keep it, if it refers to something in this pool or below it. Whoever has both.
 *  @param request NULL: only look whether it is stale
 *  @return 1 if it is stale: pst_lent_tell() */
int pst_lent_look(apr_bucket *e, apr_pool_t *request);

/** Of a stale bucket: who passes it, and what is known of the pool. Once. */
void pst_lent_tell(const apr_bucket *e);

/** How many buckets are kept. Relaxed atomic. */
extern apr_uint32_t pst_lent_count;

/** The slow half of the next one. */
void pst_lent_drop(const void *block);

/** A block of a bucket allocator was given back, or handed out: it is no bucket that is kept. */
static APR_INLINE void pst_lent_forget(const void *block)
{
    if (__builtin_expect(__atomic_load_n(&pst_lent_count, __ATOMIC_RELAXED) != 0, 0)) {
        pst_lent_drop(block);
    }
}

/** The same of the next one. */
void pst_lent_end(apr_pool_t *pool, const void *caller);

/** A pool was cleared, or its cleanups have run and it will be gone. @param caller who did it: a return address, or
 *  NULL */
static APR_INLINE void pst_lent_pool_ends(apr_pool_t *pool, const void *caller)
{
    if (__builtin_expect(__atomic_load_n(&pst_lent_count, __ATOMIC_RELAXED) != 0, 0)) {
        pst_lent_end(pool, caller);
    }
}

#endif /* PST_LENT_H */
