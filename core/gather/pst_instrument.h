/* SPDX-License-Identifier: Apache-2.0
 *
 * The instrumented allocator: what the child's calls to APR go through, and how
 * they get there.  It charges accounts; it knows nothing of httpd.
 *
 * Called by: start, worker, watchdog (pst_instrument_look_closely)
 */
#ifndef PST_INSTRUMENT_H
#define PST_INSTRUMENT_H

#include <apr_buckets.h>
#include "pst_account.h"
#include "pst_hooks.h"
#include "pst_pages.h"

/** What the start came to; others only read it. */
typedef struct pst_instrument_t {
    int mirror;                 /**< the proof of pst_apr.h held */
    int calls;                  /**< calls are redirected */
    int buckets;                /**< bucket allocators are as they are expected */
} pst_instrument_t;

extern pst_instrument_t pst_instrumented;

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

/** Child, at its start: the list of mappings that calls were redirected with, while nothing was loaded since; NULL:
 *  take one. */
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
 * Have the use of pools, allocators and buckets checked, or no more: calls lead to pst_wrap_check.c meanwhile. As
 * pst_instrument_look_closely().
 */
int pst_instrument_check(int on, int buckets);

/**
 * The thread that starts the child, or its watchdog: have a table beside these stand in the objects' calls from now on,
 * in new ones, too, as often as this is called; or no more. PST_HOOKS_GUARD, _SIGNALS, _SYSCALLS.
 * @return 0 if it cannot be, or not now
 */
int pst_instrument_stand(pst_hooks_e table, int on);

/** Tag a pool as the wrapper of apr_pool_tag() does: our own calls are not redirected. Whose pool it is. */
void pst_instrument_tag(apr_pool_t *pool, const char *tag);

/** The class of a pool, its tag looked at; 0: none. Whose pool it is. */
apr_uint32_t pst_instrument_class(apr_pool_t *pool);

#endif /* PST_INSTRUMENT_H */
