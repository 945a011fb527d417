/* SPDX-License-Identifier: Apache-2.0
 *
 * An example: a module that asks mod_poolstat what its requests use, and works without it.
 *
 *   apxs -i -a -n example_poolstat -c mod_example_poolstat.c
 *
 *   LoadModule example_poolstat_module modules/mod_example_poolstat.so
 *   <Location /example>
 *       SetHandler example-poolstat
 *   </Location>
 *
 * /example?bytes=100000 takes so many bytes from a pool of its own, whose class it names, and says what that made of
 * its request.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <apr_strings.h>

#include "mod_poolstat.h"

#define MOST (64 * 1024 * 1024)

/* NULL without mod_poolstat */
static APR_OPTIONAL_FN_TYPE(poolstat_request_usage) *request_usage;
static APR_OPTIONAL_FN_TYPE(poolstat_connection_usage) *connection_usage;
static APR_OPTIONAL_FN_TYPE(poolstat_name_pool) *name_pool;
static APR_OPTIONAL_FN_TYPE(poolstat_pool_class) *pool_class;

static void find_poolstat(void)
{
    request_usage = APR_RETRIEVE_OPTIONAL_FN(poolstat_request_usage);
    connection_usage = APR_RETRIEVE_OPTIONAL_FN(poolstat_connection_usage);
    name_pool = APR_RETRIEVE_OPTIONAL_FN(poolstat_name_pool);
    pool_class = APR_RETRIEVE_OPTIONAL_FN(poolstat_pool_class);
}

static void print_figure(request_rec *r, const char *of, const char *name, apr_uint64_t value)
{
    if (value == POOLSTAT_UNKNOWN) {
        ap_rprintf(r, "%s.%s: unknown\n", of, name);
    }
    else {
        ap_rprintf(r, "%s.%s: %" APR_UINT64_T_FMT "\n", of, name, value);
    }
}

static void print_usage(request_rec *r, const char *of, const poolstat_usage_t *usage)
{
    print_figure(r, of, "pools", usage->pools);
    print_figure(r, of, "reserved_bytes", usage->reserved_bytes);
    print_figure(r, of, "used_bytes", usage->used_bytes);
    print_figure(r, of, "slack_bytes", usage->slack_bytes);
    print_figure(r, of, "peak_bytes", usage->peak_bytes);
    print_figure(r, of, "growths", usage->growths);
    print_figure(r, of, "bucket_bytes", usage->bucket_bytes);
    print_figure(r, of, "retained_bytes", usage->retained_bytes);
    print_figure(r, of, "requests", usage->requests);
}

static apr_pool_t *make_scratch(request_rec *r)
{
    apr_pool_t *scratch;

    apr_pool_create(&scratch, r->pool);
    apr_pool_tag(scratch, "example");
    if (name_pool) {
        /* beside the tag, which must be a constant, a name may be made at run time */
        name_pool(scratch, apr_psprintf(r->pool, "example of %s", r->server->server_hostname));
    }
    return scratch;
}

static int handle(request_rec *r)
{
    poolstat_usage_t before = { .size = sizeof(before) }, after = before, connection = before;
    char class[POOLSTAT_CLASS_LEN] = "";
    apr_int64_t bytes;
    apr_pool_t *scratch;

    if (!r->handler || strcmp(r->handler, "example-poolstat")) {
        return DECLINED;
    }
    ap_set_content_type(r, "text/plain");
    if (!request_usage || request_usage(r, &before) != APR_SUCCESS) {
        ap_rputs("mod_poolstat does not say\n", r);
        return OK;
    }
    bytes = r->args && !strncmp(r->args, "bytes=", 6) ? apr_atoi64(r->args + 6) : 0;
    scratch = make_scratch(r);
    apr_palloc(scratch, bytes < 0 ? 0 : bytes > MOST ? MOST : (apr_size_t)bytes);
    request_usage(r, &after);
    connection_usage(r->connection, &connection);
    pool_class(scratch, class);
    apr_pool_destroy(scratch);
    print_usage(r, "before", &before);
    print_usage(r, "after", &after);
    print_usage(r, "connection", &connection);
    ap_rprintf(r, "class: %s\n", class);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_optional_fn_retrieve(find_poolstat, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(example_poolstat) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, AP_MODULE_FLAG_NONE
};
