/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads started while the heap profile is on: which site is charged for their stacks until they end, in whatever
 * way.
 *
 * Any thread; no lock, no heap memory.
 *
 * Called by: start, worker
 */
#ifndef PST_STARTED_H
#define PST_STARTED_H

#include <apr.h>

#define PST_STARTED_COUNT 4096      /* maximum number of threads tracked at a time */

typedef struct pst_started_t pst_started_t;

/** Child, may be repeated: get notified when threads end. */
void pst_started_start(void);

/** Before creating a thread that is to run start(argument). @return NULL if there is no room */
pst_started_t *pst_started_take(apr_uint32_t site, apr_uint64_t size, void *(*start)(void *), void *argument);

/** The thread was not created. */
void pst_started_give(pst_started_t *started);

/** What the thread runs instead. @param started a pst_started_t */
void *pst_started_run(void *started);

#endif /* PST_STARTED_H */
