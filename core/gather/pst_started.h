/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads that were started while the heap profile is on: who is charged for their stacks, until they end, however they
 * do.
 *
 * Any thread; no lock, no memory of the heap.
 *
 * Called by: start, worker
 */
#ifndef PST_STARTED_H
#define PST_STARTED_H

#include <apr.h>

#define PST_STARTED_COUNT 4096      /* threads that are told apart at a time */

typedef struct pst_started_t pst_started_t;

/** Child, once and again: threads that end are heard of. */
void pst_started_start(void);

/** Before a thread is made that shall run start(argument). @return NULL if there is no room */
pst_started_t *pst_started_take(apr_uint32_t site, apr_uint64_t size, void *(*start)(void *), void *argument);

/** It was not made. */
void pst_started_give(pst_started_t *started);

/** What the thread runs in its place. @param started a pst_started_t */
void *pst_started_run(void *started);

#endif /* PST_STARTED_H */
