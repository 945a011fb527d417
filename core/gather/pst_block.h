/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampled heap blocks, by address: looked up whenever a block is freed.
 *
 * Any thread, any context; no lock, no heap memory. A block has one owner, so the thread that frees it has its entry
 * to itself.
 *
 * Called by: worker, signal
 */
#ifndef PST_BLOCK_H
#define PST_BLOCK_H

#include <apr.h>

#define PST_BLOCK_COUNT  8192u      /* maximum number of live sampled blocks */
#define PST_BLOCK_FILTER 8192u

typedef struct pst_block_t {
    apr_uint32_t site;              /**< pst_site.h: the site charged */
    apr_uint64_t size;              /**< bytes requested */
    apr_uint64_t weight;            /**< bytes it stands for */
} pst_block_t;

/** Number of sampled blocks whose address falls here: nearly always 0, and then no lookup is needed. */
extern apr_uint16_t pst_block_filter[PST_BLOCK_FILTER];

/** Adjacent blocks fall into adjacent entries: a hash is not worth its instructions. */
static APR_INLINE apr_uint16_t *pst_block_filter_of(const void *at)
{
    return &pst_block_filter[(apr_uintptr_t)at >> 4 & (PST_BLOCK_FILTER - 1)];
}

/** May this be a sampled block? A few instructions; 0 is certain. */
static APR_INLINE int pst_block_maybe(const void *at)
{
    return __builtin_expect(__atomic_load_n(pst_block_filter_of(at), __ATOMIC_RELAXED) != 0, 0);
}

/** Remember a block. @return 0 if there was no room */
int pst_block_add(const void *at, const pst_block_t *block);

/** Forget a block. @param at may be NULL @return whether it was sampled; then *block is filled in */
int pst_block_take(const void *at, pst_block_t *block);

/** Forget all, one by one. One thread at a time. @param gone is called for each */
void pst_block_drop_all(void (*gone)(const pst_block_t *block));

#endif /* PST_BLOCK_H */
