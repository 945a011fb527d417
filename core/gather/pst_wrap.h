/* SPDX-License-Identifier: Apache-2.0
 *
 * The wrappers that calls to APR are redirected to, and the real functions behind
 * them.  Inside of the instrumented allocator only: pst_hooks.def lists them,
 * pst_instrument.c puts them to use.
 *
 * Called by: start, worker
 */
#ifndef PST_WRAP_H
#define PST_WRAP_H

#include <apr_buckets.h>
#include <apr_thread_mutex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "pst_apr.h"
#include "pst_record.h"

/** What signal() takes. */
typedef void pst_signal_fn(int signal);

/** The real functions, by the names of their wrappers. */
typedef struct pst_real_t {
#define PST_HOOK(table, when, function, name, returns, arguments) returns (*name) arguments;
#include "pst_hooks.def"
} pst_real_t;

extern pst_real_t pst_real __attribute__((visibility("hidden")));

/** Fill it in: addresses as this module is linked, so before its own slots are rewritten, too. */
void pst_real_find(void);

#define PST_LIKELY(e)   __builtin_expect(!!(e), 1)
#define PST_UNLIKELY(e) __builtin_expect(!!(e), 0)

/* The wrappers: the same contracts as the functions that they stand for. */
#define PST_HOOK(table, when, function, name, returns, arguments) returns pst_wrap_##name arguments;
#include "pst_hooks.def"

/** pst_got_loads() when calls were first redirected. */
extern apr_uint64_t pst_wrap_loads_at_start;

/** The record of a pool; a pool without one is taken in and charged. NULL if that failed. */
pst_record_t *pst_wrap_record(apr_pool_t *pool);

/** Fill in the record of a pool met as it stands: what it was found to hold. Charging is the caller's. */
void pst_wrap_fill(pst_record_t *record, apr_pool_t *pool, const pst_apr_figures_t *figures);

/** Called when a pool has grown, about once a millisecond at most: are there objects whose calls are not redirected? */
extern void (*pst_wrap_look)(void);

/** A pool was made while pools are guarded: pst_guarded_seal(), which knows the wrappers. */
extern void (*pst_wrap_sealed)(apr_pool_t *pool);

/** Within pst_wrap_compare(). */
void pst_wrap_heal(pst_record_t *record, apr_pool_t *pool);

/** Before a pool is changed or sampled: was it changed by calls that nobody saw?  Then its nodes are counted. Whose
 *  pool it is. */
static APR_INLINE void pst_wrap_compare(pst_record_t *record, apr_pool_t *pool)
{
    if (PST_UNLIKELY(record->active != pst_apr_pool(pool)->active)) {
        pst_wrap_heal(record, pool);
    }
}

/** Bring a record's published slack up to date. @return the change, to be charged */
apr_int64_t pst_wrap_publish(pst_record_t *record, apr_pool_t *pool);

/** apr_pool_create_ex(), called by a wrapper of it. @param creator  where that one returns to */
apr_status_t pst_wrap_pool_create_by(apr_pool_t **pool, apr_pool_t *parent, apr_abortfunc_t abort_fn,
                                     apr_allocator_t *allocator, const void *creator);

/** While pools are checked: what destroys the pools below one that ends, and who is told of pools that cleanups left
 *  below it. @param destroy NULL: as ever */
void pst_wrap_pools_check(void (*destroy)(apr_pool_t *pool), void (*left)(apr_pool_t *pool));

/* pst_wrap_check.c */

/** Reached from now on, or no more: what the real functions of pools stand for. Before calls are redirected, or after.
 */
void pst_wrap_check_on(int on);
int pst_wrap_check_is_on(void);

/* pst_wrap_nodes.c: nodes that go to no pool, and the operating system. */

/** Before use: a number nobody outside knows, for the marks in nodes. */
void pst_wrap_nodes_start(apr_uint32_t secret);

/** Hand the nodes of a bucket allocator (the newest ones, bounded) to a connection. */
void pst_wrap_buckets_take(apr_bucket_alloc_t *list, apr_uint32_t tag);

#endif /* PST_WRAP_H */
