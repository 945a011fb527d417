/* SPDX-License-Identifier: Apache-2.0
 *
 * Who a thread serves, for what PoolStatCheck finds. The hooks are added only if the configuration needs them:
 * other servers do not pay for them.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_brigades.h"
#include "pst_served.h"

#include <http_connection.h>
#include <http_protocol.h>

static int registered;

static int serves(conn_rec *c, void *csd)
{
    (void)csd;
    pst_served_set(pst_phase_connection_account(c));
    return OK;
}

static int serves_again(conn_rec *c)
{
    pst_served_set(pst_phase_connection_account(c));
    return DECLINED;
}

static void serves_nobody(conn_rec *c, request_rec *r)
{
    (void)c, (void)r;
    pst_served_set(NULL);
}

static void serves_resumed(conn_rec *c, request_rec *r)
{
    (void)r;
    pst_served_set(pst_phase_connection_account(c));
}

static apr_status_t forget(void *unused)
{
    (void)unused;
    registered = 0;
    return APR_SUCCESS;
}

/* Before httpd sorts its hooks, which is when the configuration has been read. */
void pst_serves_register(apr_pool_t *pool)
{
    if (registered) {
        return;
    }
    registered = 1;
    apr_pool_cleanup_register(pool, NULL, forget, apr_pool_cleanup_null);
    ap_hook_pre_connection(serves, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_process_connection(serves_again, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_suspend_connection(serves_nobody, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_resume_connection(serves_resumed, NULL, NULL, APR_HOOK_FIRST);
    pst_brigades_register();
}

int pst_serves_registered(void)
{
    return registered;
}
