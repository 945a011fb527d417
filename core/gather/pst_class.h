/* SPDX-License-Identifier: Apache-2.0
 *
 * Classes: pools with the same tag made at the same place, counted on the board.
 *
 * A pool is tagged after it is created. So a new pool is put into the class that its creator's pools have ended up in
 * so far, and moved if that turns out wrong: at apr_pool_tag() or, if it is never tagged, when it next grows, is
 * cleared or destroyed. For a creator found to make pools of several classes no guess is made again.
 *
 * Called by: start (pst_class_start), worker
 */
#ifndef PST_CLASS_H
#define PST_CLASS_H

#include "pst_account.h"
#include "pst_apr.h"
#include "pst_clock.h"
#include "pst_figure.h"
#include "pst_record.h"

/** What is known about a class besides its row. Never changes, except where noted. */
typedef struct pst_class_t {
    pst_shared_class_t *row;
    const void         *creator;    /**< return address, or NULL */
    const char         *tag;        /**< the argument of apr_pool_tag(), if its address identifies it; NULL: no tag
                                         */
    apr_uint32_t        next;       /**< next class of the same creator; 0 ends (atomic) */
} pst_class_t;

/** The classes of pools made at one place. */
typedef struct pst_creator_t {
    const void  *at;                /**< return address; set once (atomic) */
    apr_uint32_t guess;             /**< class of the next pool (atomic) */
    apr_uint32_t first;             /**< its classes (atomic) */
    int          mixed;
} pst_creator_t;

#define PST_CREATORS 1024           /* a power of 2 */

extern pst_class_t pst_classes[PST_CLASS_COUNT];
extern pst_creator_t pst_creators[PST_CREATORS];

/** Child: count in the classes of this block; NULL: nowhere, while the proof of the instrumentation makes its own
 *  pools. */
void pst_class_start(const pst_board_t *board, pst_shared_child_t *block);

/** The class for a creator's next pool: the slow way, which creates it. @return 0 if there is no room */
apr_uint32_t pst_class_of_creator(const void *creator);

/** The slow half of pst_class_tagged(): the pool moves to the class it belongs to. */
void pst_class_retag(pst_record_t *record, const char *tag);

/** A pool that is older, or was made unseen: by its tag only. */
void pst_class_adopt(pst_record_t *record, apr_pool_t *pool);

static APR_INLINE apr_size_t pst_class_hash(const void *creator)
{
    return (apr_size_t)(((apr_uint64_t)(apr_uintptr_t)creator * 0x9e3779b97f4a7c15u) >> 54);
}

/* What a pool of this class holds changed by this many bytes, to `now`. */
static APR_INLINE void pst_class_charge(apr_uint32_t which, apr_int64_t bytes, apr_size_t now)
{
    pst_shared_class_t *row = pst_classes[which].row;
    apr_uint64_t sum = pst_add(&row->class_reserved_bytes, bytes);

    if (bytes > 0) {
        if (__builtin_expect(sum > pst_load(&row->class_peak_bytes), 0)) {
            pst_raise(&row->class_peak_bytes, sum);
        }
        if (__builtin_expect(now > pst_load(&row->class_largest_bytes), 0)) {
            pst_raise(&row->class_largest_bytes, now);
        }
    }
}

/** A pool was made. Its record's reserved is set. */
static APR_INLINE void pst_class_born(pst_record_t *record, const void *creator)
{
    const pst_creator_t *known = &pst_creators[pst_class_hash(creator)];

    record->born = pst_ticks();
    if (pst_child_muted()) {
        return;
    }
    record->of_class = __builtin_expect(__atomic_load_n(&known->at, __ATOMIC_ACQUIRE) == creator, 1)
                           ? __atomic_load_n(&known->guess, __ATOMIC_ACQUIRE)
                           : pst_class_of_creator(creator);
    pst_add(&pst_classes[record->of_class].row->class_pools_created, 1);
    pst_class_charge(record->of_class, (apr_int64_t)record->reserved, record->reserved);
}

/** A pool has this tag now. Any thread that may use the pool; tag may be NULL. */
static APR_INLINE void pst_class_tagged(pst_record_t *record, const char *tag)
{
    if (__builtin_expect(__atomic_load_n(&pst_classes[record->of_class].tag, __ATOMIC_RELAXED) != tag, 0)) {
        pst_class_retag(record, tag);
    }
}

/** Correct a wrong guess. */
static APR_INLINE void pst_class_check(pst_record_t *record, apr_pool_t *pool)
{
    if (__builtin_expect(!pst_apr_pool(pool)->tag
                         && __atomic_load_n(&pst_classes[record->of_class].tag, __ATOMIC_RELAXED), 0)) {
        pst_class_retag(record, NULL);
    }
}

/** What a pool holds changed by this many bytes; its record's reserved is the new amount. */
static APR_INLINE void pst_class_changed(pst_record_t *record, apr_pool_t *pool, apr_int64_t bytes)
{
    if (!pst_child_muted()) {
        record->reserved -= (apr_size_t)bytes;      /* move what was counted */
        pst_class_check(record, pool);
        record->reserved += (apr_size_t)bytes;
        pst_class_charge(record->of_class, bytes, record->reserved);
    }
}

/** A pool is gone; record is a copy. pst_class_check() was called before. */
static APR_INLINE void pst_class_died(const pst_record_t *record)
{
    pst_shared_class_t *row = pst_classes[record->of_class].row;
    apr_uint64_t life;

    if (pst_child_muted()) {
        return;
    }
    life = pst_ticks_usec((apr_int64_t)(pst_ticks() - record->born));
    pst_add(&row->class_pools_destroyed, 1);
    pst_add(&row->class_reserved_bytes, -(apr_int64_t)record->reserved);
    pst_add(&row->class_lifetime_seconds, (apr_int64_t)life);
    if (__builtin_expect(life > pst_load(&row->class_lifetime_max_seconds), 0)) {
        pst_raise(&row->class_lifetime_max_seconds, life);
    }
}

#endif /* PST_CLASS_H */
