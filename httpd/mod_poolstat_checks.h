/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /pool-status/check: what is checked for misuse, switched while the server runs.
 */
#ifndef MOD_POOLSTAT_CHECKS_H
#define MOD_POOLSTAT_CHECKS_H

#include <httpd.h>
#include "pst_check_ask.h"

/**
 * Check a POST, ask the children, wait three seconds at most.  Takes no lock; the request's thread.
 * @param asked     filled in if OK comes back
 * @param sentence  set if another status comes back: why
 * @return OK, or 400, 403, 404, 413, 503
 */
int pst_checks_serve(request_rec *r, const pst_board_t *board, pst_checking_asked_t *asked, const char **sentence,
                     apr_pool_t *pool);

#endif /* MOD_POOLSTAT_CHECKS_H */
