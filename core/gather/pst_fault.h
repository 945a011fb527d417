/* SPDX-License-Identifier: Apache-2.0
 *
 * Faults in guarded memory: told, the page opened, and the program goes on as if nothing had been.  What is not ours
 * goes where it would have gone.
 *
 * The handler for SIGSEGV stays in front of others': while it stands, calls of sigaction() and signal() for that
 * signal are kept here, in whatever object they are made, and answered as if they had been done; a handler that was set
 * by other ways is moved behind ours within a second.  Nobody may block the signal meanwhile: a fault that is blocked
 * kills. In a process forked from this one pages are opened, and nothing is told.
 *
 * A system call that fails with EFAULT as its memory is closed is told, and made again.
 *
 * Called by: start, worker, watchdog
 */
#ifndef PST_FAULT_H
#define PST_FAULT_H

#include <apr.h>
#include <apr_errno.h>

#include "poolstat_board.h"
#include "pst_range.h"

/** Stand in front from now on. The thread that starts the child, or its watchdog's.
 *  @return APR_SUCCESS, or why guarded memory would not be safe: nothing was changed */
apr_status_t pst_fault_start(void);

/** The watchdog's thread, once a second: still in front? */
void pst_fault_beat(void);

/** The slow half of pst_fault_is_dead(). */
int pst_fault_dead(const void *pool, pst_misuse_e kind);

/** Told by who found it before it touched anything: misuse of a dead pool, which is opened. @return 1: the first */
int pst_fault_found(pst_misuse_e kind, const void *at);

/** Is that pool a guarded one that has ended? Then that is told. Any thread. */
static APR_INLINE int pst_fault_is_dead(const void *pool, pst_misuse_e kind)
{
    return __builtin_expect(pst_range_has(pool), 0) && pst_fault_dead(pool, kind);
}

/** A system call of that name failed on it; it is open now. Any thread; errno stays. */
void pst_fault_kernel(const char *name, const void *at);

#endif /* PST_FAULT_H */
