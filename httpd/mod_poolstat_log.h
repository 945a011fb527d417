/* SPDX-License-Identifier: Apache-2.0
 *
 * Log tags: figures of a request or connection in access and error logs.
 *
 *   LogFormat       %^PR    the request's,  %^PC    the connection's:  %{used}^PR, %{buckets}^PC ...
 *   ErrorLogFormat  %R      the request's,  %C      the connection's:  %{used}R ...
 */
#ifndef MOD_POOLSTAT_LOG_H
#define MOD_POOLSTAT_LOG_H

#include <httpd.h>

/** Hook, parent: make the tags known to mod_log_config, where it is loaded, and to the core's error log. */
int pst_log_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);

/**
 * Hook, parent: find words in formats that do not name a figure. The formats' own parsers accept any word.
 * @return OK, or an error, after a line in the log that says where, and which words exist
 */
int pst_log_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);

#endif /* MOD_POOLSTAT_LOG_H */
