/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariants of buckets, checked on request.
 *
 *   - a block of a bucket allocator is freed once
 *   - a bucket's memory comes from the bucket allocator of its brigade and connection
 *   - what a bucket refers to lives as long as the bucket: pst_lent.h
 *
 * Called by: start, worker, watchdog
 */
#ifndef PST_BUCKETS_H
#define PST_BUCKETS_H

#include <apr_buckets.h>
#include "pst_apr.h"

/** Watchdog, or before other threads exist: switch the checks of the lifetime of what buckets refer to. */
void pst_buckets_switch(int on);

static APR_INLINE pst_apr_bucket_head_t *pst_buckets_head(void *block)
{
    return (pst_apr_bucket_head_t *)(void *)((char *)block - PST_APR_BUCKET_HEAD);
}

/** The bucket allocator that a block came from. */
static APR_INLINE apr_bucket_alloc_t *pst_buckets_of(void *block)
{
    return pst_buckets_head(block)->alloc;
}

/* A freed small block has the lowest bit of its node's address set; nothing else uses that bit. */
#define PST_BUCKETS_FREE ((apr_uintptr_t)1)

/** A block was handed out. */
static APR_INLINE void pst_buckets_taken(void *block)
{
    pst_apr_bucket_head_t *head = pst_buckets_head(block);

    head->memnode = (apr_memnode_t *)((apr_uintptr_t)head->memnode & ~PST_BUCKETS_FREE);
}

/** A small block is about to be freed. @param caller a return address in the code that frees it
 *  @return 0: it must not be, since it is still withheld (pst_withheld.h) */
int pst_buckets_freed(void *block, const void *caller);

/** Where a brigade was seen. */
typedef struct pst_buckets_pass_t {
    const char         *by;         /**< the filter that passes it, or NULL */
    apr_bucket_alloc_t *allocator;  /**< the connection's; NULL: buckets of another may occur, as on connections to
                                         backends */
    apr_pool_t         *request;    /**< what buckets refer to in or below this pool is checked; NULL: nothing is */
} pst_buckets_pass_t;

/** A brigade is passed on. The connection's thread. */
void pst_buckets_passed(apr_bucket_brigade *bb, const pst_buckets_pass_t *pass);

#endif /* PST_BUCKETS_H */
