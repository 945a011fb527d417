/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts what allocators keep in their free lists, independently of what libapr got from the operating system, so
 * that the law of conservation can be tested.
 *
 * Every allocator is known from its creation to its end. The child's watchdog queries each once a second, by the two
 * numbers APR itself uses to enforce MaxMemFree: allocating threads do nothing for it.
 *
 * Called by: start, worker, watchdog
 */
#ifndef PST_RETAINED_H
#define PST_RETAINED_H

#include <apr_allocator.h>
#include "pst_board.h"

/**
 * Start counting an allocator; repeating it is harmless. The allocator's user; nobody else meanwhile.
 * @param nodes  maximum number examined in its free lists: with more, retained becomes unknown
 */
void pst_retained_enter(apr_allocator_t *allocator, apr_size_t nodes);

/** Stop counting it. Its exclusive user. */
void pst_retained_forget(const apr_allocator_t *allocator);

/** Is it counted? */
int pst_retained_is_counted(const apr_allocator_t *allocator);

/** From now on nothing is known: a limit that invalidates its numbers was set, or ends of allocators are not seen. */
void pst_retained_lost(void);

/**
 * Bytes in the free lists of all allocators. The child's watchdog.
 * @param bag  pst_allocator_bag(): what the releaser has taken out of them
 * @return 0: not known
 */
int pst_retained_count(apr_uint64_t bag, apr_uint64_t *bytes);

/** The pools that own allocators, at most this many, as of a moment ago: examine with care.
 *  @return how many */
unsigned pst_retained_owners(apr_pool_t **owners, unsigned most);

/**
 * Compare it with what is held, and publish the imbalance on the board: the smallest of the last checks, if all of
 * them were off in the same direction. Once a second, the child's watchdog.
 */
void pst_retained_balance(pst_shared_child_t *block, apr_uint64_t bag, apr_uint64_t now);

#endif /* PST_RETAINED_H */
