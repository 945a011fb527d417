/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /pool-status/release: who may ask, what he asked for, and waiting for what comes of it.
 */
#ifndef MOD_POOLSTAT_RELEASE_H
#define MOD_POOLSTAT_RELEASE_H

#include <httpd.h>
#include "pst_release_ask.h"

/** Parent: see to it that there is a key for nonces; it lasts as long as the parent, graceful restarts included. */
void pst_release_post_config(server_rec *s);

/**
 * A nonce that a form sends back, good for an hour with whichever child gets it.
 * @return NULL where PoolStatControl is Off, or there is no key; else text of pool
 */
const char *pst_release_nonce(apr_pool_t *pool);

/**
 * Check a POST, ask the children, wait three seconds at most.  What is refused for lack of rights is told in the
 * error log.  Takes no lock; the request's thread.
 * @param asked     filled in if OK comes back
 * @param sentence  set if another status comes back: why
 * @return OK, or 400, 403, 404, 413, 503
 */
int pst_release_serve(request_rec *r, const pst_board_t *board, pst_release_asked_t *asked, const char **sentence,
                      apr_pool_t *pool);

#endif /* MOD_POOLSTAT_RELEASE_H */
