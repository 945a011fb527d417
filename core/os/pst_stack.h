/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a thread's stack ends: threads have stacks of any size, and fill them from the far end.
 *
 * Called by: worker, watchdog
 */
#ifndef PST_STACK_H
#define PST_STACK_H

#include <apr.h>

/**
 * The end of this process's stack that is at the start of a mapping. glibc keeps its data about a thread, including
 * block and guard, at the far end of the thread's stack; this looks for it where stacks of the usual sizes end, in
 * pages that are present.
 * @param from, to  the mapping, without the guard below it
 * @param usual     usual maximum size of stacks; bytes
 * @return 0 if it is not found: another libc, an unusual size with something else merged above
 */
apr_uint64_t pst_stack_end(apr_uint64_t from, apr_uint64_t to, apr_uint64_t usual);

/** What a thread may use of its stack: without the guard. */
typedef struct pst_stack_range_t {
    apr_uint64_t from, to;
} pst_stack_range_t;

/**
 * The stacks of this process's threads from glibc's own list, except the first thread's: for stacks whose guard is
 * not a mapping of its own.  Since 2.42 the kernel keeps a stack's guard within the stack's mapping
 * (MADV_GUARD_INSTALL, Linux 6.13), and mappings of nodes are merged with it on both sides.  Threads may come and go
 * meanwhile: the list may then end early.
 * @param most  room in `to`
 * @return how many, ascending; also 0 if the list is not found: another libc
 */
unsigned pst_stack_list(pst_stack_range_t *to, unsigned most);

#endif /* PST_STACK_H */
