/* SPDX-License-Identifier: Apache-2.0
 *
 * A child's own thread, the watchdog: wakes once a second, and whenever its bell is rung, even while all workers are
 * busy.
 *
 * Why not mod_watchdog's: that one wakes ten times a second, and is joined without a limit
 * when the child ends.  On prefork this can happen in a signal handler, with the heap's lock held by
 * the thread that was interrupted: a watchdog waiting for the heap just then would keep the child from ending. Ours
 * gets one second, then is left to the end of the process.
 *
 * Called by: start (pst_thread_start), any (pst_thread_ring)
 */
#ifndef PST_THREAD_H
#define PST_THREAD_H

#include <apr_pools.h>

/** The size of its stack, whole pages. */
#define PST_THREAD_STACK (256 * 1024)

/** What the thread does each time it wakes. Signals are blocked; no pool is available. */
typedef void (*pst_thread_fn)(apr_uint64_t now);

/**
 * Child, once, after it is instrumented: start the thread.  It is told to end, and joined for at most a second,
 * before pool's subpools are destroyed.  A process forked from the child has no such thread.
 * @param bell  the word that wakes it: in the child's block of the board
 * @return APR_SUCCESS, or the system's error: then there is no thread
 */
apr_status_t pst_thread_start(pst_thread_fn work, uint32_t *bell, apr_pool_t *pool);

/**
 * Any process that has the word mapped for writing, any thread: wake the thread that waits there; if none does, the
 * next wait ends at once. Whatever another process writes there, at worst the thread wakes too often.
 */
void pst_thread_ring(uint32_t *bell);

#endif /* PST_THREAD_H */
