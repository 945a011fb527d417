/* SPDX-License-Identifier: Apache-2.0
 *
 * The wrappers of malloc and its kin, of mmap and its kin, and of pthread_create (pst_hooks.def), which calls are
 * redirected to while the heap profile is on. A call that is not sampled costs a few instructions.
 *
 * Called by: start, watchdog
 */
#ifndef PST_WRAP_HEAP_H
#define PST_WRAP_HEAP_H

#include "pst_wrap.h"

/**
 * Sample one in so many bytes from now on; 0: no more, and what was sampled is forgotten. Child, one thread at a time.
 * Calls that are under way when it is switched off are let pass.
 */
void pst_wrap_heap_rate(apr_uint64_t rate);

/** The same, while it is on: samples have the weight of the rate that they were taken at, so none is forgotten. */
void pst_wrap_heap_finer(apr_uint64_t rate);

/** Before: how much a block takes beyond what is usable of it. */
void pst_wrap_heap_start(apr_size_t overhead);

#endif /* PST_WRAP_HEAP_H */
