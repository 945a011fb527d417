/* SPDX-License-Identifier: Apache-2.0
 *
 * The allocators behind transaction pools: how much each keeps in its free list, and emptying that list while nobody
 * uses it.
 *
 * An MPM clears a transaction pool when a connection has ended, and reuses it for a later one. What the pool held
 * stays in its allocator's free list, up to MaxMemFree, with no thread to release it. So another thread does, the
 * releaser:
 *
 *            end of a clear                  the releaser, if it is still so
 *   ACTIVE -----------------> IDLE, turn n -----------------------------------> TAKEN, turn n
 *      ^                         |     ^                                           |   |
 *      |   first use (exchange)  |     |   nodes are taken (compare-and-swap)      |   |
 *      +-------------------------+     +-------------------------------------------+   |
 *      +-------------------------------------------------------------------------------+
 *          first use (exchange) while the releaser has it: the owner continues with the spare
 *          allocator that is ready, and the releaser, whose compare-and-swap fails, keeps the old one
 *
 * Nobody ever waits: the owner makes one exchange at the first slow operation of a connection.  The releaser touches
 * the table's entry and the allocator, never the pool, which may be destroyed at any moment. In state IDLE only the
 * pool knows the allocator: it has just been cleared, has no pools below it, and no bucket allocator that uses it is
 * left.
 *
 * Called by: worker, watchdog
 */
#ifndef PST_ALLOCATOR_H
#define PST_ALLOCATOR_H

#include <apr_allocator.h>
#include "pst_apr.h"
#include "pst_record.h"

#define PST_ALLOCATOR_COUNT 4096    /**< entries; further pools are left alone. 0 means none */

typedef struct pst_allocator_t {
    apr_uint64_t     state;         /**< atomic: 0 = ACTIVE, else turn << 2 and IDLE or TAKEN */
    apr_uint64_t     turns;         /**< owner: number of times it was idle. Keeps counting when the entry changes
                                         hands: turns never repeat */
    apr_pool_t      *pool;          /**< atomic: NULL = the entry is free */
    apr_allocator_t *allocator;     /**< atomic: the pool's own; stable unless ACTIVE */
    apr_allocator_t *spare;         /**< releaser, before TAKEN: what the owner continues with */
    apr_uint64_t     kept;          /**< atomic: bytes in the free list, as last measured by the owner */
    apr_uint64_t     max_free;      /**< atomic: its limit, bytes */
    apr_int32_t      out;           /**< owner: nodes with bucket allocators taken straight from the allocator and not
                                         yet returned */
    apr_uint32_t     own;           /**< atomic: 1 = used by this pool only; 0 = it is only watched */
} __attribute__((aligned(64))) pst_allocator_t;

extern pst_allocator_t pst_allocators[PST_ALLOCATOR_COUNT];

/* -- owner: whoever may use the pool ---------------------------------------- */

/** Slow half of pst_allocator_use(). */
void pst_allocator_activate(unsigned entry, apr_pool_t *pool);

/** Before an operation on the pool that may touch its allocator or expose it to others. */
static APR_INLINE void pst_allocator_use(const pst_record_t *record, apr_pool_t *pool)
{
    if (__builtin_expect(record->allocator, 0)
        && __atomic_load_n(&pst_allocators[record->allocator].state, __ATOMIC_RELAXED)) {
        pst_allocator_activate(record->allocator, pool);
    }
}

/** Slow half of pst_allocator_recycled(). */
void pst_allocator_enter(pst_record_t *record, apr_pool_t *pool);

/** A pool that had grown, or had an account, has been cleared: from now on its allocator may keep something. */
static APR_INLINE void pst_allocator_recycled(pst_record_t *record, apr_pool_t *pool)
{
    const char *tag = pst_apr_pool(pool)->tag;

    if (!record->allocator && tag && tag[0] == 't') {
        pst_allocator_enter(record, pool);
    }
}

/** A pool that has an entry has been cleared, and all work that this requires is done. */
void pst_allocator_settle(pst_record_t *record, apr_pool_t *pool);

/** A pool is about to be destroyed for good. */
void pst_allocator_gone(pst_record_t *record, apr_pool_t *pool);

/** A node for a bucket allocator or similar code was taken straight from an allocator (n = 1) or is returned to it
 *  (-1). */
void pst_allocator_out(apr_allocator_t *allocator, int n);

/** Note how much is in the free list now. */
static APR_INLINE void pst_allocator_note(const pst_record_t *record, apr_uint64_t kept)
{
    if (record->allocator) {
        __atomic_store_n(&pst_allocators[record->allocator].kept, kept, __ATOMIC_RELAXED);
    }
}

/**
 * Child, before it has threads: give the transaction pool below pchild, which shares pchild's allocator
 * (prefork), one of its own, so that it can be emptied.
 * @return APR_SUCCESS, also if there is nothing to do; APR_ENOMEM
 */
apr_status_t pst_allocator_separate(apr_pool_t *pchild);

/* -- releaser: one thread of the child -------------------------------------- */

/** One pass over all entries. */
typedef struct pst_allocator_round_t {
    unsigned     next;          /**< entry */
    apr_uint32_t emptied;       /**< idle ones that kept something and now keep nothing */
    apr_uint32_t busy;          /**< skipped */
    int          late;          /**< only those that were busy during an earlier round */
} pst_allocator_round_t;

/**
 * Empty the next idle allocator of a round (initially zeroed): its nodes go to the bag, where nobody else can reach
 * them. Only while the bag is empty. @return 0 if none is left in this round
 */
int pst_allocator_take(pst_allocator_round_t *round);

/** From now on pst_allocator_take_some() tries all allocators again. */
void pst_allocator_try_all(void);

/**
 * Move some nodes of one idle allocator into the bag and leave it the others: of one that keeps the most, within a
 * factor of two. One that has no suitable node is not tried again.
 * Only while the bag is empty.
 * @param least, most  nodes of at least that many bytes, in total no more than most; but if the owner comes back just
 * then, all that the allocator kept
 * @return bytes in the bag; 0: none is suitable
 */
apr_uint64_t pst_allocator_take_some(apr_uint64_t least, apr_uint64_t most);

/** Search some idle allocators, different ones each time, for a node larger than this many bytes. Only while the bag
 *  is empty. @return its size; 0: none found */
apr_uint64_t pst_allocator_find_larger(apr_uint64_t than);

/**
 * Return the contents of the bag to the operating system, for about this many microseconds at most. @return bytes
 * released
 */
apr_uint64_t pst_allocator_drain(apr_uint64_t usec);

/** Bytes in the bag. */
apr_uint64_t pst_allocator_bag(void);

/** Publish what allocators keep and would keep under other limits. Once a second. */
void pst_allocator_measure(pst_shared_child_t *block);

#endif /* PST_ALLOCATOR_H */
