/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of calls to redirect, made of pst_hooks.def.
 */
#ifndef PST_HOOKS_H
#define PST_HOOKS_H

#include "pst_apr.h"
#include "pst_got.h"

typedef enum {
    PST_HOOKS_CALLS = 0,    /**< calls of all objects */
    PST_HOOKS_CLOSE,        /**< some of them, to other wrappers; the table above leads them back */
    PST_HOOKS_MMAP,         /**< libapr's to the system, where it maps its nodes */
    PST_HOOKS_MALLOC,       /**< the same where it takes them from the heap */
    PST_HOOKS_HEAP,         /**< malloc and its kin */
    PST_HOOKS_MAPS,         /**< mappings and threads */
    PST_HOOKS_TABLES
} pst_hooks_e;

/** Child, before the first wrapper is reached: find the real functions, and fill in the tables with what is
 *  wanted of this APR. */
void pst_hooks_prepare(const pst_apr_facts_t *facts);

/** pst_got_patch() of one table, whose entries and count it fills in. @param job  the rest */
apr_status_t pst_hooks_patch(pst_hooks_e table, pst_got_job_t job, apr_size_t *stores);

#endif /* PST_HOOKS_H */
