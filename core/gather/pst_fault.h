/* SPDX-License-Identifier: Apache-2.0
 *
 * Faults in guarded memory: reported, the page is opened, and the program continues as if nothing had happened. Other
 * faults go where they would have gone.
 *
 * Our SIGSEGV handler stays in front of others: while it is installed, calls of sigaction() and signal() for that
 * signal, from any object, are intercepted, remembered and answered as if carried out; a handler set in other ways is
 * moved behind ours within a second. Nobody may block the signal meanwhile: a blocked fault kills the process. In a
 * process forked from this one pages are opened and nothing is reported.
 *
 * A system call that fails with EFAULT because its memory is closed is reported and repeated.
 *
 * Called by: start, worker, watchdog
 */
#ifndef PST_FAULT_H
#define PST_FAULT_H

#include <apr.h>
#include <apr_errno.h>

#include "poolstat_board.h"
#include "pst_range.h"

/** Install the handler in front of all others. The thread that starts the child, or its watchdog.
 *  @return APR_SUCCESS, or why guarded memory would not be safe: nothing was changed */
apr_status_t pst_fault_start(void);

/** The watchdog's thread, once a second: make sure it is still in front. */
void pst_fault_beat(void);

/** The slow half of pst_fault_is_dead(). */
int pst_fault_dead(const void *pool, pst_misuse_e kind);

/** Is that pool a guarded one that has ended? If so, report it. Any thread. */
static APR_INLINE int pst_fault_is_dead(const void *pool, pst_misuse_e kind)
{
    return __builtin_expect(pst_range_has(pool), 0) && pst_fault_dead(pool, kind);
}

/** A system call of that name failed on it; it is open now. Any thread; errno is preserved. */
void pst_fault_kernel(const char *name, const void *at);

#endif /* PST_FAULT_H */
