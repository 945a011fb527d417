/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of calls to redirect, made of pst_hooks.def.
 *
 * Called by: start, worker, watchdog
 */
#ifndef PST_HOOKS_H
#define PST_HOOKS_H

#include "pst_apr.h"
#include "pst_got.h"

typedef enum {
    PST_HOOKS_CALLS = 0,    /**< calls of all objects */
    PST_HOOKS_CLOSE,        /**< some of them, to other wrappers: pst_hooks_choose() */
    PST_HOOKS_CHECK,        /**< the same, and some more */
    PST_HOOKS_BLOCKS,       /**< above that: where buckets come from */
    PST_HOOKS_GUARD,        /**< some, while pools are guarded */
    PST_HOOKS_FENCE,        /**< some, while guarded pools are fenced: before all others */
    PST_HOOKS_NOW,          /**< the calls of all objects as they are to be now: made of those above */
    PST_HOOKS_SIGNALS,      /**< who handles and who blocks SIGSEGV */
    PST_HOOKS_SYSCALLS,     /**< what hands memory to the kernel */
    PST_HOOKS_MMAP,         /**< libapr's to the system, where it maps its nodes */
    PST_HOOKS_MALLOC,       /**< the same where it takes them from the heap */
    PST_HOOKS_HEAP,         /**< malloc and its kin */
    PST_HOOKS_MAPS,         /**< mappings and threads */
    PST_HOOKS_TABLES
} pst_hooks_e;

/** Child, before the first wrapper is reached: find the real functions, and fill in the tables with what is
 *  wanted of this APR. */
void pst_hooks_prepare(const pst_apr_facts_t *facts);

/** A function that no list here knows, to be led elsewhere like those of a table. Before that is first patched, after
 *  pst_hooks_prepare(). */
void pst_hooks_add(pst_hooks_e table, const char *symbol, void *wrapper, void *real);

/** Make PST_HOOKS_NOW anew, for the next pst_hooks_patch() of it. One thread at a time.
 *  @param which  1 << PST_HOOKS_CLOSE, 1 << PST_HOOKS_CHECK and 1 << PST_HOOKS_GUARD, or 0. A function that several
 *                have leads to the first */
void pst_hooks_choose(unsigned which);

/** pst_got_patch() of one table, whose entries and count it fills in. @param job  the rest */
apr_status_t pst_hooks_patch(pst_hooks_e table, pst_got_job_t job, apr_size_t *stores);

#endif /* PST_HOOKS_H */
