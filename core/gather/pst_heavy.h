/* SPDX-License-Identifier: Apache-2.0
 *
 * Requested URLs and their memory: finished requests by virtual host and folded path, keeping those that took most
 * (Space-Saving). Each row gives what is certain and the most that can have been missed.
 *
 * A request is noted when it is read and counted when it ends. A recently requested path is found by a hash that is
 * computed anyway; others are folded then.
 *
 * Gather side only: child processes.
 *
 * Called by: worker
 */
#ifndef PST_HEAVY_H
#define PST_HEAVY_H

#include "pst_account.h"

/** Observations left for the next thread while another one holds the table. */
#define PST_HEAVY_WAITING 64

/** Child, once, after pst_account_start(). Before that, nothing is counted. */
void pst_heavy_start(const pst_board_t *board, pst_shared_child_t *block);

/**
 * A request was read. Its thread.
 * @param host  name of its virtual host: lasts as long as the child
 * @param path  lasts as long as the request; NULL: not to be shown
 * @param hash  of both, unfolded, from a good hash function
 */
static APR_INLINE void pst_heavy_asked(pst_account_t *request, const char *host, const char *path, apr_uint64_t hash)
{
    request->host = host;
    request->path = path ? path : "-";
    request->asked = hash;
}

/** Its script's language reported how much memory it used. */
static APR_INLINE void pst_heavy_script(pst_account_t *request, apr_uint64_t bytes)
{
    request->scripted = 1;
    request->script = bytes;
}

/** A request is about to end and may be one of the largest: find out its `url` before it is counted. Any thread, never
 *  waits. */
void pst_heavy_name(pst_account_t *request);

/** A request is about to end, its pools and texts still exist: count it. Any thread, never waits. */
void pst_heavy_count(pst_account_t *request);

/* The tag of the connection whose request this thread serves, or 0. */
extern __thread apr_uint32_t pst_heavy_serves __attribute__((tls_model("initial-exec"), visibility("hidden")));

/** This thread serves a request of this connection, or (NULL) none. */
static APR_INLINE void pst_heavy_serve(const pst_account_t *connection)
{
    pst_heavy_serves = connection ? connection->tag : 0;
}

/** A sample says this thread requested memory outside pools. Any context. */
static APR_INLINE void pst_heavy_sampled(apr_uint64_t bytes)
{
    if (pst_heavy_serves) {
        pst_account_sampled(pst_heavy_serves, bytes);
    }
}

#endif /* PST_HEAVY_H */
