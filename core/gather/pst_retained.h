/* SPDX-License-Identifier: Apache-2.0
 *
 * What allocators keep in their free lists, counted: beside what libapr got from the operating system, so that
 * the law of conservation can fail.
 *
 * Every allocator is known from its creation to its end.  The child's watchdog asks each once a second, by the two
 * numbers by which APR itself enforces MaxMemFree: nobody who allocates does anything for it.
 *
 * Called by: start, worker, watchdog
 */
#ifndef PST_RETAINED_H
#define PST_RETAINED_H

#include <apr_allocator.h>
#include "pst_board.h"

/**
 * An allocator is to be counted; again is no harm. Whoever may use it; nobody else meanwhile.
 * @param nodes  looked at in its free lists, at most: with more of them retained is not known any more
 */
void pst_retained_enter(apr_allocator_t *allocator, apr_size_t nodes);

/** It keeps nothing that counts. Whoever alone may use it. */
void pst_retained_forget(const apr_allocator_t *allocator);

/** Does it stand among those that are counted? */
int pst_retained_is_counted(const apr_allocator_t *allocator);

/** From now on nothing is known: a limit that its numbers do not survive was set, or ends are not seen. */
void pst_retained_lost(void);

/**
 * Bytes in the free lists of all allocators. The child's watchdog.
 * @param bag  pst_allocator_bag(): what the releaser has taken out of them
 * @return 0: not known
 */
int pst_retained_count(apr_uint64_t bag, apr_uint64_t *bytes);

/** The pools that own allocators, at most so many, as they were a moment ago: to be looked at with care.
 *  @return how many */
unsigned pst_retained_owners(apr_pool_t **owners, unsigned most);

/**
 * Hold it against what is held, and say on the board what does not balance: the least of the last looks, if all of
 * them found the same side too heavy. Once a second, the child's watchdog.
 */
void pst_retained_balance(pst_shared_child_t *block, apr_uint64_t bag, apr_uint64_t now);

#endif /* PST_RETAINED_H */
