/* SPDX-License-Identifier: Apache-2.0
 *
 * The section on the page of mod_status, and in its ?auto.
 */
#ifndef MOD_POOLSTAT_SERVER_STATUS_H
#define MOD_POOLSTAT_SERVER_STATUS_H

#include <httpd.h>

/** Called once per configuration. Hooks into mod_status, whether or not it is loaded. */
void pst_server_status_register(apr_pool_t *pool);

#endif /* MOD_POOLSTAT_SERVER_STATUS_H */
