/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks that linger: unmapped some time after they were freed, so that a stale pointer into one still reads what was
 * there, as it does where an allocator keeps what is freed. Bounded in number, bytes and time; the oldest go first.
 *
 * Called by: worker, watchdog
 */
#ifndef PST_LINGER_H
#define PST_LINGER_H

#include <apr.h>

/** As munmap(), but later, if there is room. Any thread; waits for nobody. @return as munmap() */
int pst_linger(void *at, apr_size_t size);

/** Once a second: let go of what was freed a minute ago. Any thread. */
void pst_linger_beat(void);

/** Bytes that linger now. */
apr_size_t pst_linger_bytes(void);

#endif /* PST_LINGER_H */
