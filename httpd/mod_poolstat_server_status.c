/* SPDX-License-Identifier: Apache-2.0
 *
 * The section on the page of mod_status: see the header.  Its cost depends on the number of
 * children, not of connections.
 */
#include "mod_poolstat_server_status.h"
#include "mod_poolstat_handler.h"
#include "pst_runtime.h"
#include "pst_view_status.h"

#include <apr_optional_hooks.h>
#include <http_protocol.h>
#include <mod_status.h>

/* pst_sink_fn */
static apr_status_t sink_to_response(void *baton, const char *data, apr_size_t len)
{
    return ap_rwrite(data, (int)len, baton) < 0 ? APR_ECONNABORTED : APR_SUCCESS;
}

static int print_section(request_rec *r, int flags)
{
    const char *why, *location = NULL;
    const pst_board_t *board = pst_runtime_board(&why);
    pst_emit_t *emit = apr_palloc(r->pool, sizeof(*emit));
    pst_status_e as = flags & AP_STATUS_NOTABLE ? PST_STATUS_LIST : PST_STATUS_TABLE;
    pst_total_t total;
    int known = board && pst_snapshot_heads(&total, board) == APR_SUCCESS;

    if (flags & AP_STATUS_SHORT) {
        as = PST_STATUS_TEXT;
    }
    if (as != PST_STATUS_TEXT) {
        location = pst_handler_location(r);
        location = location ? ap_os_escape_path(r->pool, location, 1) : NULL;
    }
    pst_runtime_give_back();
    pst_emit_init(emit, as == PST_STATUS_TEXT ? PST_EMIT_TEXT : PST_EMIT_HTML, sink_to_response, r);
    pst_view_status(emit, known ? &total : NULL, as, flags & AP_STATUS_EXTENDED, location);
    return pst_emit_flush(emit) == APR_SUCCESS ? OK : DECLINED;
}

void pst_server_status_register(apr_pool_t *pool)
{
    (void)pool;
    APR_OPTIONAL_HOOK(ap, status_hook, print_section, NULL, NULL, APR_HOOK_MIDDLE);
}
