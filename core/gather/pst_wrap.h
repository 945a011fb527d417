/* SPDX-License-Identifier: Apache-2.0
 *
 * The wrappers that calls to APR are redirected to, and the real functions behind
 * them.  Only for use inside the instrumented allocator: pst_hooks.def lists them, pst_instrument.c installs them.
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
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "pst_apr.h"
#include "pst_record.h"

/** The type of signal()'s handler. */
typedef void pst_signal_fn(int signal);

/** The real functions, by the names of their wrappers. */
typedef struct pst_real_t {
#define PST_HOOK(table, when, function, name, returns, arguments) returns (*name) arguments;
#include "pst_hooks.def"
} pst_real_t;

extern pst_real_t pst_real __attribute__((visibility("hidden")));

/** Fill it in: addresses as this module is linked, so it must run before its own slots are rewritten. */
void pst_real_find(void);

#define PST_LIKELY(e)   __builtin_expect(!!(e), 1)
#define PST_UNLIKELY(e) __builtin_expect(!!(e), 0)

/* The wrappers: the same contracts as the functions they replace. */
#define PST_HOOK(table, when, function, name, returns, arguments) returns pst_wrap_##name arguments;
#include "pst_hooks.def"

/** pst_got_loads() when calls were first redirected. */
extern apr_uint64_t pst_wrap_loads_at_start;

/** The record of a pool; a pool without one is adopted and charged. NULL if that failed. */
pst_record_t *pst_wrap_record(apr_pool_t *pool);

/** Fill in the record of an existing pool with what it was found to hold. The caller charges it. */
void pst_wrap_fill(pst_record_t *record, apr_pool_t *pool, const pst_apr_figures_t *figures);

/** Called when a pool has grown, about once a millisecond at most: looks for objects whose calls are not yet
 *  redirected. */
extern void (*pst_wrap_look)(void);

/** A pool was made while pools are guarded: set by pst_guarded.c, which knows the wrappers. */
extern void (*pst_wrap_sealed)(apr_pool_t *pool);

/** What apr_pstrmemdup() puts into memory that was just taken for it; NULL stays NULL. */
static APR_INLINE char *pst_wrap_terminated(char *to, const char *from, apr_size_t length)
{
    if (to) {
        memcpy(to, from, length);
        to[length] = '\0';
    }
    return to;
}

/** Slow half of pst_wrap_compare(). */
void pst_wrap_heal(pst_record_t *record, apr_pool_t *pool);

/** Before a pool is changed or sampled: was it changed by unseen calls? If so, count its nodes. The pool's owner. */
static APR_INLINE void pst_wrap_compare(pst_record_t *record, apr_pool_t *pool)
{
    if (PST_UNLIKELY(record->active != pst_apr_pool(pool)->active)) {
        pst_wrap_heal(record, pool);
    }
}

/** Bring a record's published slack up to date. @return the change, to be charged */
apr_int64_t pst_wrap_publish(pst_record_t *record, apr_pool_t *pool);

/** apr_pool_create_ex(), called by one of its wrappers. @param creator the wrapper's return address */
apr_status_t pst_wrap_pool_create_by(apr_pool_t **pool, apr_pool_t *parent, apr_abortfunc_t abort_fn,
                                     apr_allocator_t *allocator, const void *creator);

/** While pools are checked: functions that destroy the pools below an ending pool, and that receive pools left below
 *  it by cleanups. @param destroy NULL: as usual */
void pst_wrap_pools_check(void (*destroy)(apr_pool_t *pool), void (*left)(apr_pool_t *pool));

/* pst_wrap_check.c */

/** Switch the checking wrappers on or off: sets what the real functions of pools refer to. Before calls are
 *  redirected, or after.
 */
void pst_wrap_check_on(int on);
int pst_wrap_check_is_on(void);

/* pst_wrap_nodes.c: nodes that belong to no pool, and the operating system. */

/** Before use: a secret number for the marks in nodes. */
void pst_wrap_nodes_start(apr_uint32_t secret);

/** Hand the nodes of a bucket allocator (the newest ones, bounded) to a connection. */
void pst_wrap_buckets_take(apr_bucket_alloc_t *list, apr_uint32_t tag);

#endif /* PST_WRAP_H */
