/* SPDX-License-Identifier: Apache-2.0
 *
 * Guarded pools: each chosen pool has its own allocator, whose nodes are in our address range and are closed when
 * freed.
 *
 *   wrappers -> pst_real -> HERE -> libapr -> mmap, munmap -> pst_wrap_nodes -> pst_real -> HERE -> pst_range
 *
 * While guarding is on, this is behind pst_real: the wrappers, and so the books, see the same as always. Our
 * allocators keep nothing, so whatever is freed goes to munmap() and is closed there. No APR structure changes shape:
 * it is an ordinary apr_allocator_t with the mutex and owner that the pool's would have had.
 *
 * Once on, it stays behind pst_real until the child ends: guarded pools must be able to end.
 *
 * Concurrency: as with pools, only a thread with the right to use one changes its entry. Signal handlers on any
 * thread read the entries of ended pools; an entry changes when its last node becomes free, and a reader may then see
 * another pool's: bounded nonsense, not a fault.
 *
 * Called by: start, worker, watchdog, signal
 */
#ifndef PST_GUARDED_H
#define PST_GUARDED_H

#include "pst_checks.h"
#include "pst_misuse.h"
#include "pst_range.h"

#include <apr_pools.h>

/** A pool that is or was guarded. */
typedef struct pst_guarded_t {
    apr_uint32_t       refs;        /**< atomic: number of its runs, plus 1 while it exists; 0: free */
    apr_uint32_t       allocator;   /**< its allocator's number */
    apr_uint16_t       of_class;
    apr_byte_t         ended;       /**< 0: still exists; else 1 + the pst_misuse_e of touching it */
    apr_uint64_t       ended_at;    /**< microseconds, monotonic */
    char               tag[PST_TAG_LEN];
    pst_misuse_party_t of;          /**< its owner when it ended */
    pst_misuse_stack_t made, end;
} pst_guarded_t;

/** From now on guard one in wanted->guard pools of wanted->kinds. The thread that switches.
 *  @return APR_SUCCESS or APR_ENOMEM */
apr_status_t pst_guarded_start(const pst_checks_t *wanted);

/** Guard no new pools; already guarded ones continue. */
void pst_guarded_stop(void);

/** The watchdog's thread, once a second: drop what ended long ago. */
void pst_guarded_sweep(void);

/** Is that a guarded pool that has ended? Any thread; never touches the pool. */
int pst_guarded_is_dead(const apr_pool_t *pool);

/* Pools are guarded, or were. Relaxed atomic. */
extern apr_uint32_t pst_guarded_stands;

/** The slow half of the next one. */
int pst_guarded_draws_node(const apr_allocator_t *allocator);

/** Is the next block of a bucket allocator with that allocator to have a node of its own, which is closed when it is
 *  freed? Any thread. */
static APR_INLINE int pst_guarded_wants_node(const apr_allocator_t *allocator)
{
    return __builtin_expect(__atomic_load_n(&pst_guarded_stands, __ATOMIC_RELAXED), 0)
           && pst_guarded_draws_node(allocator);
}

/** 1 while this thread frees a block of a bucket allocator: nodes freed meanwhile are reported as buckets. */
extern __thread int pst_guarded_frees_block __attribute__((tls_model("initial-exec")));

/** Fill in a misuse of memory there, as far as known. @param now microseconds, monotonic */
void pst_guarded_describe(pst_misuse_t *misuse, const pst_range_page_t *page, const void *at);

/** The allocator that a guarded pool was made with got an owner, or a mutex: ours has no owner, APR would destroy it
 *  with the pool; it gets the same mutex. */
void pst_guarded_owner(apr_allocator_t *theirs);
void pst_guarded_mutex(apr_allocator_t *theirs, void *mutex);

#endif /* PST_GUARDED_H */
