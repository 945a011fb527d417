/* SPDX-License-Identifier: Apache-2.0
 *
 * The instrumented allocator: what the child's calls to APR go through, and how
 * they get there.  It charges accounts; it knows nothing of httpd.
 *
 * Child processes only.
 */
#ifndef PST_INSTRUMENT_H
#define PST_INSTRUMENT_H

#include <apr_buckets.h>
#include "pst_account.h"
#include "pst_pages.h"

/** Before pst_instrument_start(): a pool without a parent, which no walk finds; it lives as long as the process. One
 *  with a parent is none, the same again no other. */
void pst_instrument_also(apr_pool_t *pool);

/**
 * Child, once, after pst_account_start(), before other threads exist: prove the
 * mirror, charge all pools there are to the process scope, redirect the calls, prove that
 * they arrive and that the books balance.
 * @param pool    any pool of the child's: its tree's root is where the count starts
 * @param wanted  PST_LEVEL_FULL, or PST_LEVEL_HOOKS to leave calls alone
 * @param reason  set to a sentence if less than PST_LEVEL_FULL came out, else NULL
 * @return the level reached
 */
pst_level_e pst_instrument_start(apr_pool_t *pool, pst_level_e wanted, const char **reason);

/**
 * Child, once, after pst_instrument_start(), before other threads exist: begin with
 * classes and call sites; nothing unless PST_LEVEL_FULL was reached. Takes a fifth of a millisecond.
 * @param profile  bytes of growth between samples, on average; 0 = no call sites
 */
void pst_instrument_classes(apr_pool_t *pool, const pst_board_t *board, pst_shared_child_t *block,
                            apr_uint64_t profile);

/** Child, at its start: the list of mappings that calls were redirected with, while nothing was loaded since; NULL: take
 *  one. */
const pst_pages_t *pst_instrument_pages(void);

/** Child, when all calls are redirected: that list goes. */
void pst_instrument_ready(void);

/** Child, after pst_instrument_start(): does libapr get its nodes from the process heap, and not by mappings of its
 *  own? */
int pst_instrument_nodes_in_heap(void);

/**
 * Redirect the calls of objects loaded since, if a second has passed since anybody looked.
 * Any thread; never waits for another that is at it.
 */
void pst_instrument_refresh(apr_uint64_t now);

/**
 * Watchdog: have the allocations of all pools sampled by their bytes, of those that pst_close.h wants, or no more.
 * Costs each of them some instructions meanwhile. Takes the dynamic loader's lock for a walk.
 * @return 0 if it cannot be, or not now
 */
int pst_instrument_look_closely(int on);

/**
 * Open an account for a pool just made for a connection or request: what the
 * pool and those below it hold moves to it.  From now on it ends when the
 * pool is cleared or destroyed.  Owner thread.
 * @param account  opened with pst_account_open_*(), memory in pool
 * @param buckets  the connection's bucket allocator, or NULL: its nodes are charged to it too
 */
void pst_instrument_root(pst_account_t *account, apr_pool_t *pool, apr_bucket_alloc_t *buckets);

/** Is an account open for this very pool? Owner thread. */
int pst_instrument_is_root(apr_pool_t *pool);

/**
 * A hook point: publish what has been handed out of the pool of a connection and
 * of that of its current request since it last grew, and what the connection's allocator retains.
 * @param deep  also of the pools below them (bounded); they publish by
 *              themselves when they grow
 * Owner thread.
 */
void pst_instrument_sample(pst_account_t *connection, int deep);

/** The same for the pool of the current request alone. Owner thread. */
void pst_instrument_sample_request(pst_account_t *connection);

/**
 * Bring what is sampled of this one connection or request up to date, deep: also of a request that
 * its slot shows no more. Owner thread.
 */
void pst_instrument_read(pst_account_t *account);

/** How the figures of this connection or request are taken: pools made outside of what is instrumented are walked. */
pst_level_e pst_instrument_level(const pst_account_t *account);

/** Tag a pool as the wrapper of apr_pool_tag() does: our own calls are not redirected. Whose pool it is. */
void pst_instrument_tag(apr_pool_t *pool, const char *tag);

/** The class of a pool, its tag looked at; 0: none. Whose pool it is. */
apr_uint32_t pst_instrument_class(apr_pool_t *pool);

#endif /* PST_INSTRUMENT_H */
