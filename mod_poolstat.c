/* SPDX-License-Identifier: Apache-2.0
 *
 * mod_poolstat: live, exact pool memory of every httpd child.
 *
 * The table of contents: the hooks in the order in which httpd runs them, and
 * the module record.
 */
#include "mod_poolstat_private.h"
#include "mod_poolstat_api.h"
#include "mod_poolstat_brigades.h"
#include "mod_poolstat_ends.h"
#include "mod_poolstat_env.h"
#include "mod_poolstat_handler.h"
#include "mod_poolstat_log.h"
#include "mod_poolstat_reload.h"
#include "mod_poolstat_server_status.h"

#include <http_config.h>
#include <http_connection.h>
#include <http_protocol.h>
#include <http_request.h>

/* First among the handlers: note which handler is about to run, and handle our own requests. */
static int on_handler(request_rec *r)
{
    pst_phase_handler(r);
    if (!pst_handler_serves(r)) {
        return DECLINED;
    }
    pst_phase_ours(r);
    return pst_handler(r);
}

static void register_hooks(apr_pool_t *pool)
{
    /* the parent */
    ap_hook_pre_config(pst_log_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(pst_log_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(pst_process_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    pst_reload_register(pst_process_configured);    /* the last, and one before all others, which measures */
    ap_hook_error_log(pst_ends_error_log, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_status(pst_process_child_status, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(pst_process_monitor, NULL, NULL, APR_HOOK_MIDDLE);

    /* a child, while it still has its parent's rights */
    ap_hook_drop_privileges(pst_process_drop_privileges, NULL, NULL, APR_HOOK_REALLY_FIRST);

    /* before any other module makes threads or pools of its own */
    ap_hook_child_init(pst_process_child_init, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_child_init(pst_process_child_ready, NULL, NULL, APR_HOOK_REALLY_LAST);

    /* a connection */
    ap_hook_pre_connection(pst_phase_pre_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_suspend_connection(pst_phase_suspend_connection, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_resume_connection(pst_phase_resume_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_pre_close_connection(pst_phase_pre_close_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);

    /* a request */
    ap_hook_create_request(pst_phase_create_request, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_post_read_request(pst_phase_post_read_request, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(on_handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(pst_phase_log_transaction, NULL, NULL, APR_HOOK_REALLY_FIRST);

    pst_api_register();
    pst_server_status_register(pool);
    pst_brigades_filters();
    pst_phases_register(pool);
}

AP_DECLARE_MODULE(poolstat) = {
    STANDARD20_MODULE_STUFF,
    pst_env_create,             /* per-directory configuration: PoolStatEnv */
    pst_env_merge,
    pst_config_create,
    NULL,                       /* the other directives are global */
    pst_config_directives,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
