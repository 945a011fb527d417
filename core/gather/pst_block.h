/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of the heap that were sampled, by their address: what is asked whenever a block is freed.
 *
 * Any thread, any context; no lock, no memory of the heap. A block has one owner, so
 * who frees it is alone with its entry.
 *
 * Called by: worker, signal
 */
#ifndef PST_BLOCK_H
#define PST_BLOCK_H

#include <apr.h>

#define PST_BLOCK_COUNT  8192u      /* sampled blocks that live at a time */
#define PST_BLOCK_FILTER 8192u

typedef struct pst_block_t {
    apr_uint32_t site;              /**< pst_site.h: who is charged */
    apr_uint64_t size;              /**< bytes asked for */
    apr_uint64_t weight;            /**< bytes it stands for */
} pst_block_t;

/** How many sampled blocks have an address that falls here: nearly always 0, and then there is nothing to look for. */
extern apr_uint16_t pst_block_filter[PST_BLOCK_FILTER];

/** Blocks beside each other fall beside each other: no hash is worth its instructions. */
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

/** Forget a block. @param at may be NULL @return whether it was one; then *block says what it was */
int pst_block_take(const void *at, pst_block_t *block);

/** Forget all, one by one. One thread at a time. @param gone is told of each */
void pst_block_drop_all(void (*gone)(const pst_block_t *block));

#endif /* PST_BLOCK_H */
