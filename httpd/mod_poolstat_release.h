/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /pool-status/release: reading the request, and waiting for the outcome.
 */
#ifndef MOD_POOLSTAT_RELEASE_H
#define MOD_POOLSTAT_RELEASE_H

#include <httpd.h>
#include "pst_release_ask.h"

/**
 * Check a POST, ask the children, wait three seconds at most.  Requests refused for lack of rights are logged in
 * the error log.  Takes no lock; the request's thread.
 * @param asked     filled in if OK comes back
 * @param sentence  set if another status comes back: why
 * @return OK, or 400, 403, 404, 413, 503
 */
int pst_release_serve(request_rec *r, const pst_board_t *board, pst_release_asked_t *asked, const char **sentence,
                      apr_pool_t *pool);

#endif /* MOD_POOLSTAT_RELEASE_H */
