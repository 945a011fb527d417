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
 * The end of the stack of this process that a mapping begins with.  glibc keeps what it knows of a thread at the far
 * end of its stack, block and guard among it; that is looked for where stacks of the usual sizes end, in pages that are
 * there.
 * @param from, to  the mapping, without the guard below it
 * @param usual     most that stacks have as a rule; bytes
 * @return 0 if it is not found: another libc, an odd size with something else merged above
 */
apr_uint64_t pst_stack_end(apr_uint64_t from, apr_uint64_t to, apr_uint64_t usual);

#endif /* PST_STACK_H */
