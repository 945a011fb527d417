/* SPDX-License-Identifier: Apache-2.0
 *
 * Did it grow with what is new, or by repetition?  The gain between two moments of a history, split between requests
 * that were new to the child and the others.
 *
 * For pools it is known: each growth was charged when it happened. For the heap, which does not say who requested
 * memory, it is deduced from the intervals in which nothing new was served: growth there came by repetition, and the
 * same amount per request is assumed at other times. If there are too few such intervals, the best fit of both rates
 * is used.
 *
 * Called by: watchdog, parent
 */
#ifndef PST_SHARE_H
#define PST_SHARE_H

#include "pst_history.h"

/** How the process scope's growth between the points from since to until is split. */
void pst_share_process(pst_shared_share_t *share, const pst_history_point_t *points, apr_uint32_t count,
                       apr_uint64_t since, apr_uint64_t until, double gained);

/** The same for the heap. */
void pst_share_heap(pst_shared_share_t *share, const pst_history_point_t *points, apr_uint32_t count,
                    apr_uint64_t since, apr_uint64_t until, double gained);

#endif /* PST_SHARE_H */
