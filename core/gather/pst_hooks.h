/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of calls to redirect, made from pst_hooks.def.
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
    PST_HOOKS_CHECK,        /**< the same, and more */
    PST_HOOKS_BLOCKS,       /**< on top of that: where buckets come from */
    PST_HOOKS_GUARD,        /**< some, while pools are guarded */
    PST_HOOKS_FENCE,        /**< some, while guarded pools are fenced: takes precedence over all others */
    PST_HOOKS_NOW,          /**< the calls of all objects as they should be now: composed of those above */
    PST_HOOKS_SIGNALS,      /**< calls that handle or block SIGSEGV */
    PST_HOOKS_SYSCALLS,     /**< calls that pass memory to the kernel */
    PST_HOOKS_MMAP,         /**< libapr's calls to the system, if it maps its nodes */
    PST_HOOKS_MALLOC,       /**< the same if it takes them from the heap */
    PST_HOOKS_HEAP,         /**< malloc and its relatives */
    PST_HOOKS_MAPS,         /**< mappings and threads */
    PST_HOOKS_TABLES
} pst_hooks_e;

/** Child, before the first wrapper is reached: find the real functions, and fill in the tables with what this APR
 *  needs. */
void pst_hooks_prepare(const pst_apr_facts_t *facts);

/** Add a function that is in no list here, to be redirected with those of a table. After pst_hooks_prepare(), before
 *  the table is first patched. */
void pst_hooks_add(pst_hooks_e table, const char *symbol, void *wrapper, void *real);

/** Rebuild PST_HOOKS_NOW for its next pst_hooks_patch(). One thread at a time.
 *  @param which  1 << PST_HOOKS_CLOSE, 1 << PST_HOOKS_CHECK and 1 << PST_HOOKS_GUARD, or 0. A function in several
 *                tables leads to the first */
void pst_hooks_choose(unsigned which);

/** pst_got_patch() for one table, whose entries and count it fills in. @param job  the rest */
apr_status_t pst_hooks_patch(pst_hooks_e table, pst_got_job_t job, apr_size_t *stores);

#endif /* PST_HOOKS_H */
