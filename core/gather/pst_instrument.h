/* SPDX-License-Identifier: Apache-2.0
 *
 * The instrumented allocator: what the child's calls to APR go through, and how they get there. It charges accounts
 * and knows nothing about httpd.
 *
 * Called by: start, worker, watchdog (pst_instrument_look_closely)
 */
#ifndef PST_INSTRUMENT_H
#define PST_INSTRUMENT_H

#include <apr_buckets.h>
#include "pst_account.h"
#include "pst_hooks.h"
#include "pst_pages.h"

/** Result of the start; read-only for others. */
typedef struct pst_instrument_t {
    int mirror;                 /**< the proof of pst_apr.h held */
    int calls;                  /**< calls are redirected */
    int buckets;                /**< bucket allocators match expectations */
} pst_instrument_t;

extern pst_instrument_t pst_instrumented;

/** Before pst_instrument_start(): a pool without a parent, which no walk finds; it must last as long as the process.
 *  A pool with a parent, or one already added, is ignored. */
void pst_instrument_also(apr_pool_t *pool);

/**
 * Child, once, after pst_account_start(), before other threads exist: prove the
 * mirror, charge all existing pools to the process scope, redirect the calls, prove that they arrive and that the
 * books balance.
 * @param pool    any pool of the child: counting starts at the root of its tree
 * @param wanted  PST_LEVEL_FULL, or PST_LEVEL_HOOKS to leave calls alone
 * @param reason  set to a sentence if the result is below PST_LEVEL_FULL, else NULL
 * @return the level reached
 */
pst_level_e pst_instrument_start(apr_pool_t *pool, pst_level_e wanted, const char **reason);

/**
 * Child, once, after pst_instrument_start(), before other threads exist: start classes and call sites; nothing unless
 * PST_LEVEL_FULL was reached. Takes a fifth of a millisecond.
 * @param profile  bytes of growth between samples, on average; 0 = no call sites
 */
void pst_instrument_classes(apr_pool_t *pool, const pst_board_t *board, pst_shared_child_t *block,
                            apr_uint64_t profile);

/** Child, at its start: the list of mappings used to redirect calls, if nothing has been loaded since; NULL: take a
 *  new one. */
const pst_pages_t *pst_instrument_pages(void);

/** Child, when all calls are redirected: free that list. */
void pst_instrument_ready(void);

/** Child, after pst_instrument_start(): does libapr get its nodes from the process heap rather than from its own
 *  mappings? */
int pst_instrument_nodes_in_heap(void);

/**
 * Redirect the calls of newly loaded objects, if the last check was at least a second ago. Any thread; never waits
 * for another that is doing it.
 */
void pst_instrument_refresh(apr_uint64_t now);

/**
 * Watchdog: start or stop sampling allocations by their bytes in the pools that pst_close.h wants. Meanwhile each
 * allocation costs some more instructions. Takes the dynamic loader's lock for a walk.
 * Waits for a thread that redirects the calls of new objects, for up to 0.2 seconds.
 * @return 0 if impossible, or not now
 */
int pst_instrument_look_closely(int on);

/**
 * Start or stop checking the use of pools, allocators and buckets: meanwhile calls lead to pst_wrap_check.c. Like
 * pst_instrument_look_closely().
 */
int pst_instrument_check(int on, int buckets);

/**
 * The thread that starts the child, or its watchdog: install an additional table in the objects' calls, including
 * newly loaded objects each time this is called; or remove it. PST_HOOKS_GUARD, _SIGNALS, _SYSCALLS. Waits like
 * pst_instrument_look_closely().
 * @return 0 if impossible, or not now
 */
int pst_instrument_stand(pst_hooks_e table, int on);

/** Tag a pool like the wrapper of apr_pool_tag(): our own calls are not redirected. The pool's owner. */
void pst_instrument_tag(apr_pool_t *pool, const char *tag);

/** The class of a pool, after checking its tag; 0: none. The pool's owner. */
apr_uint32_t pst_instrument_class(apr_pool_t *pool);

#endif /* PST_INSTRUMENT_H */
