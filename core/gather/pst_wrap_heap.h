/* SPDX-License-Identifier: Apache-2.0
 *
 * The wrappers of malloc and relatives, mmap and relatives, and pthread_create (pst_hooks.def), which calls are
 * redirected to while the heap profile is on. A call that is not sampled costs a few instructions.
 *
 * Called by: start, watchdog
 */
#ifndef PST_WRAP_HEAP_H
#define PST_WRAP_HEAP_H

#include "pst_wrap.h"

/**
 * Sample one in this many bytes from now on; 0: stop, and forget all samples. Child, one thread at a time.
 * Calls in progress when it is switched off are allowed to finish.
 */
void pst_wrap_heap_rate(apr_uint64_t rate);

/** The same while it is on: samples keep the weight of the rate they were taken at, so none is forgotten. */
void pst_wrap_heap_finer(apr_uint64_t rate);

/** Call first: sets the overhead of a block beyond its usable size. */
void pst_wrap_heap_start(apr_size_t overhead);

#endif /* PST_WRAP_HEAP_H */
