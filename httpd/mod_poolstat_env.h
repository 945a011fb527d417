/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment of a request: POOLSTAT_REQUEST_RESERVED_BYTES and the like, for CGI, expressions
 * and %{...}e in log formats; and the same as notes, %{...}n in both kinds of logs.  Only where PoolStatEnv is On;
 * if it is On nowhere, none of these hooks runs.
 */
#ifndef MOD_POOLSTAT_ENV_H
#define MOD_POOLSTAT_ENV_H

#include <httpd.h>
#include <http_config.h>

/** Per-directory configuration. */
void *pst_env_create(apr_pool_t *pool, char *directory);
void *pst_env_merge(apr_pool_t *pool, void *base, void *add);

/** Directive setter: PoolStatEnv. The first On of a configuration adds the hooks. */
const char *pst_env_set(cmd_parms *cmd, void *config, const char *arg);

#endif /* MOD_POOLSTAT_ENV_H */
