/* SPDX-License-Identifier: Apache-2.0
 *
 * Mappings that remained after a request ended, and which request it was.
 *
 * Based on the heap profile's samples. If a child serves one request at a time (prefork), everything mapped meanwhile
 * belongs to that request: so its peak, and what still remains of it, are known.
 *
 * Called by: start (pst_surge_start), worker
 */
#ifndef PST_SURGE_H
#define PST_SURGE_H

#include "pst_board.h"

/** Child, once, before it serves. @param alone it serves one request at a time: else nothing is reported */
void pst_surge_start(pst_shared_child_t *block, int alone);

/** Sampled mappings came (bytes > 0) or went (< 0). Any thread, any context. */
void pst_surge_mapped(apr_int64_t bytes);

/** A request begins, and ends. @param slot the request's slot; NULL: no row */
void pst_surge_begin(void);
void pst_surge_end(const pst_shared_slot_t *slot);

#endif /* PST_SURGE_H */
