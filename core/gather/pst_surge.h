/* SPDX-License-Identifier: Apache-2.0
 *
 * Mappings that stayed when a request had ended, and which request it was.
 *
 * By the samples of the heap profile. Where a child serves one request at a time (prefork) all that is mapped meanwhile
 * is that request's: then what it took at its peak is known, and what is there of it still.
 *
 * Called by: start (pst_surge_start), worker
 */
#ifndef PST_SURGE_H
#define PST_SURGE_H

#include "pst_board.h"

/** Child, once, before it serves. @param alone it serves one request at a time: else nothing is told */
void pst_surge_start(pst_shared_child_t *block, int alone);

/** Sampled mappings came (bytes > 0) or went (< 0). Any thread, any context. */
void pst_surge_mapped(apr_int64_t bytes);

/** A request begins, and ends. @param slot says which; NULL: no row */
void pst_surge_begin(void);
void pst_surge_end(const pst_shared_slot_t *slot);

#endif /* PST_SURGE_H */
