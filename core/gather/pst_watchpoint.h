/* SPDX-License-Identifier: Apache-2.0
 *
 * Watchpoints: do two threads use one pool, allocator or bucket allocator at once?
 *
 * Each belongs to one thread at a time.  One operation in N sets a watchpoint on the object it is about to use and
 * waits some microseconds before it continues; another thread that uses the same object meanwhile collides with it,
 * and both are reported. Whatever is reported has really happened. A pool of a request or stream that is used by a
 * thread serving another connection is also reported, even without a collision.
 *
 * Its wrappers (pst_wrap_check.c) are active only while it is on.
 *
 * Called by: start, worker, watchdog (pst_watchpoint_switch)
 */
#ifndef PST_WATCHPOINT_H
#define PST_WATCHPOINT_H

#include "pst_account.h"
#include "pst_apr.h"

/** Watchdog, or before other threads exist. @param one_in operations per watchpoint; 1: every one; 0: off */
void pst_watchpoint_switch(apr_uint32_t one_in);

/** Names to report nothing about: tags of pools, as set by apr_pool_tag(), and files of modules ("mod_x.so") that use
 *  pools under a lock of their own. @param names NULL-terminated, kept; NULL: none */
void pst_watchpoint_except(const char *const *names);

/** What an object is. */
typedef enum {
    PST_WATCH_POOL = 0,
    PST_WATCH_ALLOCATOR,
    PST_WATCH_BUCKETS,
    PST_WATCH_KINDS
} pst_watch_e;

/* 1: the next operation is to set a watchpoint; plus 2 for each one set. Relaxed atomic. */
extern apr_uint32_t pst_watchpoint_armed;

/** The slow half of the next two. */
void pst_watchpoint_come(void *object, pst_watch_e what, int may_set);

/** This thread is about to use an object. */
static APR_INLINE void pst_watchpoint_at(void *object, pst_watch_e what)
{
    if (__builtin_expect(__atomic_load_n(&pst_watchpoint_armed, __ATOMIC_RELAXED), 0)) {
        pst_watchpoint_come(object, what, 1);
    }
}

/** This thread is about to end an object: who else may use it until its cleanups have run is up to the cleanups. */
static APR_INLINE void pst_watchpoint_end(apr_pool_t *pool)
{
    if (__builtin_expect(__atomic_load_n(&pst_watchpoint_armed, __ATOMIC_RELAXED), 0)
        && !pst_apr_pool(pool)->pre_cleanups) {
        pst_watchpoint_come(pool, PST_WATCH_POOL, 0);
    }
}

/** An allocator without a lock is about to be used. */
static APR_INLINE void pst_watchpoint_at_allocator(apr_allocator_t *allocator)
{
    if (__builtin_expect(__atomic_load_n(&pst_watchpoint_armed, __ATOMIC_RELAXED), 0)
        && !pst_apr_has_mutex(allocator)) {
        pst_watchpoint_come(allocator, PST_WATCH_ALLOCATOR, 1);
    }
}

/** Called about once in forty operations: is it time for a watchpoint? */
void pst_watchpoint_tick(void);

/** The connection a thread serves. */
typedef struct pst_serving_t {
    apr_uint64_t connection, master;    /**< ids of accounts; 0: none */
    int          opens;                 /**< it is about to open one */
} pst_serving_t;

/** This thread serves a connection from now on. @param account NULL: none yet, pst_watchpoint_opened() will set it
 *  @return what it served before */
pst_serving_t pst_watchpoint_serves(const pst_account_t *account);

/** This thread opened a connection: it now serves it, if it announced that. */
void pst_watchpoint_opened(const pst_account_t *account);

/** Restore what it served before. */
void pst_watchpoint_served(pst_serving_t before);

#endif /* PST_WATCHPOINT_H */
