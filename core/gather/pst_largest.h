/* SPDX-License-Identifier: Apache-2.0
 *
 * Finished requests: histograms of their sizes, overall, by handler and by vhost, and the largest ones by name: of
 * each URL (vhost and folded path) and handler the largest. The size of a request is its peak.
 *
 * Called by: start, worker
 */
#ifndef PST_LARGEST_H
#define PST_LARGEST_H

#include "pst_account.h"

/** Child, once, before any other call; pst_account_start() does it. The block is never NULL. */
void pst_largest_start(const pst_board_t *board, pst_shared_child_t *block);

/**
 * Thread of the connection: the histogram of a handler, made if there is room.
 * @param last that of the previous request on this connection, or 0: tried first
 * @param name the handler, padded with zeros
 */
apr_byte_t pst_largest_handler(apr_byte_t last, const char name[PST_HANDLER_LEN]);

/**
 * A request is about to end, its pools still exist: count its size.  Any thread, never waits.
 * @return 1 if it may be one of the largest: then name it (pst_heavy_name()) and call pst_largest_beats()
 */
int pst_largest_count(pst_account_t *request);

/** @return 1 if it is larger than the largest of its URL and handler, and than the smallest one kept: then call
 *  pst_largest_keep(). 0 if it is not, or if another thread is at the list: then it counts as missed. */
int pst_largest_beats(const pst_account_t *request);

/** Note it among the largest, unless another thread is doing so: then it counts as missed. */
void pst_largest_keep(const pst_account_t *request);

#endif /* PST_LARGEST_H */
