/* SPDX-License-Identifier: Apache-2.0
 *
 * Guarded pools: pools that were chosen have an allocator of their own, whose nodes lie in a range of our addresses and
 * are closed when they are given back.
 *
 *   wrappers -> pst_real -> HERE -> libapr -> mmap, munmap -> pst_wrap_nodes -> pst_real -> HERE -> pst_range
 *
 * While guarding is on, this stands behind pst_real: the wrappers, and the books with them, see what they always see.
 * An allocator of ours keeps nothing, so whatever is freed goes to munmap() and is closed there.  Nothing of APR's
 * changes in shape: it is an apr_allocator_t like any, with the mutex and the owner that the pool's would have had.
 *
 * Once it was on, it stays behind pst_real for as long as the child lives: pools that are guarded must end.
 *
 * Concurrency: as with pools, whoever may use one alone changes what is known of it.  What is known of those that ended
 * is read by signal handlers of any thread; it changes when the last of its nodes is free again, and what is read then
 * may be another's: bounded nonsense, not a fault.
 *
 * Called by: start, worker, watchdog, signal
 */
#ifndef PST_GUARDED_H
#define PST_GUARDED_H

#include "pst_checks.h"
#include "pst_misuse.h"
#include "pst_range.h"

#include <apr_pools.h>

/** One that is, or was, guarded. */
typedef struct pst_guarded_t {
    apr_uint32_t       refs;        /**< atomic: its runs, and 1 while it lives; 0: free */
    apr_uint32_t       allocator;   /**< its allocator's number */
    apr_uint16_t       of_class;
    apr_byte_t         ended;       /**< 0: it lives; else pst_misuse_e + 1 of who touches it */
    apr_uint64_t       ended_at;    /**< microseconds, monotonic */
    char               tag[PST_TAG_LEN];
    pst_misuse_party_t of;          /**< whose it was as it ended */
    pst_misuse_stack_t made, end;
} pst_guarded_t;

/** From now on pools are guarded: one in wanted->guard of wanted->kinds. The thread that switches.
 *  @return APR_SUCCESS or APR_ENOMEM */
apr_status_t pst_guarded_start(const pst_checks_t *wanted);

/** No more; those that are go on. */
void pst_guarded_stop(void);

/** The watchdog's thread, once a second: what ended long ago goes. */
void pst_guarded_sweep(void);

/** The one of a page's owner. @return NULL: nobody's */
const pst_guarded_t *pst_guarded_of(apr_uint32_t owner);

/** Is that pool one that was guarded, and has ended? Any thread; never touches it. */
int pst_guarded_is_dead(const apr_pool_t *pool);

/** A guarded pool was made and has its record: from now on nothing is allocated beside it. Its maker. */
void pst_guarded_seal(apr_pool_t *pool);

/** Misuse of memory there: filled in, as far as it is known. @param now microseconds, monotonic */
void pst_guarded_describe(pst_misuse_t *misuse, const pst_range_page_t *page, const void *at);

/** An allocator that a guarded pool was made with has an owner or a mutex now; so has ours. */
void pst_guarded_owner(apr_allocator_t *theirs, apr_pool_t *owner);
void pst_guarded_mutex(apr_allocator_t *theirs, void *mutex);

#endif /* PST_GUARDED_H */
