/* SPDX-License-Identifier: Apache-2.0
 *
 * Freed blocks of bucket allocators that are withheld for a while: whoever writes to one after it was freed is found.
 *
 * One in so many small blocks, chosen at random, does not go back to its allocator when it is freed.  What is in it
 * is copied and left in place, so a stale pointer reads what it would have read. The copy is compared when another
 * block of the same allocator is withheld, when this one is let go, and when the allocator ends. Its memory stays in
 * the allocator's nodes and ends with them.
 *
 * Concurrency: a set of rows belongs to one bucket allocator, and so to one thread at a time. It is claimed by
 * compare-and-swap; an allocator that finds its set taken does without.
 *
 * Called by: start, worker, watchdog (pst_withheld_switch)
 */
#ifndef PST_WITHHELD_H
#define PST_WITHHELD_H

#include <apr_buckets.h>
#include "pst_apr.h"

/** Watchdog, or before other threads exist. Off: what is withheld stays so until its allocator ends.
 *  @return 0: there is no memory for it */
int pst_withheld_switch(int on);

/** A small block is about to go back to its allocator. @return the block to give back now, which may be another; NULL:
 *  none */
void *pst_withheld_swap(void *block);

/** Is that freed block withheld? */
int pst_withheld_has(void *block);

/* Sets in use. Relaxed atomic. */
extern apr_uint32_t pst_withheld_sets;

/** The slow half of the next one. */
void pst_withheld_ends(apr_memnode_t *chain);

/** Nodes are about to go back to their allocator: maybe all those of a bucket allocator. */
static APR_INLINE void pst_withheld_end(apr_memnode_t *chain)
{
    if (__atomic_load_n(&pst_withheld_sets, __ATOMIC_RELAXED)) {
        pst_withheld_ends(chain);
    }
}

/** Bytes withheld now. */
apr_size_t pst_withheld_bytes(void);

#endif /* PST_WITHHELD_H */
