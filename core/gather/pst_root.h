/* SPDX-License-Identifier: Apache-2.0
 *
 * Roots: the pool that an account begins with, a connection's or a request's.  What it and the pools below it hold is
 * charged to the account until it ends; what is handed out of them is sampled at hook points.
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
 * A hook point: publish what has been handed out of the pool of a connection and
 * of that of its current request since it last grew, and what the connection's allocator retains.
 * @param deep  also of the pools below them (bounded); they publish by
 *              themselves when they grow
 * Owner thread.
 */
void pst_root_sample(pst_account_t *connection, int deep);

/** The same for the pool of the current request alone. Owner thread. */
void pst_root_sample_request(pst_account_t *connection);

/**
 * Bring what is sampled of this one connection or request up to date, deep: also of a request that
 * its slot shows no more. Owner thread.
 */
void pst_root_read(pst_account_t *account);

/** How the figures of this connection or request are taken: pools made outside of what is instrumented are walked. */
pst_level_e pst_root_level(const pst_account_t *account);

#endif /* PST_ROOT_H */
