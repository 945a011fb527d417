/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks, as far as they need httpd: who a thread serves, and our filters at four levels that look at what is
 * passed. New connections and requests get them only while buckets are checked.
 *
 * Concurrency: a connection's filters run on its thread.
 */
#include "mod_poolstat_brigades.h"
#include "mod_poolstat_private.h"
#include "pst_buckets.h"
#include "pst_check.h"
#include "pst_hooks.h"
#include "pst_watchpoint.h"

#include <http_connection.h>
#include <http_protocol.h>
#include <util_filter.h>

#include <stdlib.h>
#include <string.h>

/* The most filters looked at between one and the end of its chain. */
#define CHAIN 64

static ap_filter_rec_t *resource, *protocol, *connection, *network;

/* -- who a thread serves --------------------------------------------------- */

/* The real functions: calls of this module are redirected, too. */
static int (*real_run)(conn_rec *c);
static void (*real_process)(conn_rec *c, void *csd);

static int serve_run(conn_rec *c)
{
    pst_serving_t before = pst_watchpoint_serves(pst_phase_connection_account(c));
    int rv = real_run(c);

    pst_watchpoint_served(before);
    return rv;
}

/* The account is opened inside, by the pre-connection hook. */
static void serve_process(conn_rec *c, void *csd)
{
    pst_serving_t before = pst_watchpoint_serves(NULL);

    real_process(c, csd);
    pst_watchpoint_served(before);
}

/* A list that ends with NULL and lasts as long as the child: the child's pool is gone before its last threads. */
static const char *const *list_of(const apr_array_header_t *names)
{
    const char **list = calloc((apr_size_t)names->nelts + 1, sizeof(*list));

    for (int i = 0; list && i < names->nelts; i++) {
        list[i] = strdup(APR_ARRAY_IDX(names, i, const char *));
    }
    return list;
}

void pst_brigades_child_init(const apr_array_header_t *except)
{
    real_run = ap_run_process_connection;
    real_process = ap_process_connection;
    pst_watchpoint_except(except ? list_of(except) : NULL);
    pst_hooks_add(PST_HOOKS_CHECK, "ap_run_process_connection", (void *)serve_run, (void *)real_run);
    pst_hooks_add(PST_HOOKS_CHECK, "ap_process_connection", (void *)serve_process, (void *)real_process);
}

/* -- filters ----------------------------------------------------------------- */

/* The filter that passes data to this one. */
static const char *above(const ap_filter_t *f)
{
    const ap_filter_t *each = f->r ? f->r->output_filters : f->c->output_filters;

    for (int i = 0; each && each->next != f && i < CHAIN; i++) {
        each = each->next;
    }
    return each && each->next == f ? each->frec->name : NULL;
}

static apr_status_t look_at_brigade(ap_filter_t *f, apr_bucket_brigade *bb)
{
    const pst_account_t *account = pst_phase_connection_account(f->c);
    pst_buckets_pass_t pass = {
        .by = above(f),
        .allocator = account && account->outgoing ? NULL : f->c->bucket_alloc,
        .request = f->r ? f->r->pool : NULL,
    };

    if (bb) {
        pst_buckets_passed(bb, &pass);
    }
    return ap_pass_brigade(f->next, bb);
}

static int on_connection(conn_rec *c, void *csd)
{
    (void)csd;
    if (!c->master) {
        pst_watchpoint_opened(pst_phase_connection_account(c));
    }
    if (pst_check_is(buckets)) {
        ap_add_output_filter_handle(connection, NULL, NULL, c);
        ap_add_output_filter_handle(network, NULL, NULL, c);
    }
    return OK;
}

/* A subrequest passes to its main request's filters; a redirect keeps those of the protocol. */
static int on_request(request_rec *r)
{
    if (pst_check_is(buckets)) {
        ap_add_output_filter_handle(resource, NULL, r, r->connection);
        if (!r->prev) {
            ap_add_output_filter_handle(protocol, NULL, r, r->connection);
        }
    }
    return DECLINED;
}

void pst_brigades_register(void)
{
    ap_hook_pre_connection(on_connection, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_post_read_request(on_request, NULL, NULL, APR_HOOK_FIRST);
}

void pst_brigades_filters(void)
{
    resource = ap_register_output_filter("POOLSTAT_RESOURCE", look_at_brigade, NULL, AP_FTYPE_RESOURCE);
    protocol = ap_register_output_filter("POOLSTAT_PROTOCOL", look_at_brigade, NULL, AP_FTYPE_PROTOCOL);
    connection = ap_register_output_filter("POOLSTAT_CONNECTION", look_at_brigade, NULL, AP_FTYPE_CONNECTION);
    network = ap_register_output_filter("POOLSTAT_NETWORK", look_at_brigade, NULL, AP_FTYPE_NETWORK - 2);
}
