/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may ask for something to be done: POST /pool-status/release, POST /pool-status/heap-profile.
 */
#ifndef MOD_POOLSTAT_CONTROL_H
#define MOD_POOLSTAT_CONTROL_H

#include <httpd.h>
#include "pst_args.h"

/** Parent: make sure there is a key for nonces; it lasts as long as the parent, graceful restarts included. */
void pst_control_post_config(server_rec *s);

/**
 * A nonce that a form sends back, valid for an hour in whichever child gets it.
 * @return NULL if PoolStatControl is Off, or there is no key; else text of pool
 */
const char *pst_control_nonce(apr_pool_t *pool);

/**
 * Check a POST: may it ask, and for what? Requests refused for lack of rights are logged in the error log.
 * @param args      filled in if OK comes back
 * @param sentence  set if another status comes back: why
 * @return OK, or 400, 403, 413, 503
 */
int pst_control_admit(request_rec *r, pst_face_e face, pst_args_t *args, const char **sentence, apr_pool_t *pool);

/** Who asks, for the error log; "-": nobody by name. */
const char *pst_control_user(const request_rec *r);

#endif /* MOD_POOLSTAT_CONTROL_H */
