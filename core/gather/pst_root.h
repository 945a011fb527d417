/* SPDX-License-Identifier: Apache-2.0
 *
 * Roots: the pool that an account starts with, a connection's or a request's. What it and the pools below it hold is
 * charged to the account until it ends; what they hand out is sampled at hook points.
 *
 * Called by: worker
 */
#ifndef PST_ROOT_H
#define PST_ROOT_H

#include "pst_account.h"

#include <apr_buckets.h>

/**
 * Open an account for a pool just made for a connection or request: what the
 * pool and those below it hold moves to it.  From now on it ends when the
 * pool is cleared or destroyed.  Owner thread.
 * @param account  opened with pst_account_open_*(), memory in pool
 * @param buckets  the connection's bucket allocator, or NULL: its nodes are charged to it too
 */
void pst_root_open(pst_account_t *account, apr_pool_t *pool, apr_bucket_alloc_t *buckets);

/** Is an account open for this very pool? Owner thread. */
int pst_root_is(apr_pool_t *pool);

/**
 * A hook point: publish what the pools of a connection and its current request have handed out since they last grew,
 * and what the connection's allocator retains.
 * @param deep  include the pools below them (bounded); these publish on their own when they grow
 * Owner thread.
 */
void pst_root_sample(pst_account_t *connection, int deep);

/** The same for the pool of the current request only. Owner thread. */
void pst_root_sample_request(pst_account_t *connection);

/**
 * Update the sampled figures of this one connection or request, deep: also for a request that its slot no longer
 * shows. Owner thread.
 */
void pst_root_read(pst_account_t *account);

/** How the figures of this connection or request are gathered: pools made outside instrumented code are walked. */
pst_level_e pst_root_level(const pst_account_t *account);

#endif /* PST_ROOT_H */
