/* SPDX-License-Identifier: Apache-2.0
 *
 * mod_poolstat for other modules: what a request or a connection uses, and names for pools.
 *
 * All are optional functions: a module that retrieves them runs with or without mod_poolstat.
 *
 *   static APR_OPTIONAL_FN_TYPE(poolstat_request_usage) *request_usage;
 *
 *   static void find_poolstat(void)         ap_hook_optional_fn_retrieve()
 *   {
 *       request_usage = APR_RETRIEVE_OPTIONAL_FN(poolstat_request_usage);     NULL without mod_poolstat
 *   }
 *
 *   poolstat_usage_t usage = { .size = sizeof(usage) };
 *
 *   if (request_usage && request_usage(r, &usage) == APR_SUCCESS) ... usage.reserved_bytes ...
 *
 * docs/example/mod_example_poolstat.c is a whole module.  Who may call: child processes only, the
 * thread that works on the request, connection or pool.  Nothing locks, nothing waits and, except where noted below,
 * nothing is allocated.
 */
#ifndef MOD_POOLSTAT_H
#define MOD_POOLSTAT_H

#include <apr_optional.h>
#include <httpd.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The value of an unknown figure. */
#define POOLSTAT_UNKNOWN UINT64_MAX

/**
 * Figures as docs/metrics.md describes them; sizes in bytes.  New ones are added at the end and none ever moves: size
 * says which are present.
 */
typedef struct poolstat_usage_t {
    apr_size_t   size;              /**< in: sizeof(poolstat_usage_t) as the caller knows it; out: how much was filled
                                         in */
    apr_uint64_t pools;
    apr_uint64_t reserved_bytes;
    apr_uint64_t used_bytes;
    apr_uint64_t slack_bytes;
    apr_uint64_t peak_bytes;
    apr_uint64_t growths;
    apr_uint64_t bucket_bytes;      /**< for a connection; for a request POOLSTAT_UNKNOWN, like the next two */
    apr_uint64_t retained_bytes;
    apr_uint64_t requests;
} poolstat_usage_t;

/**
 * What a request uses now, with its subrequests and internal redirects.
 * @param r     this request, or one of those
 * @param usage size is set by the caller
 * @return APR_SUCCESS; APR_EINVAL if size is below that of the struct's first version; APR_NOTFOUND if nothing is
 *         known about it: nothing is gathered in this process, or its connection is part of another
 */
APR_DECLARE_OPTIONAL_FN(apr_status_t, poolstat_request_usage, (const request_rec *r, poolstat_usage_t *usage));

/** The same for a connection, including its requests. A connection without a slot has no figures: all are unknown. */
APR_DECLARE_OPTIONAL_FN(apr_status_t, poolstat_connection_usage, (const conn_rec *c, poolstat_usage_t *usage));

#define POOLSTAT_NAME_LEN 32        /**< bytes of a name, including the NUL: longer ones are cut */
#define POOLSTAT_NAMES    64        /**< different names that one child keeps */

/**
 * Name the class of a pool: from now on it is counted with the pools of that name made at the same place, as if it
 * had this tag. Like apr_pool_tag(), but the name need not outlive the call: a copy is kept for the child's lifetime.
 * Name kinds of pools, not single pools: there is room for POOLSTAT_NAMES different names.
 * @param name  printable ASCII; other bytes become '?'
 * @return APR_SUCCESS; APR_EINVAL for an empty name; APR_NOTFOUND if nothing is gathered in this process;
 *         APR_ENOSPC if there is no room: the pool keeps its tag
 */
APR_DECLARE_OPTIONAL_FN(apr_status_t, poolstat_name_pool, (apr_pool_t *pool, const char *name));

#define POOLSTAT_CLASS_LEN 96       /**< room for every name of a class */

/**
 * The name of a pool's class on the page: "tag by function", "tag" or "by function", whichever parts are known.
 * Printable ASCII.
 * @param to   room for POOLSTAT_CLASS_LEN bytes, always ends in a NUL
 * @return APR_SUCCESS, or APR_NOTFOUND if the pool has no class: children that are not instrumented have none
 */
APR_DECLARE_OPTIONAL_FN(apr_status_t, poolstat_pool_class, (apr_pool_t *pool, char *to));

#ifdef __cplusplus
}
#endif

#endif /* MOD_POOLSTAT_H */
