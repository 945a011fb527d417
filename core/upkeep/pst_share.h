/* SPDX-License-Identifier: Apache-2.0
 *
 * Did it grow with what is new, or by repetition?  What was gained between two moments of a history, shared out among
 * requests that were new to the child and the others.
 *
 * Of pools it is known: each growth was charged as it happened.  Of the heap, which does not say who asked, it is told
 * by the intervals in which nothing new was served: what grew there grew by repetition, and as much for each request at
 * other times.  Where there are too few of these, by what fits both rates best.
 *
 * Called by: watchdog, parent
 */
#ifndef PST_SHARE_H
#define PST_SHARE_H

#include "pst_history.h"

/** How the growth was shared out among the points from since to until. Of the process scope. */
void pst_share_process(pst_shared_share_t *share, const pst_history_point_t *points, apr_uint32_t count,
                       apr_uint64_t since, apr_uint64_t until, double gained);

/** The same of the heap. */
void pst_share_heap(pst_shared_share_t *share, const pst_history_point_t *points, apr_uint32_t count,
                    apr_uint64_t since, apr_uint64_t until, double gained);

#endif /* PST_SHARE_H */
