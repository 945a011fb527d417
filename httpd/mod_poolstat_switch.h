/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /pool-status/heap-profile and /pool-status/check: the heap profile, and what is checked for misuse, switched
 * while the server runs.
 */
#ifndef MOD_POOLSTAT_SWITCH_H
#define MOD_POOLSTAT_SWITCH_H

#include <httpd.h>
#include "pst_ask.h"

/**
 * Check a POST, ask the children, wait three seconds at most.  Takes no lock; the request's thread.
 * @param asked     filled in if OK comes back
 * @param sentence  set if another status comes back: why
 * @return OK, or 400, 403, 404, 413, 503
 */
typedef int pst_switch_serve_fn(request_rec *r, const pst_board_t *board, pst_asked_t *asked, const char **sentence,
                                apr_pool_t *pool);

pst_switch_serve_fn pst_switch_heap_serve, pst_switch_checks_serve;

#endif /* MOD_POOLSTAT_SWITCH_H */
